"""Valid samples of what the program reads, to begin from: small ones, since each is read many times."""

from __future__ import annotations

import gzip
import json
import tarfile
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rcuactors.hunt.keep import keep
from rcuactors.hunt.plan import plan_of
from rcuactors.hunt.progress import Progress
from rcuactors.hunt.search import explore
from rcuactors.runs.options import RunOptions
from rcuactors.runs.spec import RunSpec
from rcuactors.templates import design
from rcuactors.userfiles.scenarios import load_scenario

_DATA: Final = Path(__file__).resolve().parents[1] / "data"

TIDY: Final = b'''"""tidy: for the fuzzer."""
from rcuactors import Kernel, scenario, script
@scenario()
async def tidy(k: Kernel, objects: int = 20, careful: bool = True, text: str = "x") -> None:
    lock = k.raw_spinlock("some_lock")
    for _ in range(objects):
        await k.raw_spin_lock(lock)
        p = await k.kmalloc(64)
        if p is None:
            await k.raw_spin_unlock(lock)
            continue
        k.kvfree_rcu(p, "rcu") if not careful else await k.kvfree_rcu(p, "rcu")
        await k.raw_spin_unlock(lock)
    await k.udelay(10)
    await k.synchronize_rcu()
if __name__ == "__main__":
    script(tidy)
'''

TWICE: Final = b'''"""twice: an object that is freed twice."""
from rcuactors import Kernel, scenario
@scenario()
async def twice(k: Kernel) -> None:
    async def reader(k: Kernel) -> None:
        async with k.rcu_read_section():
            await k.msleep(1)
    await k.kthread_run(reader, "reader", cpu=1)
    p = await k.kmalloc(64)
    await k.kfree(p)
    await k.kfree(p)
'''

MANY: Final = b'''"""many: timers, works, locks and objects."""
from rcuactors import Kernel, scenario
@scenario()
async def many(k: Kernel, rounds: int = 3) -> None:
    lock, mutex = k.spinlock("a"), k.mutex("b")
    async def handler(k: Kernel) -> None:
        await k.spin_lock(lock)
        await k.spin_unlock(lock)
    async def worker(k: Kernel) -> None:
        await k.mutex_lock(mutex)
        await k.msleep(2)
        await k.mutex_unlock(mutex)
    timer, work = k.timer(handler), k.work(worker)
    for number in range(rounds):
        await k.mod_timer(timer, k.jiffies + 2)
        await k.queue_work(work)
        await k.kvfree_rcu(await k.kmalloc(64 * (number + 1)), "rcu")
        await k.msleep(5)
    await k.timer_delete_sync(timer)
    await k.flush_work(work)
'''

LOSES: Final = b'''"""loses: an update is lost where one is overtaken between its look and its write."""
from rcuactors import Kernel, scenario
@scenario(settings={"nr_cpus": "2"})
async def loses(k: Kernel, pause: int = 40) -> None:
    count = 0
    async def adds() -> None:
        nonlocal count
        seen = count
        await k.udelay(1)
        count = seen + 1
    async with k.open_nursery() as nursery:
        await nursery.start_soon(adds, cpu=1)
        await k.udelay(pause)
        await adds()
    assert count == 2, "an update was lost"
'''

COSTS: Final = b"lock_ns = 20\nkmalloc_ns = 30\n"

OWN_DESIGN: Final = Path(design.__file__).read_bytes()


@cache
def recording(name: str) -> bytes:
    """An ftrace recording, unpacked."""
    return gzip.decompress((_DATA / "recordings" / f"{name}.txt.gz").read_bytes())


BARRIER: Final = "kvfree-6.12/k_barrier_idle_min5"
MIXED: Final = "kvfree-6.12/c_mixed_2_min5"
COLD: Final = "kvfree/a_cold_1_min5_rep1"
RT: Final = "kvfree-6.1-rt/c_mixed_2_min5"
WORKLOAD: Final = "workload/B_rps"


@cache
def matrix() -> bytes:
    """Some rows of a recorded matrix."""
    lines = (_DATA / "lock-nesting" / "matrix_stock.csv").read_bytes().splitlines(keepends=True)
    return b"".join(lines[:8])


@cache
def asked() -> dict[str, bytes]:
    """Some recorded answers of a real kernel, by the name of their file."""
    found: dict[str, bytes] = {}
    wanted = ("A/A1-irq-gpfirst", "A/A7-two", "A/A1-bh-gpfirst")
    with tarfile.open(_DATA / "context-6.1" / "context-6.1.tar.xz") as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is not None and any(name in member.name for name in wanted):
                found[f"asked/{member.name.partition('/')[2]}"] = stream.read()
    return found


@cache
def run_spec() -> str:
    """A run as a value, in JSON."""
    options = RunOptions(kernel="v6.12", settings={"nr_cpus": 3, "objects": 20}, strategy="random", seed=7)
    return json.dumps(RunSpec.of(load_scenario("cold_cache_burst"), options).to_json(), indent=1)


@cache
def schedule() -> str:
    """A schedule file of `LOSES`, as `explore --out` keeps it."""
    with TemporaryDirectory(prefix="rcuactors-fuzz-") as folder:
        path = Path(folder) / "loses.py"
        path.write_bytes(LOSES)
        plan = plan_of(RunSpec.of(load_scenario(str(path)), kernel="v6.12"), ("holds",))
        trial = next(trial for trial in explore(plan, Progress(), schedules=500) if trial.shown)
        text = keep(plan.attempt, trial, trial.shown[0].signature).schedule.text()
        return text.replace(str(path), path.name)


@cache
def all_of_them() -> dict[str, bytes]:
    """Those that the words of options name."""
    return {
        "tidy.py": TIDY,
        "twice.py": TWICE,
        "loses.py": LOSES,
        "schedule.json": schedule().encode(),
        "costs.toml": COSTS,
        "own.py": OWN_DESIGN,
        "matrix.csv": matrix(),
        "barrier.txt": recording(BARRIER),
        "mixed.txt.gz": gzip.compress(recording(MIXED), 1, mtime=0),
        "cold.txt": recording(COLD),
        "workload.txt.gz": gzip.compress(recording(WORKLOAD), 1, mtime=0),
        **asked(),
    }
