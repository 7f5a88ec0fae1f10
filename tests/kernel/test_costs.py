"""The cost model: its table, its file, and that a run obeys it (rcuactors/kernel/costs.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcuactors import BadInput, Kernel, RunOptions, run, scenario
from rcuactors.kernel.costs import CostModel, describe, load_costs


def test_each_figure_says_what_it_is_and_where_it_is_from() -> None:
    for name, nanoseconds, about, source in describe():
        assert getattr(CostModel(), name) == nanoseconds
        assert about
        assert source


def test_a_file_replaces_some(tmp_path: Path) -> None:
    path = tmp_path / "costs.toml"
    path.write_text("lock_ns = 25\nvfree_ns = 0\n")
    costs = load_costs(path)
    assert (costs.lock_ns, costs.vfree_ns, costs.tick_ns) == (25, 0, CostModel().tick_ns)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("locks_ns = 1", "cost locks_ns: no such cost; did you mean lock_ns?"),
        ("lock_ns = -1", "lock_ns = -1"),
        ("lock_ns = 1.5", "lock_ns = 1.5"),
        ("lock_ns = true", "lock_ns = True"),
        ("lock_ns = 2000000000", "0 to 1000000000"),
        ("lock_ns =", "not TOML"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "costs.toml"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        load_costs(path)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        load_costs(tmp_path / "none.toml")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero here")
def test_a_file_that_never_ends_is_refused() -> None:
    with pytest.raises(BadInput, match="cost file /dev/zero: has more than 1048576 bytes"):
        load_costs(Path("/dev/zero"))


def test_a_run_is_charged_by_the_model() -> None:
    async def script(k: Kernel) -> None:
        for _ in range(1000):
            await k.cpu_relax()

    dear = run(scenario()(script), RunOptions(costs=CostModel(copy_user_ns=1000))).end_ns
    cheap = run(scenario()(script), RunOptions(costs=CostModel(copy_user_ns=10))).end_ns
    assert dear - cheap >= 900_000


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "costs.toml"
    path.write_bytes(b"lock_ns = 25 # \xff\xfe\n")
    with pytest.raises(BadInput, match=r"^cost file .*costs\.toml: cannot be read: is no UTF-8 text$"):
        load_costs(path)
