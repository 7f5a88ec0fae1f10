"""What is put off: works, timers, hrtimers, irq_works, tasklets, calls on other CPUs."""

from __future__ import annotations

from typing import Final

from .form import Form, Undo, form


def _works() -> list[Form]:
    plain = [
        form(f"{name}({words})")
        for name, words in (
            ("queue_work", "wq, work"),
            ("queue_work_on", "cpu, wq, work"),
            ("queue_delayed_work", "wq, dwork, delay"),
            ("queue_delayed_work_on", "cpu, wq, dwork, delay"),
            ("mod_delayed_work", "wq, dwork, delay"),
            ("mod_delayed_work_on", "cpu, wq, dwork, delay"),
            ("queue_rcu_work", "wq, rwork"),
            ("schedule_work", "work"),
            ("schedule_delayed_work", "dwork, delay"),
            ("flush_work", "work"),
            ("flush_delayed_work", "dwork"),
            ("flush_rcu_work", "rwork"),
            ("flush_workqueue", "wq"),
            ("drain_workqueue", "wq"),
            ("cancel_work", "work"),
            ("cancel_work_sync", "work"),
            ("cancel_delayed_work", "dwork"),
            ("cancel_delayed_work_sync", "dwork"),
        )
    ]
    disabling = [form(f"{name}(work)", undo=Undo("enable_work")) for name in ("disable_work", "disable_work_sync")]
    delayed = [
        form(f"{name}(dwork)", undo=Undo("enable_delayed_work"))
        for name in ("disable_delayed_work", "disable_delayed_work_sync")
    ]
    return [
        *(*plain, *disabling, *delayed),
        form("enable_work(work)", needs="disabled_work"),
        form("enable_delayed_work(dwork)", needs="disabled_dwork"),
        form("enable_and_queue_work(wq, work)", needs="wq disabled_work"),
        form("destroy_workqueue(wq)", needs="own_wq"),
    ]


def _made() -> list[Form]:
    """What is made ready to be put off, where nobody else has it yet."""
    return [
        form("INIT_WORK(work, func)", "work", "func"),
        form("INIT_DELAYED_WORK(dwork, func)", "delayed_work", "func"),
        form("INIT_RCU_WORK(rwork, func)", "rcu_work", "func"),
        form("timer_setup(timer, func, flags)", needs="func"),
        form("hrtimer_init(hrtimer, clock, mode)", "hrtimer", "func"),
        form("hrtimer_setup(hrtimer, func, clock, mode)", "hrtimer", "func"),
        form("init_irq_work(irq_work, func)", "irq_work", "func"),
        form("tasklet_setup(tasklet, func)", needs="func"),
    ]


def _timers() -> list[Form]:
    forms = []
    for new, old in (
        ("timer_delete", "del_timer"),
        ("timer_delete_sync", "del_timer_sync"),
        ("timer_shutdown", ""),
        ("timer_shutdown_sync", ""),
        ("try_to_del_timer_sync", ""),
    ):
        forms += [form(f"{name}(timer)", new) for name in (new, old) if name]
    return [
        form("mod_timer(timer, expires)"),
        form("add_timer(timer)", needs="timer expires", undo=Undo("timer_delete", ("timer",))),
        *forms,
        form("hrtimer_start(hrtimer, ktime, mode)", needs="hrtimer ktime"),
        form("hrtimer_cancel(hrtimer)"),
        form("hrtimer_try_to_cancel(hrtimer)"),
    ]


FORMS: Final = (
    *_works(),
    *_timers(),
    *_made(),
    form("irq_work_queue(irq_work)"),
    form("irq_work_sync(irq_work)"),
    form("tasklet_schedule(tasklet)"),
    form("tasklet_disable(tasklet)", undo=Undo("tasklet_enable")),
    form("tasklet_disable_nosync(tasklet)", undo=Undo("tasklet_enable")),
    form("tasklet_kill(tasklet)"),
    form("smp_call_function_single(cpu, func, info, wait)", needs="other_cpu func"),
)
