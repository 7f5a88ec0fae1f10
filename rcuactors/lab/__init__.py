"""Floor 5: the laboratory that whatever tries things out shares: ways into contexts, bystanders, work over processes.

How a context is entered stands here and nowhere else (contexts.py has them all, by name). Each way needs the kernel's
API and a body, and no rig: so compare, the lock matrix, the replay of recordings and the tests enter the same ones.
What a scenario's run may be surrounded with (surroundings.py) is of that kind, so runs stand above.
"""

from ..marks import KERNEL

__trace__ = KERNEL
