"""The two forms in which recordings tell of a call, by the kernel that was recorded.

The probe on kvfree_call_rcu() prints its two arguments. In v6.1 the second one of the two-argument form is a function
pointer that is an offset, that of the rcu_head in the object; in v6.6 it is the object (kernel/rcu/tree.c; since v6.3
[memory]). In the one-argument form the first is NULL, and the second is the object in both.

The kernel that the file names decides. Where it names none, the first call with two arguments does, as an offset is
less than a page; and the kernel that whoever reads it has in mind, where one is given.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

_RELEASE: Final = re.compile(r"\b([0-9]{1,2})\.([0-9]{1,3})\b", re.ASCII)
_OFFSETS: Final = 4096
"""The kernel's bound for "this function pointer is really an offset" (__is_kvfree_rcu_offset())."""
_POINTER_SIZE: Final = 8
_FIRST_WITH_OBJECTS: Final = (6, 3)


@attrs.frozen
class Form:
    """How the second argument is to be read."""

    name: str
    func_is_object: bool

    def object_of(self, head: int, func: int) -> tuple[int, int] | None:
        """The object of a call, and where in it the rcu_head is (0 without one); None where no kernel says that."""
        if head == 0:
            return func, 0
        address, offset = (func, head - func) if self.func_is_object else (head - func, func)
        return (address, offset) if 0 <= offset < _OFFSETS and offset % _POINTER_SIZE == 0 else None


BY_OFFSET: Final = Form("func= is the offset", func_is_object=False)
BY_OBJECT: Final = Form("func= is the object", func_is_object=True)


def release_of(kernel: str) -> tuple[int, int] | None:
    """Version and patch level that a text names first."""
    match = _RELEASE.search(kernel)
    return (int(match[1]), int(match[2])) if match is not None else None


def form_of(kernel: str) -> Form | None:
    """The form of the kernel that a text names; None if it names none."""
    release = release_of(kernel)
    if release is None:
        return None
    return BY_OBJECT if release >= _FIRST_WITH_OBJECTS else BY_OFFSET


def form_of_call(head: int, func: int) -> Form | None:
    """The form that a call shows; None for the one-argument form, which is the same in both."""
    if head == 0:
        return None
    return BY_OFFSET if func < _OFFSETS else BY_OBJECT
