"""The one-argument form by whatever name the kernel has for it."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from rcuactors import Kernel


def one_argument(k: Kernel, p: Any) -> Coroutine[Any, Any, None]:
    """kvfree_rcu(p), or kvfree_rcu_mightsleep(p)."""
    return k.kvfree_rcu_mightsleep(p) if k.has("kvfree_rcu_mightsleep") else k.kvfree_rcu(p)


def retire(k: Kernel, p: Any, rhf: str | None) -> Coroutine[Any, Any, None]:
    """kvfree_rcu(p, rhf), or that form where there is no rcu_head."""
    return one_argument(k, p) if rhf is None else k.kvfree_rcu(p, rhf)
