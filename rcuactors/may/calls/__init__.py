"""The calls that can be asked for, by the names and in the forms of C. One joins by one line in its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

import attrs

from ...errors import BadInput, bad_value
from ...spelling import no_such
from ..call import Call, gfp_in, is_name, number_in, parse_call, wrong_count
from ..things import SYSTEM_WQ
from . import atomics, deferred, here, lists, locks, memory, rcu, shared, threads
from .form import Form, Worst
from .not_asked import REASONS, begins

FORMS: Final[Sequence[Form]] = (
    *locks.FORMS,
    *memory.FORMS,
    *rcu.FORMS,
    *shared.FORMS,
    *atomics.FORMS,
    *lists.FORMS,
    *deferred.FORMS,
    *threads.FORMS,
    *here.FORMS,
)


def _by_name() -> Mapping[str, tuple[Form, ...]]:
    found: dict[str, tuple[Form, ...]] = {}
    for each in FORMS:
        found[each.name] = (*found.get(each.name, ()), each)
    return MappingProxyType(found)


BY_NAME: Final = _by_name()

_NUMBERS: Final[Mapping[str, int]] = {
    "n": 2,
    "size": 64,
    "order": 0,
    "subclass": 1,
    "node": -1,
    "cpu": 0,
    "ms": 1,
    "us": 10,
    "us_most": 20,
    "ns": 100,
    "ktime": 10_000_000_000,
    "delay": 25,
    "expires": 2_500,
    "i": 1,
    "new": 1,
    "old": 0,
    "a": 1,
    "u": 0,
    "bit": 3,
    "start": 0,
}
"""Words that are numbers, and what is taken where the call has an expression."""

_LIST: Final = "`rcuactors may --list` has all"

_LONGEST: Final[Mapping[str, int]] = {
    "ms": 20,
    "us": 1_000,
    "us_most": 2_000,
    "ns": 100_000,
    "delay": 250,
    **dict.fromkeys(("i", "new", "old", "a", "u"), 1),
}
"""How long somebody sleeps or spins makes no difference to whether he may: no longer than this is tried.

Nor does it make one what an atomic is changed by.
"""

_WORKQUEUES: Final = (
    "system_wq",
    "system_highpri_wq",
    "system_long_wq",
    "system_unbound_wq",
    "system_percpu_wq",
    "system_dfl_wq",
)


@attrs.frozen
class Asked:
    """A call that was asked for: as it was written, its form, and what its arguments say themselves."""

    call: Call
    form: Form
    given: Mapping[str, Any]

    def __str__(self) -> str:
        return str(self.call)


def find_call(text: str) -> Asked:
    """The call in this text. Raises BadInput, in one line, for a text that is none, and for one that is not known."""
    if is_name(text):
        name = text.strip(" (")
        raise bad_value(f"operation {text.strip()}", f"its arguments, as in {_prototypes(_forms_of(name))}")
    call = parse_call(text)
    forms = _forms_of(call.name)
    fitting = [each for each in forms if each.takes(len(call.arguments))]
    if not fitting:
        raise wrong_count(call, [each.prototype for each in forms])
    chosen = fitting[0]
    given = _defaults(chosen)
    for word, said in zip(chosen.words, call.arguments, strict=False):
        given.update(_read(word, said, call))
    return Asked(call, chosen, given)


def _forms_of(name: str) -> tuple[Form, ...]:
    if name not in BY_NAME:
        if began := begins(name, BY_NAME):
            raise bad_value(f"operation {name}", f"what begins the section that it ends: {_prototypes(BY_NAME[began])}")
        if name in REASONS:
            raise BadInput(f"operation {name}: cannot be asked for: it {REASONS[name]}")
        raise no_such("operation", name, BY_NAME, there=_what_there_is(name))
    return BY_NAME[name]


def _what_there_is(name: str) -> str:
    near = ", ".join(get_close_matches(name, BY_NAME, n=5)[1:])
    return f"near it are {near}; {_LIST}" if near else _LIST


def _prototypes(forms: Sequence[Form]) -> str:
    return " or ".join(f"'{each.prototype}'" for each in forms)


def _defaults(chosen: Form) -> dict[str, Any]:
    return {word: _NUMBERS[word] for word in chosen.needs if word in _NUMBERS}


def _read(word: str, said: str, call: Call) -> dict[str, Any]:
    """The value of an argument by its word, where the call says it; nothing where it does not matter."""
    if word == "gfp":
        return {word: gfp_in(said, call)}
    if word in _NUMBERS:
        number = number_in(said)
        return {} if number is None else {word: min(number, _LONGEST.get(word, number))}
    if word == "mode":
        return {word: said}
    if word == "wq" and said.startswith("system_"):
        if said not in _WORKQUEUES:
            raise no_such(f"{call}:", said, _WORKQUEUES)
        return {SYSTEM_WQ: said}
    return {}


__all__ = ["BY_NAME", "FORMS", "Asked", "Form", "Worst", "find_call"]
