"""A design out of a user's file while it runs: whatever it does wrong is said in one line, and as its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rcuactors import Kernel, KernelBug, RunOptions, ViolationKind, run, scenario
from rcuactors.errors import DesignError

HEAD = """from rcuactors import GFP_NOWARN
class Mine:
    name = "mine"
    about = "a text about it"
"""

Write = Callable[..., Path]


def body(get_page: str = "return None", missed: str = "pass") -> str:
    """A whole design with these bodies; that of get_page() begins in line 6."""
    return (
        f"{HEAD}    async def get_page(self, kvfree, cpu, krcp):\n        {get_page}\n"
        f"    async def missed(self, kvfree, cpu, krcp):\n        {missed}\n"
    )


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to(text: str) -> Path:
        path = tmp_path / "mine.py"
        path.write_text(text, encoding="utf-8")
        return path

    return to


async def cold(k: Kernel, objects: int = 600) -> None:
    """Free more objects than a block holds on a CPU whose cache is empty."""
    freed = [await k.kmalloc(64) for _ in range(objects)]
    await k.cold_caches()
    for p in freed:
        await k.kvfree_rcu(p, "rcu")


COLD = scenario()(cold)


def said_in_a_run(path: Path) -> str:
    with pytest.raises(DesignError) as error:
        run(COLD, RunOptions(design=path))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("get_page", "wanted"),
    [
        ("return 1 / 0", "raised ZeroDivisionError: division by zero (mine.py:6)"),
        ("assert not kvfree", "raised AssertionError (mine.py:6)"),
        ("raise SystemExit(7)", "raised SystemExit: 7 (mine.py:6)"),
        ("raise ExceptionGroup('many', [KeyError('x'), TypeError('y')])", "raised KeyError: 'x' (mine.py:6)"),
        ("return await krcp.nothing()", "raised AttributeError: 'Krc' object has no attribute 'nothing' (mine.py:6)"),
        ("return await 5", "raised TypeError: "),
        ("return 5.5", "get_page() returned 5.5 (float): needs a page frame number, or None (mine.py:5)"),
        ("return True", "get_page() returned True (bool): needs a page frame number, or None (mine.py:5)"),
        (
            "return 'x' * 100",
            f"get_page() returned '{'x' * 56}... (str): needs a page frame number, or None (mine.py:5)",
        ),
        ("return -1", "get_page() returned page -1, which is not allocated (mine.py:5)"),
        ("return 10 ** 20", f"get_page() returned page {10**20}, which is not allocated (mine.py:5)"),
        (
            "return kvfree.pages.get_free_page(cpu.current, GFP_NOWARN)",
            "get_page() returned the coroutine get_free_page() (`await` is missing): needs a page ",
        ),
        (
            "kvfree.pages.get_free_page(cpu.current, GFP_NOWARN)",
            "get_free_page() is called without `await` (mine.py:6)",
        ),
        (
            "q = kvfree.pages; p = await q.get_free_page(cpu.current, 0); await q.free_page(cpu.current, p); return p",
            ", which is not allocated (mine.py:5)",
        ),
        (
            "kvfree.put_cached_bnode(krcp, kvfree.pages.get_free_page(cpu.current, GFP_NOWARN))",
            "get_page() put the coroutine get_free_page() (`await` is missing) into the cache: needs page frame ",
        ),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_a_design_does_wrong(write: Write, get_page: str, wanted: str) -> None:
    said = said_in_a_run(write(body(get_page)))
    assert said.startswith(("design file mine.py: ", "design file mine.py raised "))
    assert wanted in said


@pytest.mark.filterwarnings("error")
def test_an_await_that_is_missing_in_missed(write: Write) -> None:
    asks = "kvfree.refill.run_page_cache_worker(cpu, krcp)"
    said = said_in_a_run(write(body(missed=asks)))
    assert said == "design file mine.py: run_page_cache_worker() is called without `await` (mine.py:8)"


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        ("def attach(self, kvfree):\n        1 / 0", " raised ZeroDivisionError: division by zero (mine.py:10)"),
        ("def rules(self, era_rules):\n        1 / 0", " raised ZeroDivisionError: division by zero (mine.py:10)"),
        ("def prepare(self, kvfree, krcp):\n        1 / 0", " raised ZeroDivisionError: division by zero (mine.py:10)"),
        (
            "async def take(self, kvfree, thread, item, head):\n        return 'yes'",
            ": take() returned 'yes' (str): needs True or False (mine.py:9)",
        ),
        (
            "async def take(self, kvfree, thread, item, head):\n        return self.missed(kvfree, thread.cpu, None)",
            ": take() returned the coroutine missed() (`await` is missing): needs True or False (mine.py:9)",
        ),
        (
            "async def get_page_unlocked(self, kvfree, thread, head):\n        return -1",
            ": get_page_unlocked() returned page -1, which is not allocated (mine.py:9)",
        ),
        (
            "async def put_page(self, kvfree, cpu, krcp, page):\n        1 / 0",
            " raised ZeroDivisionError: division by zero (mine.py:10)",
        ),
    ],
)
@pytest.mark.filterwarnings("error")
def test_the_methods_that_it_need_not_have(write: Write, method: str, wanted: str) -> None:
    text = f"{body('return await kvfree.pages.get_free_page(cpu.current, GFP_NOWARN)')}    {method}\n"
    if "get_page_unlocked" in method:
        text = f"{body()}    {method}\n"
    path = write(text)
    with pytest.raises(DesignError) as error:
        run(scenario()(cold), RunOptions(design=path), objects=5000, rcu_min_cached_objs=1)
    assert str(error.value) == f"design file mine.py{wanted}"


@pytest.mark.filterwarnings("error")
def test_a_coroutine_that_missed_returns(write: Write) -> None:
    said = said_in_a_run(write(body(missed="return kvfree.pages.free_page(cpu.current, 5)")))
    assert said == "design file mine.py: missed() returned the coroutine free_page() (`await` is missing) (mine.py:7)"


def test_what_the_model_raises_at_a_wrong_argument_names_both_places(write: Write) -> None:
    said = said_in_a_run(write(body("return await kvfree.pages.get_free_page(None, GFP_NOWARN)")))
    assert said.startswith("design file mine.py raised AttributeError: 'NoneType' object has no attribute ")
    assert " (mine.py:6, in " in said


@pytest.mark.parametrize("again", ["return self.page", "return kvfree.krc(0).blocks[0][-1].page"])
def test_a_page_that_is_a_block_already(write: Write, again: str) -> None:
    text = body(
        f"if kvfree.figures.blocks:\n            {again}\n"
        "        self.page = await kvfree.pages.get_free_page(cpu.current, GFP_NOWARN)\n        return self.page"
    )
    said = said_in_a_run(write(text))
    assert said.startswith("design file mine.py: get_page() returned page ")
    assert said.endswith(", which is a block of CPU 0 already (mine.py:5)")


def test_a_page_that_is_in_the_cache(write: Write) -> None:
    text = body(
        "page = await kvfree.pages.get_free_page(cpu.current, GFP_NOWARN)\n"
        "        kvfree.put_cached_bnode(krcp, page)\n        return page"
    )
    assert said_in_a_run(write(text)).endswith(", which is in the cache of CPU 0 (mine.py:5)")


ASK = "await kvfree.pages.get_free_page(cpu.current, GFP_NOWARN)"


@pytest.mark.parametrize(
    ("get_page", "wanted"),
    [
        ("krcp.cache.append(400_000)", "put page 400000 into the cache, which is not allocated (mine.py:5)"),
        (
            f"krcp.cache += [{ASK}] * 2",
            ", which is there already (mine.py:5)",
        ),
        (
            f"return krcp.cache.append(krcp.blocks[0][-1].page) if kvfree.figures.blocks else {ASK}",
            ", which is a block of CPU 0 (mine.py:5)",
        ),
    ],
)
def test_what_may_not_be_in_the_cache(write: Write, get_page: str, wanted: str) -> None:
    said = said_in_a_run(write(body(get_page)))
    assert said.startswith("design file mine.py: get_page() put page ")
    assert said.endswith(wanted)


def test_a_page_of_slabs(write: Write) -> None:
    """It is allocated, and no block: but not the design's."""
    address = "next(iter(kvfree.oracle.live.values())).home.pfn"
    said = said_in_a_run(write(body(f"return {address}")))
    assert "which is somebody else's: of a 64-byte object ffff88" in said
    assert "allocated at " in said
    assert said.endswith(" (mine.py:5)")


def test_a_page_of_vmallocs(write: Write) -> None:
    async def script(k: Kernel) -> None:
        p = await k.vmalloc(8192)
        await cold(k, 1)
        await k.kvfree_rcu(p, "rcu")

    path = write(body("return next(item.home[1] for item in kvfree.oracle.live.values() if item.is_vmalloc)"))
    with pytest.raises(DesignError, match=r"which is somebody else's: of a 8192-byte vmalloc area .*\(mine\.py:5\)$"):
        run(scenario()(script), RunOptions(design=path))


NO_AWAIT = "raised TypeError: object NoneType can't be used in 'await' expression (mine.py:9, in "
TIMER = "Hrtimer('mine', expired), 0)"


@pytest.mark.parametrize(
    ("handler", "start", "wanted"),
    [
        ("def expired(on): pass", f"hrtimers.hrtimer_start(cpu, {TIMER}", NO_AWAIT),
        ("def expired(on): pass", "softirqs.tasklet_schedule(cpu, expired)", NO_AWAIT),
        (
            "async def expired(on): return 'soon'",
            f"hrtimers.hrtimer_start(cpu, {TIMER}",
            "raised TypeError: '<' not supported between instances of 'str' and 'int' (mine.py:9, in ",
        ),
    ],
)
def test_a_handler_that_is_none(write: Write, handler: str, start: str, wanted: str) -> None:
    """It fails in the machine, which calls it; the mistake is the design's."""
    missed = f"pass\n        {handler}\n        await kvfree.system.{start}"
    said = said_in_a_run(write(f"from rcuactors.kernel.time.hrtimer import Hrtimer; {body(missed=missed)}"))
    assert said.startswith(f"design file mine.py {wanted}")


def test_what_it_raises_in_a_work_of_its_own(write: Write) -> None:
    """Long after the call, on a worker."""
    missed = (
        "from rcuactors.kernel.workqueue import Work\n"
        "        async def refill(on):\n            raise LookupError('later')\n"
        "        workqueues = kvfree.workqueues\n"
        "        await workqueues.queue_work(cpu, workqueues.system_wq, Work('refill', refill))"
    )
    assert said_in_a_run(write(body(missed=missed))) == ("design file mine.py raised LookupError: later (mine.py:10)")


def test_what_it_raises_under_a_scenarios_nursery(write: Write) -> None:
    async def two_threads(k: Kernel) -> None:
        async with k.open_nursery() as nursery:
            await nursery.start_soon(cold, k, 3, cpu=1)
            await cold(k, 3)

    with pytest.raises(DesignError, match=r"raised ZeroDivisionError: division by zero \(mine\.py:6\)"):
        run(scenario()(two_threads), RunOptions(design=write(body("1 / 0"))))


def test_what_a_scenario_raises_is_its_own(write: Write) -> None:
    async def fails(k: Kernel) -> None:
        await cold(k)
        raise LookupError("mine")

    with pytest.raises(LookupError):
        run(scenario()(fails), RunOptions(design=write(body())))


def test_what_the_kernel_objects_to_is_a_report_with_the_designs_line(write: Write) -> None:
    text = (
        f"from rcuactors import GFP_KERNEL\n{body('return await kvfree.pages.get_free_page(cpu.current, GFP_KERNEL)')}"
    )
    path = write(text)
    result = run(COLD, RunOptions(design=path), DEBUG_ATOMIC_SLEEP="y")
    assert result.kinds == {ViolationKind.SLEEPING_FUNCTION}
    assert result.violations[0].line == "mine.py:7"
    assert "get_page (mine.py:7)" in result.violations[0].text
    with pytest.raises(KernelBug):
        run(COLD, RunOptions(design=path), DEBUG_ATOMIC_SLEEP="y", panic_on_warn="y")


def test_a_design_of_ones_own_costs_nothing_that_is_counted(write: Write) -> None:
    """The same design from a file and from the package: the same run, event by event."""
    text = body("return await super().get_page(kvfree, cpu, krcp)").replace("class Mine", "class Mine(Direct)")
    path = write(f"from rcuactors.designs.direct import Direct\n{text}")
    mine, direct = (run(COLD, RunOptions(kernel="v5.9", design=design)) for design in (path, "direct"))
    assert mine.digest == direct.digest
    assert mine.counters == direct.counters
