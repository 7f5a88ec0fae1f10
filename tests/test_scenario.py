"""Scenarios as objects: what the decorator takes, parameters and settings, options (rcuactors/scenario.py)."""

from __future__ import annotations

from typing import Literal

import pytest

from rcuactors import BadInput, Kernel, KernelBug, Run, RunOptions, run, scenario
from rcuactors.scenario import split_settings


@scenario(settings={"nr_cpus": "3", "HZ": "100"})
async def sample(k: Kernel, objects: int = 4, polite: bool = True, label: str = "x") -> None:
    """sample: what it shows, in a line.

    And more.
    """
    k.pr_info(f"{objects} {polite} {label}")
    for _ in range(objects):
        await k.kvfree_rcu(await k.kmalloc(64), "rcu")


def test_what_the_decorator_found() -> None:
    assert sample.name == "sample"
    assert sample.parameters == {"objects": 4, "polite": True, "label": "x"}
    assert sample.settings == {"nr_cpus": "3", "HZ": "100"}
    assert sample.about


def test_parameters_and_settings_are_told_apart() -> None:
    config, parameters = split_settings(sample, {"objects": "9", "HZ": "1000", "polite": "n", "label": "y=z"})
    assert config == {"HZ": "1000"}
    assert parameters == {"objects": 9, "polite": False, "label": "y=z"}


def test_a_run_uses_them() -> None:
    result = run(sample, objects=7, HZ=1000)
    assert result.clean
    assert result.parameters == {"objects": 7, "polite": True, "label": "x"}
    assert (result.config["HZ"], result.config["nr_cpus"]) == ("1000", "3")
    assert sum(result.counters["calls"]["two_argument"].values()) == 7


@pytest.mark.parametrize("value", [False, "n", "N"])
def test_a_switch_can_be_given_as_python_has_it(value: object) -> None:
    assert run(sample, polite=value, PREEMPT_RT=True).parameters["polite"] is False
    assert run(sample, PREEMPT_RT=True).config["PREEMPT_RT"] == "y"


def test_options_and_keywords_add_up() -> None:
    options = RunOptions(settings={"objects": "2", "HZ": "300"}, kernel="v5.9", seed=5)
    result = run(sample, options, objects=3)
    assert (result.parameters["objects"], result.config["HZ"], result.kernel, result.seed) == (3, "300", "v5.9", 5)


@pytest.mark.parametrize(
    ("name", "text"),
    [("objects", "-1"), ("objects", "many"), ("objects", "1.5"), ("objects", "9" * 5000), ("polite", "perhaps")],
)
def test_a_parameter_of_the_wrong_form_is_bad_input(name: str, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        run(sample, **{name: text})
    assert str(caught.value).startswith(f"{name}=")
    assert "needs" in str(caught.value)


def test_an_unknown_name_is_bad_input() -> None:
    with pytest.raises(BadInput, match="objekts"):
        run(sample, objekts=3)


def test_what_is_no_scenario() -> None:
    with pytest.raises(BadInput, match="async def"):
        scenario()(print)  # type: ignore[arg-type, return-value]

    async def no_kernel() -> None:
        pass

    async def no_default(k: Kernel, objects: int) -> None:
        pass

    async def odd_default(k: Kernel, objects: object = None) -> None:
        pass

    with pytest.raises(BadInput, match="needs the kernel"):
        scenario()(no_kernel)
    for body in (no_default, odd_default):
        with pytest.raises(BadInput, match="parameter objects needs a default"):
            scenario()(body)


def test_a_parameter_of_a_few_values_takes_no_other() -> None:
    """Annotations are texts here, and the kernel's need not be known when the scenario is made."""

    @scenario()
    async def stops(k: NotThereAtRunTime, how: Literal["soft", "hard"] = "soft", level: Literal[1, 5] = 1) -> None:  # type: ignore[name-defined] # noqa: F821
        assert (how, level) == ("hard", 5)

    assert stops.choices == {"how": ("soft", "hard"), "level": (1, 5)}
    assert run(stops, how="hard", level=5).clean
    for wrong, said in (("how", "how=3: needs soft or hard"), ("level", "level=3: needs 1 or 5")):
        with pytest.raises(BadInput, match=f"^{said}$"):
            run(stops, **{wrong: "3"})

    async def odd(k: Kernel, how: Literal["soft", "hard"] = "firm") -> None:  # type: ignore[assignment]
        pass

    with pytest.raises(BadInput, match=r"^scenario odd: parameter how has a default that is none of its values$"):
        scenario()(odd)


@pytest.mark.parametrize("table", [{"v4.9": {"plain": "clean"}}, {"v5.11": {"fancy": "clean"}}])
def test_a_table_of_expectations_with_unknown_rows_or_columns_is_refused(table: dict[str, dict[str, str]]) -> None:
    async def body(k: Kernel) -> None:
        pass

    with pytest.raises(BadInput, match="expectation"):
        scenario(expect=table)(body)


def test_without_events_there_is_no_digest_and_the_same_result() -> None:
    on, off = run(sample), run(sample, RunOptions(events=False))
    assert on.digest is not None
    assert on.events > 0
    assert (off.digest, off.events) == (None, 0)
    assert (on.counters, on.latency_ns, on.end_ns) == (off.counters, off.latency_ns, off.end_ns)


@scenario()
async def midway(k: Kernel, reports: int = 1) -> None:
    p = await k.kmalloc(64)
    await k.kfree(p)
    for _ in range(reports):
        await k.kfree(p)
    await k.udelay(-1)


def test_an_error_carries_what_was_reported_before_it() -> None:
    with pytest.raises(BadInput, match=r"udelay\(-1\)") as caught:
        run(midway)
    (note,) = caught.value.__notes__
    assert note.startswith("Reported before that:\n\nBUG: double free: ")
    assert "midway (test_scenario.py:" in note
    with pytest.raises(BadInput) as many:
        run(midway, reports=9)
    assert many.value.__notes__[0].count("BUG: double free") == 5
    assert many.value.__notes__[0].endswith("... and 4 more")
    with pytest.raises(BadInput) as clean:
        run(midway, reports=0)
    assert not hasattr(clean.value, "__notes__")


def test_a_kernel_bug_is_told_once() -> None:
    with pytest.raises(KernelBug) as caught:
        run(midway, panic_on_warn=True)
    assert not hasattr(caught.value, "__notes__")


def test_a_run_that_raised_still_has_its_result() -> None:
    begun = Run(midway, RunOptions())
    with pytest.raises(BadInput):
        begun.run()
    assert begun.result().outcome() == "double-free"
    assert begun.result().steps > 0
