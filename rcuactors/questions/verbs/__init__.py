"""What each verb does, over the kernel's API, as its function in questions.c does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from ...marks import KERNEL
from ..module import Module
from . import contexts, freed_locks, memory, misuse, objects, operations, readers, works

__trace__ = KERNEL

Do = Callable[[Module], Awaitable[None]]

DO: Final[Mapping[str, Do]] = MappingProxyType(
    {
        "a1": readers.do_a1,
        "a8": readers.do_a8,
        "a9": readers.do_a9,
        "f8": readers.do_f8,
        "batch": readers.do_batch,
        "a3": memory.do_a3,
        "f9": memory.do_f9,
        "a4a": works.do_a4a,
        "a4b": works.do_a4b,
        "a4c": works.do_a4c,
        "a4d": works.do_a4d,
        "a4e": works.do_a4e,
        "wcpu": works.do_wcpu,
        "word": works.do_word,
        "a6": contexts.do_a6,
        "a7": contexts.do_a7,
        "a10": contexts.do_a10,
        "f3": contexts.do_f3,
        "f2": operations.do_f2,
        "f5": operations.do_f5,
        "od": objects.do_od,
        "fl": freed_locks.do_fl,
        "m": misuse.do_m,
    }
)
