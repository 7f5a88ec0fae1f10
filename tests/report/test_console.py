"""Console text as records: kinds, locks, contexts and held lists, of a kernel's reports and of the model's."""

from __future__ import annotations

import pytest

from rcuactors import Kernel, run
from rcuactors.report.console import ConsoleReport, LockNamed, Said, is_kernels, read_console, reports_of

WAIT_CONTEXT = """\
[    7.162497] q: CMD f2 v=raw op=spin 
[    7.181077] 
[    7.183538] =============================
[    7.183567] [ BUG: Invalid wait context ]
[    7.183848] 6.1.192 #1 Tainted: G           O      
[    7.184051] -----------------------------
[    7.184074] q_main/46 is trying to lock:
[    7.184318] ffffffffa00124b8 (q_spin){....}-{3:3}, at: f2_op+0x948/0xa80 [q]
[    7.186941] other info that might help us debug this:
[    7.187033] context-{5:5}
[    7.187092] 2 locks held by q_main/46:
[    7.187144]  #0: ffffffffa00124f8 (q_raw){+.+.}-{2:2}, at: do_f2+0xd9/0x8c0 [q]
[    7.187364]  #1: ffa00000000b8e60 ((&c_t)){+.-.}-{0:0}, at: call_timer_fn+0x67/0x200
[    7.187531] stack backtrace:
[    7.190683] q: got it
[    7.190767] q: F2 done preempt_count 0 debug_locks 0"""  # noqa: W291 - as the kernel prints it

HUNG = """\
[   17.577570] INFO: task kworker/1:0:19 blocked for more than 5 seconds.
[   17.583961] 
[   17.583961] Showing all locks held in the system:
[   17.584103] 1 lock held by init/1:
[   17.584168]  #0: ff11000000340430 (sb_writers#3){.+.+}-{0:0}, at: ksys_write+0x65/0xe0
[   17.589647] 2 locks held by kworker/1:0/19:
[   17.590007]  #0: ff11000000150538 ((wq_completion)events){+.+.}-{0:0}, at: process_one_work+0x1e7/0x4f0
[   17.590110]  #1: ffa00000000abe70 ((work_completion)(&w_x)){+.+.}-{0:0}, at: process_one_work+0x1e7/0x4f0"""  # noqa: W291

CUT = "------------[ cut here ]------------\n"
WARN = "WARNING: CPU: 1 PID: 46 at "

KINDS = {
    f"{CUT}{WARN}kernel/softirq.c:401 __local_bh_enable_ip+0x93/0xe0": "WARNING in __local_bh_enable_ip()",
    f"{CUT}{WARN}lib/debugobjects.c:558 lookup_object_or_alloc.part.0.cold+0x18/0x46": (
        "WARNING in lookup_object_or_alloc()"
    ),
    f"{CUT}ODEBUG: free active (active state 0) object type: timer_list hint: o_t+0x0/0x12 [q]\n"
    f"{WARN}lib/debugobjects.c:515 debug_print_object+0x7f/0xa0": "ODEBUG: free active (state 0) timer_list",
    f"{CUT}timer: c_timer+0x0/0x10 [q] preempt leak: 00000101 -> 00000102\n{WARN}kernel/time/timer.c:1707 x+0x1/0x2": (
        "WARNING: timer: c_timer preempt leak: ADDRESS -> ADDRESS"
    ),
    "BUG: scheduling while atomic: q_main/46/0x00000002": "scheduling while atomic",
    "BUG: KASAN: use-after-free in _raw_spin_lock+0x60/0xb0": "KASAN: use-after-free",
    "BUG kmalloc-2k (Tainted: G           O      ): Poison overwritten": "slab: Poison overwritten",
    "q_main: page allocation failure: order:0, mode:0x800(GFP_NOWAIT), nodemask=(null)": (
        "page allocation failure (GFP_NOWAIT)"
    ),
    "rcu: INFO: rcu_preempt self-detected stall on CPU": "RCU stall",
    "softirq: huh, entered softirq 9 RCU (____ptrval____) with preempt_count 00000101, exited with 00000102?": (
        "softirq RCU preempt leak"
    ),
    "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected": "HARDIRQ-safe -> HARDIRQ-unsafe lock order",
}


def the_report(text: str) -> ConsoleReport:
    (report,) = reports_of(read_console(text.split("\n")))
    return report


def test_a_report_names_lock_context_and_what_is_held() -> None:
    entries = read_console(WAIT_CONTEXT.split("\n"))
    assert entries == (
        Said("CMD f2 v=raw op=spin"),
        ConsoleReport(
            kind="invalid wait context",
            title="[ BUG: Invalid wait context ]",
            lock=LockNamed("q_spin", "....", "3:3"),
            context="5:5",
            held=(LockNamed("q_raw", "+.+.", "2:2"), LockNamed("(&c_t)", "+.-.", "0:0")),
        ),
        Said("got it"),
        Said("F2 done preempt_count 0 debug_locks 0"),
    )


def test_of_all_locks_in_the_system_those_of_the_hung_task_are_its() -> None:
    held = the_report(HUNG).held
    assert held is not None
    assert [lock.name for lock in held] == ["(wq_completion)events", "(work_completion)(&w_x)"]


def test_a_held_list_behind_a_line_of_the_module_is_that_lines() -> None:
    held = " #0: ffffffff81c0efa0 (rcu_read_lock){....}-{1:3}, at: x"
    assert read_console(["q: pid 46 q_main preempt_count 0", "1 lock held by q_main/46:", held]) == (
        Said("pid 46 q_main preempt_count 0", (LockNamed("rcu_read_lock", "....", "1:3"),)),
    )
    assert read_console(["q: pid 46 q_main", "no locks held by q_main/46."]) == (Said("pid 46 q_main", ()),)


def test_a_held_lock_may_be_cut_in_two_by_another_cpu() -> None:
    """print_lock_name() prints piece by piece; recorded of a6 v=enaonly on PREEMPT_RT."""
    report, said = read_console(
        [
            "[    9.419541] BUG: sleeping function called from invalid context at include/linux/cgroup-defs.h:771",
            "[    9.419773] 2 locks held by q_main/58:",
            "[    9.419822]  #0: ff1100000f71b3d8 (",
            "[    9.420386] q: END a6 v=enaonly ",
            "[    9.421563] (softirq_ctrl.lock)){+.+.}-{3:3}, at: __local_bh_disable_ip+0xea/0x1e0",
            "[    9.421838]  #1: ffffffff81c17e40 (rcu_read_lock){....}-{1:3}, at: rt_spin_lock+0x7c/0xf0",
            "[    9.422104] CPU: 1 PID: 58 Comm: q_main Tainted: G        W  O       6.1.192-rt64 #2 ",
        ]
    )
    assert isinstance(report, ConsoleReport)
    assert [lock.name for lock in report.held or ()] == ["(softirq_ctrl.lock)", "rcu_read_lock"]
    assert said == Said("END a6 v=enaonly")


@pytest.mark.parametrize(("text", "kind"), KINDS.items(), ids=KINDS.values())
def test_kinds(text: str, kind: str) -> None:
    assert the_report(text).kind == kind


def test_a_lock_that_is_released_has_only_a_name() -> None:
    text = "WARNING: bad unlock balance detected!\nq_main/46 is trying to release lock (q_spin) at:\n[<0>] do_m+0x1/0x2"
    assert the_report(text).lock == LockNamed("q_spin")


def test_what_ends_the_kernel_is_fatal() -> None:
    assert the_report("BUG: kernel NULL pointer dereference, address: 0000000000000000").fatal
    assert the_report(f"{CUT}kernel BUG at kernel/irq_work.c:235!").fatal
    assert not the_report("BUG: scheduling while atomic: q_main/46/0x00000002").fatal


def test_the_models_own_reports_are_read_by_the_same_rules() -> None:
    async def nested(k: Kernel) -> None:
        outer, inner = k.raw_spinlock("q_raw"), k.spinlock("q_spin")
        await k.raw_spin_lock(outer)
        await k.spin_lock(inner)
        await k.spin_unlock(inner)
        await k.raw_spin_unlock(outer)

    (violation,) = run(nested, PROVE_RAW_LOCK_NESTING=True).violations
    report, recorded = the_report(violation.text), the_report(WAIT_CONTEXT)
    assert (report.kind, report.lock, report.context) == (recorded.kind, recorded.lock, recorded.context)
    assert report.held == (LockNamed("q_raw", "+.+.", "2:2"),)


def test_what_only_the_oracle_sees_is_no_kernels() -> None:
    assert is_kernels("BUG: scheduling while atomic: q_main/46/0x00000002\nCall Trace:")
    assert not is_kernels("DEADLOCK: q_main/21 waits for ever for q_spin\n q_main/21 on CPU 1 spins on q_spin")


def test_a_report_that_nobody_knows_is_not_passed_over() -> None:
    lines = [
        "[    5.100000] BUG: something new at 0xffffffff81234567 by q_main/21",
        "INFO: lockdep is turned off.",
        "more",
    ]
    assert [report.kind for report in reports_of(read_console(lines))] == ["BUG: something new at ADDRESS by q_main/#"]
