"""`python -m rcuactors` is the command `rcuactors`."""

import sys

from rcuactors.cli import main

sys.exit(main())
