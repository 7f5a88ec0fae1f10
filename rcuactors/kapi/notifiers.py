"""Notifier chains (include/linux/notifier.h): whoever wants to know is called when something happens.

A callback is given the block that it is registered by, a number that says what has happened, and data; it returns
NOTIFY_DONE, NOTIFY_OK, NOTIFY_STOP or NOTIFY_BAD.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..context.locks import LockKind
from ..rcu import notifier
from ..rcu.notifier import NotifierBlock, NotifierHead
from .arguments import wrong_argument
from .base import Inside, begun, name_of
from .lock_making import kind_of
from .objects import Objects

Notify = Callable[[NotifierBlock, int, Any], Awaitable[int]]
"""`async def notify(nb, action, data) -> int`."""


class Notifiers(Objects):
    """Atomic and blocking chains. Raises BadInput for a chain of the other type."""

    def notifier_block(
        self, notifier_call: Notify, *, priority: int = 0, name: str = "", inside: Inside | None = None
    ) -> NotifierBlock:
        """Struct notifier_block: those of a higher priority are called first."""

        async def call(nb: NotifierBlock, action: int, data: Any) -> int:
            answer = await begun(notifier_call, nb, action, data)
            if answer.__class__ is not int:
                raise wrong_argument(name_of(notifier_call), "return", answer, "NOTIFY_OK, NOTIFY_DONE or the like")
            return answer

        return self._member(inside, NotifierBlock(name or name_of(notifier_call), call, priority))

    def atomic_notifier_head(self, name: str) -> NotifierHead:
        """ATOMIC_NOTIFIER_HEAD(name): may be gone through in every context but NMI; its callbacks must not sleep."""
        return NotifierHead(name, self._make(f"({name}).lock", LockKind.SPINLOCK, None))

    def blocking_notifier_head(self, name: str) -> NotifierHead:
        """BLOCKING_NOTIFIER_HEAD(name): for process context; its callbacks may sleep."""
        return NotifierHead(name, self._make(f"({name}).rwsem", LockKind.RWSEM, None))

    @staticmethod
    def _expect(function: str, nh: NotifierHead, kind: LockKind) -> None:
        if kind_of(nh.lock) is not kind:
            needs = function.partition("_notifier")[0]
            raise wrong_argument(function, "nh", nh, f"a chain from k.{needs}_notifier_head()")

    async def atomic_notifier_chain_register(self, nh: NotifierHead, nb: NotifierBlock) -> int:
        """atomic_notifier_chain_register(): 0, or -EEXIST (-17), which is told."""
        self._expect("atomic_notifier_chain_register", nh, LockKind.SPINLOCK)
        return await notifier.atomic_notifier_chain_register(self._thread, nh, nb)

    async def atomic_notifier_chain_unregister(self, nh: NotifierHead, nb: NotifierBlock) -> int:
        """atomic_notifier_chain_unregister(): 0, or -ENOENT (-2). May sleep: it waits for a grace period."""
        self._expect("atomic_notifier_chain_unregister", nh, LockKind.SPINLOCK)
        return await notifier.atomic_notifier_chain_unregister(self._machine.callbacks, self._thread, nh, nb)

    async def atomic_notifier_call_chain(self, nh: NotifierHead, action: int, data: object = None) -> int:
        """atomic_notifier_call_chain(): what the last callback has returned. An RCU reader."""
        self._expect("atomic_notifier_call_chain", nh, LockKind.SPINLOCK)
        return await notifier.atomic_notifier_call_chain(self._machine.readers, self._thread, nh, action, data)

    async def blocking_notifier_chain_register(self, nh: NotifierHead, nb: NotifierBlock) -> int:
        """blocking_notifier_chain_register(): 0, or -EEXIST (-17), which is told. May sleep."""
        self._expect("blocking_notifier_chain_register", nh, LockKind.RWSEM)
        return await notifier.blocking_notifier_chain_register(self._thread, nh, nb)

    async def blocking_notifier_chain_unregister(self, nh: NotifierHead, nb: NotifierBlock) -> int:
        """blocking_notifier_chain_unregister(): 0, or -ENOENT (-2). May sleep."""
        self._expect("blocking_notifier_chain_unregister", nh, LockKind.RWSEM)
        return await notifier.blocking_notifier_chain_unregister(self._thread, nh, nb)

    async def blocking_notifier_call_chain(self, nh: NotifierHead, action: int, data: object = None) -> int:
        """blocking_notifier_call_chain(): what the last callback has returned. May sleep."""
        self._expect("blocking_notifier_call_chain", nh, LockKind.RWSEM)
        return await notifier.blocking_notifier_call_chain(self._thread, nh, action, data)
