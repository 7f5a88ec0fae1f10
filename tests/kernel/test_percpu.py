"""kernel/percpu.py: one of something for each CPU, made when it is first asked for."""

from __future__ import annotations

from rcuactors.kernel.percpu import PerCpu


def test_each_cpu_has_its_own_from_when_it_is_first_asked_for() -> None:
    made: list[int] = []

    def make(cpu_id: int) -> list[int]:
        made.append(cpu_id)
        return [cpu_id]

    lists = PerCpu(make)
    assert lists.get(2) is None
    lists[2].append(5)
    assert lists[2] == [2, 5]
    assert lists[0] == [0]
    assert made == [2, 0]


def test_they_are_gone_through_in_order_of_cpus() -> None:
    states = PerCpu(str)
    for cpu_id in (11, 3, 7):
        assert states[cpu_id] == str(cpu_id)
    assert states.in_order() == [(3, "3"), (7, "7"), (11, "11")]
    assert states.states() == ["3", "7", "11"]
