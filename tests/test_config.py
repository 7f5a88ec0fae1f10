"""The configuration: names, values, ranges, what one implies (rcuactors/config.py)."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcuactors import BadInput, Config
from rcuactors.config import describe_fields, field_names, split_setting, with_settings


def test_settings_come_back_as_they_went() -> None:
    config = with_settings(Config(), {"PREEMPT_RT": "y", "HZ": "1000", "nr_cpus": "7", "mem": "64M"})
    assert (config.PREEMPT_RT, config.HZ, config.nr_cpus, config.mem) == (True, 1000, 7, 64 << 20)
    assert with_settings(Config(), config.as_settings()) == config


@given(
    preempt=st.booleans(),
    rt=st.booleans(),
    hz=st.sampled_from([100, 250, 300, 1000]),
    cpus=st.integers(1, 4096),
    mem=st.integers(4 << 20, 1 << 40),
    cached=st.integers(-1, 4096),
    percent=st.integers(0, 100),
)
def test_every_configuration_survives_being_written_down(preempt, rt, hz, cpus, mem, cached, percent) -> None:
    config = Config(
        PREEMPT=preempt,
        PREEMPT_RT=rt,
        HZ=hz,
        nr_cpus=cpus,
        mem=mem,
        rcu_min_cached_objs=cached,
        fail_page_alloc=percent,
    )
    assert with_settings(Config(), config.as_settings()) == config


@pytest.mark.parametrize("text", ["y", "Y", "yes", "1", "true", "on", " y "])
def test_true(text: str) -> None:
    assert with_settings(Config(), {"PREEMPT_RT": text}).PREEMPT_RT is True


@pytest.mark.parametrize("text", ["n", "no", "0", "False", "off"])
def test_false(text: str) -> None:
    assert with_settings(Config(), {"PREEMPT": text}).PREEMPT is False


@pytest.mark.parametrize(
    ("text", "size"), [("67108864", 64 << 20), ("64M", 64 << 20), ("65536k", 64 << 20), ("1G", 1 << 30)]
)
def test_sizes(text: str, size: int) -> None:
    assert with_settings(Config(), {"mem": text}).mem == size


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PREEMPT_RT", "maybe"),
        ("PREEMPT_RT", "2"),
        ("PREEMPT_RT", ""),
        ("HZ", "60"),
        ("HZ", "abc"),
        ("HZ", "250.0"),
        ("nr_cpus", "0"),
        ("nr_cpus", "-1"),
        ("nr_cpus", "4097"),
        ("nr_cpus", "1_0"),
        ("nr_cpus", "٣"),
        ("nr_cpus", "2k"),
        ("mem", "1M"),
        ("mem", "M"),
        ("mem", "2048G"),
        ("pcp_batch", "4097"),
        ("rcu_min_cached_objs", "-2"),
        ("rcu_min_cached_objs", "4097"),
        ("fail_page_alloc", "101"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(name: str, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        with_settings(Config(), {name: text})
    message = str(caught.value)
    assert message.startswith(f"{name}=")
    assert "needs" in message or "the kernel has" in message
    assert "\n" not in message


def test_an_unknown_name_is_bad_input() -> None:
    with pytest.raises(BadInput) as caught:
        with_settings(Config(), {"PREEMT_RT": "y"})
    assert "PREEMT_RT" in str(caught.value)
    assert "PREEMPT_RT" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("HZ=100", ("HZ", "100")),
        ("CONFIG_PREEMPT_RT=y", ("PREEMPT_RT", "y")),
        (" mem = 64M ", ("mem", "64M")),
        ("a=b=c", ("a", "b=c")),
    ],
)
def test_splitting(text: str, pair: tuple[str, str]) -> None:
    assert split_setting(text) == pair


@pytest.mark.parametrize("text", ["HZ", "=1", "HZ=", "HZ= ", "", "="])
def test_what_is_no_setting(text: str) -> None:
    with pytest.raises(BadInput, match="NAME=VALUE"):
        split_setting(text)


@pytest.mark.parametrize(
    ("changes", "preemptible", "count", "lockdep"),
    [
        ({}, True, True, True),
        ({"PREEMPT": False}, False, True, True),
        ({"PREEMPT": False, "PROVE_LOCKING": False}, False, False, False),
        ({"PREEMPT": False, "DEBUG_ATOMIC_SLEEP": True}, False, True, True),
        ({"PREEMPT": False, "PREEMPT_RT": True}, True, True, True),
        ({"PROVE_LOCKING": False}, True, True, False),
        ({"PROVE_LOCKING": False, "PROVE_RAW_LOCK_NESTING": True}, True, True, True),
    ],
)
def test_what_follows_from_what(changes: dict[str, bool], preemptible: bool, count: bool, lockdep: bool) -> None:
    config = Config(**changes)
    assert (config.preemptible_kernel, config.preempt_count, config.lockdep) == (preemptible, count, lockdep)


@pytest.mark.parametrize(("hz", "jiffy"), [(100, 10_000_000), (250, 4_000_000), (300, 3_333_333), (1000, 1_000_000)])
def test_a_jiffy(hz: int, jiffy: int) -> None:
    assert Config(HZ=hz).jiffy_ns == jiffy


def test_every_field_is_described_and_frozen() -> None:
    assert [name for name, _, _ in describe_fields()] == list(field_names())
    assert all(about for _, _, about in describe_fields())
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Config().HZ = 100  # type: ignore[misc]


@pytest.mark.parametrize("other", [{"PREEMPT": "n"}, {"PREEMPT_RT": "y"}, {"PREEMPT": "n", "PREEMPT_RT": "y"}])
def test_voluntary_preemption_needs_a_kernel_that_is_built_for_more(other: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="preempt_voluntary=y with PREEMPT"):
        with_settings(Config(), {"preempt_voluntary": "y", **other})


def test_voluntary_preemption_leaves_rcu_preemptible() -> None:
    config = with_settings(Config(), {"preempt_voluntary": "y"})
    assert (config.preemptible_kernel, config.full_preemption, config.preempt_count) == (True, False, True)
    assert Config().full_preemption
    assert Config(PREEMPT=False, PREEMPT_RT=True).full_preemption
