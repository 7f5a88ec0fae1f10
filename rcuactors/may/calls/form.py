"""The form of a call that can be asked for: its prototype, what it does on a machine, what its worst cases hang on."""

from __future__ import annotations

import enum
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from inspect import isawaitable
from types import MappingProxyType
from typing import Any, Final

import attrs

from ..things import Things

Act = Callable[[Things], Awaitable[None]]
_PROTOTYPE: Final = re.compile(r"(?P<name>\w+)\((?P<words>.*)\)")

_SHOWN: Final = {
    "raw_lock": "lock",
    "spin_lock": "lock",
    "local_lock": "lock",
    "rwlock": "lock",
    "rwsem": "sem",
    "rt_mutex": "lock",
    "mutex": "lock",
    "hrtimer": "timer",
    "irq_work": "work",
    "tasklet": "tasklet",
    "seqlock": "sl",
    "waitqueue": "wq_head",
    "flags_too": "gfp",
    "us_most": "us",
}
"""Words that are several things of one kind here, as C's prototypes have them."""


class Worst(enum.Enum):
    """What the worst cases of a call hang on."""

    NOTHING = "nothing but the context"
    LOCK = "who holds its lock"
    TAKES = "the page list and the slab, which may be empty"
    FREES = "the page list and the slab, which may be full"
    QUEUES = "kvfree_rcu()'s cache of pages, and the page list behind it"
    AREAS = "the areas of vmalloc()"


@attrs.frozen(kw_only=True)
class Form:
    """A call that can be asked for.

    `words` are its arguments, as the prototype names them. `act` makes the call once, and undoes it where that belongs
    to it; `needs` are the words of things.py that it uses. `lock` is that of its lock, which others may hold. `about`
    says what the call is, where its name does not. `tries` is the kind of lock that it only tries. `check` is the
    configuration without which nothing tells, where no build has it. `config` is what a kernel needs for the call to do
    anything, whatever its build. `spins` is for whom it spins, where that is no
    holder of a lock: if it has interrupted him, for ever.
    """

    name: str
    words: tuple[str, ...]
    act: Act
    needs: tuple[str, ...] = ()
    worst: Worst = Worst.NOTHING
    lock: str = ""
    about: str = ""
    tries: str = ""
    check: str = ""
    spins: str = ""
    config: Mapping[str, str] = MappingProxyType({})
    areas_too: bool = False
    """What it is given may be of vmalloc() as well."""

    def takes(self, count: int) -> bool:
        """Whether it may have so many arguments: those of C's macros that return something through `flags` may lack."""
        most = len(self.words)
        if self.words[-1:] == ("...",):
            return count >= most - 1
        return count == most or (self.words[-1:] == ("flags",) and count == most - 1)

    @property
    def prototype(self) -> str:
        """As it would stand in C."""
        return f"{self.name}({', '.join(_SHOWN.get(word, word) for word in self.words)})"


async def _called(things: Things, function: str, arguments: Sequence[Any]) -> Any:
    """What a function of the API returns, when it has come back."""
    returned = getattr(things.k, function)(*arguments)
    return await returned if isawaitable(returned) else returned


@attrs.frozen
class Undo:
    """What belongs to a call and comes right after it, such as the unlock.

    It is called with `words` (the call's own, if None). `returned`: with what the call returned, too, unless that is
    None. Otherwise it is called unless the call returned False.
    """

    function: str
    words: tuple[str, ...] | None = None
    returned: bool = False


def form(
    prototype: str, function: str = "", needs: str | None = None, *, undo: Undo | None = None, **more: Any
) -> Form:
    """A form that is one function of the API, with what `needs` names as its arguments (the prototype's own, if None).

    What it returns is kept, where nothing is to be undone.
    """
    found = _PROTOTYPE.fullmatch(prototype)
    assert found is not None
    words = tuple(word.strip() for word in found["words"].split(",") if word.strip())
    name = found["name"]
    used = tuple(words if needs is None else needs.split())

    async def act(things: Things) -> None:
        arguments = [things[word] for word in used]
        returned = await _called(things, function or name, arguments)
        if undo is None:
            things.kept.append(returned)
            return
        back = arguments if undo.words is None else [things[word] for word in undo.words]
        if not undo.returned and returned is not False:
            await _called(things, undo.function, back)
        elif undo.returned and returned is not None:
            await _called(things, undo.function, [*back, returned])

    return Form(name=name, words=words, act=act, needs=used, **more)
