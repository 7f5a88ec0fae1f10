"""What a rig does to a CPU's page cache: k.set_cached_pages(), k.cold_caches()."""

from __future__ import annotations

import pytest

from rcuactors import run
from rcuactors.errors import BadInput
from rcuactors.kapi import Kernel


@pytest.mark.parametrize("kernel", ["v5.9", "v5.11", "v6.1-stable", "v6.12", "v7.3"])
def test_a_cache_holds_what_is_said_or_as_many_as_it_keeps(kernel: str) -> None:
    seen: list[int] = []

    async def script(k: Kernel) -> None:
        for number in (3, 1, 4, 0, 99):
            await k.set_cached_pages(number)
            seen.append(k.cached_pages())
        await k.cold_caches()
        seen.append(k.cached_pages())

    result = run(script, kernel=kernel)
    keeps = int(result.config["rcu_min_cached_objs"])
    assert seen == [min(3, keeps), 1, min(4, keeps), 0, keeps, 0]
    assert result.clean


def test_pages_that_cannot_be_had_are_not_there() -> None:
    seen: list[int] = []

    async def script(k: Kernel) -> None:
        await k.cold_caches()
        await k.set_cached_pages(3)
        seen.append(k.cached_pages())

    assert run(script, fail_page_alloc=100).clean
    assert seen == [0]


def test_less_than_none_is_refused() -> None:
    async def script(k: Kernel) -> None:
        await k.set_cached_pages(-1)

    with pytest.raises(BadInput, match=r"set_cached_pages\(-1\)"):
        run(script)
