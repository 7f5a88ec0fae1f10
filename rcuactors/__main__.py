"""`python -m rcuactors` is the command `rcuactors`."""

import sys

from .cli import main

sys.exit(main())
