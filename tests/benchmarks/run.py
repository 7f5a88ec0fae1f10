"""The benchmarks.

`python tests/benchmarks/run.py [--short]` prints each figure as a ratio of two things measured in this run, beside
what it should reach; `--against CHECKOUT` only how many schedules are tried in the time that another checkout needs.

Each pair is measured in turns, several times, and the median of the ratios is printed: what the machine is doing
besides hurts both sides alike. Nothing here passes or fails; speed is no subject for a test.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from rcuactors import Kernel, RunOptions, Scenario, run, scenario
from rcuactors.describe import describe
from rcuactors.engine.choice import Timed
from rcuactors.engine.conductor import Conductor
from rcuactors.engine.device import Device
from rcuactors.explore import Random
from rcuactors.hunt.plan import plan_of
from rcuactors.hunt.progress import Progress
from rcuactors.hunt.search import explore
from rcuactors.runs.plain import run_plain
from rcuactors.runs.spec import RunSpec

HERE = Path(__file__).resolve().parent


def _load(path: Path) -> object:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


run_peer = _load(HERE / "simpy_peer.py").run_peer  # type: ignore[attr-defined]
long_trace = _load(HERE / "long_trace.py")
run_limit = _load(HERE / "trio_limit.py").run_limit  # type: ignore[attr-defined]
two_readers = _load(HERE / "schedules.py").two_readers  # type: ignore[attr-defined]


@attrs.frozen
class Figure:
    """A ratio and what it should be."""

    name: str
    ratio: float
    wanted: str
    detail: str

    def line(self) -> str:
        """As printed."""
        return f"{self.name:<52} {self.ratio:8.3f}   wanted {self.wanted:<8} {self.detail}"


def seconds(action: Callable[[], object]) -> float:
    """How long one call takes."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def paired(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Median over rounds of first/second, and the median seconds of each; the two are run in turns."""
    ratios, firsts, seconds_ = [], [], []
    for _ in range(rounds):
        a, b = seconds(first), seconds(second)
        ratios.append(a / b)
        firsts.append(a)
        seconds_.append(b)
    return statistics.median(ratios), statistics.median(firsts), statistics.median(seconds_)


def bundled(name: str) -> Scenario:
    """A scenario of the checkout."""
    return getattr(_load(HERE.parent.parent / "scenarios" / f"{name}.py"), name)


BURST = bundled("cold_cache_burst")
QUIET = RunOptions(kernel="v5.11", events=False)
"""The version on which all figures but those that name another are measured, since the first of them was."""


def burst(objects: int) -> object:
    """The burst scenario, events off."""
    return run(BURST, QUIET, objects=objects)


def calls_against_simpy(calls: int, rounds: int) -> Figure:
    """Simulated kvfree_rcu() calls a second, ours over SimPy's."""
    assert run_peer(10_000, 5_000) == 10_000
    ratio, theirs, ours = paired(lambda: run_peer(calls, 5_000), lambda: burst(calls), rounds)
    detail = f"{calls / ours:,.0f} calls/s against {calls / theirs:,.0f}"
    return Figure(f"kvfree_rcu() calls a second / SimPy ({calls:,} calls)", ratio, ">= 0.3", detail)


def hundred_times(small: int, rounds: int) -> Figure:
    """Time for a hundred times the calls, over a hundred times the time."""
    ratio, large_s, small_s = paired(lambda: burst(100 * small), lambda: [burst(small) for _ in range(10)], rounds)
    return Figure(
        f"time of {100 * small:,} calls / {small:,} calls",
        ratio * 10,
        "<= 110",
        f"{large_s:.2f} s against {small_s / 10:.3f} s",
    )


def peak_kib() -> int:
    """Peak memory of this process.

    Linux's ru_maxrss would include the parent's at the time of the fork, so /proc is asked first.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak_memory(objects: int, burst_us: int) -> int:
    """Peak memory in KiB of a process that frees steadily, with the same outstanding whatever the number of calls."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from tests.benchmarks.run import QUIET, peak_kib, run, steady;"
        f"run(steady, QUIET, objects={objects}, pause_us={burst_us});"
        "print(peak_kib())"
    )
    root = str(HERE.parent.parent)
    out = subprocess.run([sys.executable, "-c", code, root], check=True, capture_output=True, text=True)
    return int(out.stdout)


def memory_follows_outstanding(small: int) -> Figure:
    """Peak memory of a hundred times the calls, over that of the calls, at the same number outstanding."""
    few, many = peak_memory(small, 1000), peak_memory(100 * small, 1000)
    detail = f"{many / 1024:.0f} MiB against {few / 1024:.0f} MiB"
    return Figure(f"memory of {100 * small:,} calls / {small:,} calls, same outstanding", many / few, "about 1", detail)


@scenario()
async def steady(k: Kernel, objects: int = 20_000, pause_us: int = 1000) -> None:
    """500 frees, a pause, again: what is outstanding stays the same."""
    while objects:
        for _ in range(min(500, objects)):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")
        objects -= min(500, objects)
        await k.usleep_range(pause_us, pause_us)


@scenario()
async def four_busy(k: Kernel, objects: int = 20_000) -> None:
    """Four CPUs free, the others idle."""

    async def busy() -> None:
        for _ in range(objects):
            await k.kvfree_rcu(await k.kmalloc(64), "rcu")

    async with k.open_nursery() as nursery:
        for cpu in range(4):
            await nursery.start_soon(busy, cpu=cpu)


def many_cpus(objects: int, rounds: int, kernel: str = "v5.11") -> Figure:
    """A machine of 1,024 CPUs of which four are busy, over one of four."""
    options = RunOptions(kernel=kernel, events=False)
    ratio, large, small = paired(
        lambda: run(four_busy, options, nr_cpus=1024, objects=objects),
        lambda: run(four_busy, options, nr_cpus=4, objects=objects),
        rounds,
    )
    name = f"{kernel}: time of 1,024 CPUs, 4 busy / 4 CPUs"
    return Figure(name, ratio, "<= 1.3", f"{large:.2f} s against {small:.2f} s")


def validation(calls: int, rounds: int) -> Figure:
    """Lockdep's share of the burst: the time with every check on, less that without lockdep, over that with."""

    def with_lockdep(on: str) -> Callable[[], object]:
        settings = {"PROVE_LOCKING": on, "PROVE_RAW_LOCK_NESTING": on}
        return lambda: run(BURST, QUIET, objects=calls, **settings)

    ratio, off_s, on_s = paired(with_lockdep("n"), with_lockdep("y"), rounds)
    detail = f"{on_s:.2f} s with validation, {off_s:.2f} s without"
    return Figure(f"lockdep's share of {calls:,} calls", 1 - ratio, "<= 0.4", detail)


def python(*arguments: str) -> Callable[[], object]:
    """A Python process of its own."""
    return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def first_answer(rounds: int) -> Figure:
    """What `rcuactors --help` takes, over an import of Trio: commands are imported when they are called."""
    ratio, ours, theirs = paired(python("-m", "rcuactors", "--help"), python("-c", "import trio"), 3 * rounds)
    return Figure(
        "time of rcuactors --help / import trio", ratio, "<= 1.6", f"{ours * 1e3:.0f} ms against {theirs * 1e3:.0f} ms"
    )


class _Runner(Device):
    """An actor that only hands over."""

    def __init__(self, conductor: Conductor, index: int, turns: int) -> None:
        super().__init__(name=f"runner{index}", index=index, clock=index * 5)
        self._conductor = conductor
        self._turns = turns

    async def main(self) -> None:
        """Take turns with the other one."""
        for _ in range(self._turns):
            self.clock += 10
            await self._conductor.pause(self)


def conduct(hand_overs: int) -> None:
    """Two actors under the conductor, in turns."""
    import trio

    conductor = Conductor(Timed(), max_steps=1 << 60)

    def set_up() -> None:
        for index in range(2):
            runner = _Runner(conductor, index, hand_overs // 2)
            runner.strand = conductor.new_strand(runner.name)
            conductor.spawn(runner.strand, runner.main, runner)
            conductor.enqueue(runner, runner.clock)

    trio.run(conductor.run, set_up)


def hand_overs_against_trio(count: int, rounds: int) -> Figure:
    """Hand-overs a second, the conductor's over bare Trio's."""
    ratio, theirs, ours = paired(lambda: run_limit(count), lambda: conduct(count), rounds)
    return Figure(
        "conductor hand-overs a second / bare Trio",
        ratio,
        ">= 0.6",
        f"{count / ours:,.0f}/s against {count / theirs:,.0f}/s",
    )


def may_in(*arguments: str, rounds: int) -> Figure:
    """A cold command line of `rcuactors may`, over the three seconds that an answer may take."""
    command = [sys.executable, "-m", "rcuactors", "may", *arguments]
    times = [seconds(lambda: subprocess.run(command, check=False, stdout=subprocess.DEVNULL)) for _ in range(rounds)]
    taken = statistics.median(times)
    return Figure(f"rcuactors may {' '.join(arguments)} / 3 s", taken / 3, "<= 1", f"{taken:.2f} s")


def schedules_under_random(schedules: int, rounds: int) -> Figure:
    """How many schedules of a small scenario take as long as 1,000 hand-overs of bare Trio, events off.

    Wanted is 1.3 times what it was (0.65) before elections were decided on a list that is kept.
    """

    def try_them() -> None:
        for seed in range(schedules):
            run(two_readers, attrs.evolve(QUIET, strategy=Random(), seed=seed))

    ratio, theirs, ours = paired(lambda: run_limit(1000 * schedules), try_them, rounds)
    return Figure(
        "schedules under random / 1,000 bare hand-overs",
        ratio,
        ">= 0.85",
        f"{schedules / ours:,.0f}/s, three CPUs; {1000 * schedules / theirs:,.0f} hand-overs/s",
    )


def schedules_without_trio(schedules: int, rounds: int) -> Figure:
    """Schedules a second of the same scenario without Trio's loop, over those on it."""

    def try_them(how: Callable[..., object]) -> None:
        for seed in range(schedules):
            how(two_readers, attrs.evolve(QUIET, strategy=Random(), seed=seed))

    ratio, on_trio, plain = paired(lambda: try_them(run), lambda: try_them(run_plain), rounds)
    detail = f"{schedules / plain:,.0f}/s against {schedules / on_trio:,.0f}/s, three CPUs"
    return Figure("schedules a second without Trio / on it", ratio, ">= 1.7", detail)


def two_processes(schedules: int, rounds: int) -> Figure:
    """Schedules a second of an exploration over two processes, over those in one, on two CPUs that do nothing else."""
    plan = plan_of(RunSpec.of(bundled("stale_batch"), kernel="v6.1-stable"), ())

    def hunt(jobs: int) -> None:
        for _ in explore(plan, Progress(), schedules=schedules, jobs=jobs):
            pass

    ratio, one, two = paired(lambda: hunt(1), lambda: hunt(2), rounds)
    detail = f"{schedules / two:,.0f}/s against {schedules / one:,.0f}/s"
    return Figure(f"{schedules:,} schedules: two processes / one", ratio, ">= 1.8", detail)


def tried_in(checkout: Path, schedules: int) -> dict[str, float]:
    """CPU seconds and choice points of so many schedules, in a process of that checkout."""
    command = [sys.executable, str(HERE / "schedules.py"), str(schedules)]
    out = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(checkout)}
    )
    found: dict[str, float] = json.loads(out.stdout)
    return found


def schedules_against(other: Path, schedules: int, rounds: int) -> Figure:
    """Schedules a CPU second and process of the same scenario, as explored here, over another checkout's."""
    ratios, mine, theirs = [], [], []
    for _ in range(rounds):
        theirs.append(tried_in(other, schedules))
        mine.append(tried_in(HERE.parent.parent, schedules))
        ratios.append(theirs[-1]["seconds"] / mine[-1]["seconds"])
    ours, others = (min(one["seconds"] for one in all_) for all_ in (mine, theirs))
    return Figure(
        f"schedules a second / those of {other.name}",
        statistics.median(ratios),
        ">= 3.5",
        f"{schedules / ours:,.0f}/s against {schedules / others:,.0f}/s at best; "
        f"{mine[0]['choices'] / ours:,.0f} choice points/s, wanted >= 60,000",
    )


def description_against_bare_reading(lines: int, rounds: int) -> Figure:
    """What `rcuactors describe` takes for a trace, over reading its lines and no more."""
    with tempfile.TemporaryDirectory() as folder:
        path = long_trace.write_long_trace(Path(folder) / "trace.txt", lines)  # type: ignore[attr-defined]
        ratio, ours, bare = paired(
            lambda: describe(path),
            lambda: long_trace.read_bare(path),  # type: ignore[attr-defined]
            rounds,
        )
    detail = f"{ours:.2f} s against {bare:.3f} s, {1e6 * ours / lines:.1f} us a line"
    return Figure(f"describe {lines:,} lines / reading them", ratio, "<= 120", detail)


def peak_of_description(lines: int) -> int:
    """Peak memory in KiB of a process that describes a trace of so many lines."""
    with tempfile.TemporaryDirectory() as folder:
        path = long_trace.write_long_trace(Path(folder) / "trace.txt", lines)  # type: ignore[attr-defined]
        code = (
            "import sys; from pathlib import Path; from rcuactors.describe import describe; describe(sys.argv[1]);"
            "status = Path('/proc/self/status').read_text().splitlines();"
            "print(next(line.split()[1] for line in status if 'VmHWM' in line))"
        )
        out = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True)
    return int(out.stdout)


def memory_of_description(lines: int) -> Figure:
    """Peak memory of `rcuactors describe` for ten times the lines, over that for the lines."""
    few, many = peak_of_description(lines), peak_of_description(10 * lines)
    detail = f"{many / 1024:.0f} MiB against {few / 1024:.0f} MiB, wanted <= 100 MiB"
    return Figure(f"memory to describe {10 * lines:,} lines / {lines:,}", many / few, "about 1", detail)


def figures(*, short: bool) -> list[Callable[[], Figure]]:
    """All of them, at full or at a tenth of their size."""
    scale, rounds = (10, 1) if short else (1, 5)
    return [
        lambda: calls_against_simpy(1_000_000 // scale, rounds),
        lambda: hundred_times(20_000 // scale, rounds),
        lambda: memory_follows_outstanding(20_000 // scale),
        lambda: many_cpus(20_000 // scale, rounds),
        lambda: many_cpus(20_000 // scale, rounds, "v6.12"),
        lambda: validation(1_000_000 // scale, rounds),
        lambda: hand_overs_against_trio(100_000 // scale, rounds),
        lambda: first_answer(rounds),
        lambda: may_in("kfree_rcu(p, rcu)", "--in", "raw_spin_lock", rounds=rounds),
        lambda: may_in("kfree_rcu(p, rcu)", rounds=rounds),
        lambda: schedules_under_random(200 // scale, rounds),
        lambda: schedules_without_trio(200 // scale, rounds),
        lambda: two_processes(2000 // scale, min(rounds, 3)),
        lambda: description_against_bare_reading(1_000_000 // scale, min(rounds, 3)),
        lambda: memory_of_description(100_000 // scale),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a tenth of the size, one round")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="schedules a second, here and in a checkout")
    chosen = parser.parse_args()
    if chosen.against is not None:
        scale, rounds = (10, 1) if chosen.short else (1, 9)
        print(schedules_against(chosen.against.resolve(), 200 // scale, rounds).line())
        return
    for figure in figures(short=chosen.short):
        print(figure().line(), flush=True)


if __name__ == "__main__":
    main()
