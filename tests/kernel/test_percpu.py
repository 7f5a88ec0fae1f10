"""kernel/percpu.py: one of something for each CPU, made when it is first asked for; CPUs that come and go."""

from __future__ import annotations

import pytest

from rcuactors import BadInput, Kernel
from rcuactors.kernel.percpu import CpuMasks, PerCpu
from rcuactors.testing import RcuLab


def test_each_cpu_has_its_own_from_when_it_is_first_asked_for() -> None:
    made: list[int] = []

    def make(cpu_id: int) -> list[int]:
        made.append(cpu_id)
        return [cpu_id]

    lists = PerCpu(make, CpuMasks(4))
    assert lists.get(2) is None
    lists[2].append(5)
    assert lists[2] == [2, 5]
    assert lists[0] == [0]
    assert made == [2, 0]


def test_they_are_gone_through_in_order_of_cpus() -> None:
    states = PerCpu(str, CpuMasks(12))
    for cpu_id in (11, 3, 7):
        assert states[cpu_id] == str(cpu_id)
    assert states.touched() == [(3, "3"), (7, "7"), (11, "11")]
    assert states.online() == states.touched()
    assert len(states) == 3


def test_possible_cpus_are_made() -> None:
    states = PerCpu(str, CpuMasks(3))
    assert states[1] == "1"
    assert states.possible() == [(0, "0"), (1, "1"), (2, "2")]
    assert states.touched() == states.possible()


def test_state_outlives_its_cpu() -> None:
    masks = CpuMasks(3)
    states = PerCpu(str, masks)
    for cpu_id in range(2):
        assert states[cpu_id] == str(cpu_id)
    masks.set_cpu_online(1, False)
    masks.set_cpu_online(1, False)
    assert masks.online() == [0, 2]
    assert states.online() == [(0, "0")]
    assert states.touched() == [(0, "0"), (1, "1")]
    masks.set_cpu_online(1, True)
    assert masks.online() == [0, 1, 2]
    assert states.online() == states.touched()


def test_threads_go_to_active_cpus() -> None:
    masks = CpuMasks(3)
    masks.set_cpu_active(1, False)
    assert sorted(masks.active) == [0, 2]
    masks.set_cpu_active(1, True)
    assert masks.active is masks.possible


def test_of_the_possible_cpus_some_are_brought_up_at_boot() -> None:
    masks = CpuMasks(4, booted=2)
    assert masks.online() == list(masks.active) == [0, 1]


def test_no_cpu_beyond_those_that_there_can_be() -> None:
    with pytest.raises(BadInput, match=r"^cpu=3: the machine has CPUs 0 to 2$"):
        CpuMasks(3).set_cpu_online(3, False)


def test_a_machine_has_as_many_as_its_configuration_says(rcu_lab: RcuLab) -> None:
    async def main(k: Kernel) -> None:
        assert k.machine.system.masks.online() == [0, 1, 2]

    assert rcu_lab.run(main, nr_cpus=3).clean
