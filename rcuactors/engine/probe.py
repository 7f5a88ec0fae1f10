"""Looking on: what happens in a machine is told to whoever has asked to hear it.

A probe is one kind of happening, with the types of what is told. Each floor declares its own in a class of probes
(`EngineProbes` here, others in the `probes.py` of their floor); a machine has one of each. Listeners are called in the
order in which they were added, on the stack of whoever made it happen, at that moment of virtual time. They look; they
change nothing. What a listener raises ends the run with that error (`Conductor.ended_by()`).

Where nobody listens a probe costs a test: code on a hot path asks `probe.on`, or the `on` of a group of probes that
share what has to be noted for them, and calls it only then.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, ParamSpec

import attrs

if TYPE_CHECKING:
    from .actor import Actor, Message
    from .decision import Decision
    from .errors import RunOver

P = ParamSpec("P")

EndedBy = Callable[[Exception], "RunOver"]
"""What becomes of an error: it ends the run, and what to raise in its place is returned."""


class Group:
    """Probes for which something has to be noted. `on`: somebody listens to one of them, or of one that reaches it."""

    __slots__ = ("_around", "on")

    def __init__(self) -> None:
        self.on = False
        self._around: list[Group] = []

    def reaches(self, outer: Group) -> None:
        """Who listens to this one is heard of by that one, too."""
        self._around.append(outer)

    def switch_on(self) -> None:
        """Somebody listens."""
        self.on = True
        for outer in self._around:
            outer.switch_on()


class Probe(Generic[P]):
    """One kind of happening. `on`: somebody listens."""

    __slots__ = ("_ended_by", "_groups", "_listeners", "on")

    def __init__(self, ended_by: EndedBy | None = None, group: Group | None = None) -> None:
        self.on = False
        self._ended_by = ended_by
        self._groups = () if group is None else (group,)
        self._listeners: tuple[Callable[P, object], ...] = ()

    def listen(self, listener: Callable[P, object]) -> None:
        """Tell this one, too, from now on; usually that is before the run."""
        self._listeners = (*self._listeners, listener)
        self.on = True
        for group in self._groups:
            group.switch_on()

    def told_with(self, group: Group) -> None:
        """It is told where the probes of that group are: who listens switches them on, too."""
        self._groups = (*self._groups, group)

    def __call__(self, *told: P.args, **named: P.kwargs) -> None:
        """It has happened. Raises RunOver when a listener has failed."""
        try:
            for listener in self._listeners:
                listener(*told, **named)
        except Exception as error:
            if self._ended_by is None:
                raise
            raise self._ended_by(error) from error


def _ungrouped(probes: ProbeSet) -> Probe[Any]:
    return Probe(probes.ended_by)


def probe(group: str = "") -> Any:
    """A field of a class of probes, one of the group that is the field of that name."""
    if not group:
        make: Callable[[ProbeSet], Probe[Any]] = _ungrouped
    else:
        group_of = attrgetter(group)

        def make(probes: ProbeSet) -> Probe[Any]:
            return Probe(probes.ended_by, group_of(probes))

    return attrs.field(init=False, default=attrs.Factory(make, takes_self=True))


def group() -> Any:
    """A field of a class of probes: a group. It stands before its probes."""
    return attrs.field(init=False, factory=Group)


@attrs.define(eq=False)
class ProbeSet:
    """The probes of one floor of one machine.

    A probe's docstring begins with the names of what is told, in parentheses, in the order of the types.
    """

    ended_by: EndedBy | None = None


class Access(enum.Enum):
    """What a step does with something that steps of others may use, too."""

    READ = "read"
    WRITE = "write"
    ACQUIRE = "acquire"
    RELEASE = "release"


@attrs.define(eq=False)
class EngineProbes(ProbeSet):
    """Actors."""

    messages: Group = group()
    message: Probe[[Actor, Message]] = probe("messages")
    """(recipient, message) A message was put into an actor's mailbox."""
    message_taken: Probe[[Actor, Message]] = probe("messages")
    """(recipient, message) The actor has taken it out, and acts on it. NMIs lie in no mailbox."""
    decision: Probe[[Decision, int]] = probe()
    """(decision, picked) The strategy was asked, and took the option of that number."""
    access: Probe[[object, Access]] = probe("messages")
    """(what, access) Whose turn it is uses what others may use, too: a lock, a mailbox, a run queue, a CPU's page list
    or `struct kfree_rcu_cpu`, the number of the grace period, an object. Such a use lies in the step in which it is
    told; a step in which none is told may have used anything."""
