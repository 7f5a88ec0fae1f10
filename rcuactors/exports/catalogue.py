"""Which tracepoints have which fields, and how their text is made of them (include/trace/events/*.h).

A binary trace holds an event's fields, and the reader makes the text. Here that goes the other way: what an event of
the model, or a line of a recording, says is taken apart by the pattern of its tracepoint. Names of fields are the
kernel's, so that what filters or plots by them (`next_pid`, `function`) finds them. A text that fits no pattern is one
field, `text`.

In a pattern stands `{name}` for a word, `{name:kind}` for what a kind says:

* `at`: where something is: an address as tracepoints print it, or a symbol; the model has names where the kernel would
  print the address of a timer or a work;
* `n`: a whole number; `n3` the same with at least three digits;
* `comm`: a task's name of at most 15 characters, spaces included;
* `text`: all the rest;
* the name of one of `TABLES`: a word that stands for a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TABLES: Final = MappingProxyType(
    {
        "state": {
            "R": 0,
            "S": 1,
            "D": 2,
            "T": 4,
            "t": 8,
            "X": 0x10,
            "Z": 0x20,
            "P": 0x40,
            "I": 0x80,
            "R+": 0x100,
        },
        "mode": {
            "ABS": 0,
            "REL": 1,
            "ABS|PINNED": 2,
            "REL|PINNED": 3,
            "ABS|SOFT": 4,
            "REL|SOFT": 5,
            "ABS|PINNED|SOFT": 6,
            "REL|PINNED|SOFT": 7,
            "ABS|HARD": 8,
            "REL|HARD": 9,
            "ABS|PINNED|HARD": 10,
            "REL|PINNED|HARD": 11,
        },
    }
)
"""By name: the words and their numbers. `state` is prev_state of sched_switch, in which 0x100 is "preempted"
(TASK_REPORT_MAX); `mode` is enum hrtimer_mode."""

_TASK: Final = "comm={comm:comm} pid={pid:n} prio={prio:n} target_cpu={target_cpu:n3}"
_SWITCH: Final = (
    "prev_comm={prev_comm:comm} prev_pid={prev_pid:n} prev_prio={prev_prio:n} prev_state={prev_state:state} ==> "
    "next_comm={next_comm:comm} next_pid={next_pid:n} next_prio={next_prio:n}"
)
_PAGE: Final = "page={page:at} pfn={pfn:n} order={order:n}"
_PAGE_KIND: Final = f"{_PAGE} migratetype={{migratetype:n}}"
_TIMER: Final = "timer={timer:at} function={function:at}"
_HRTIMER: Final = "hrtimer={hrtimer:at} function={function:at}"
_HRTIMER_START: Final = f"{_HRTIMER} expires={{expires:n}} softexpires={{softexpires:n}} mode={{mode:mode}}"
_TIMEOUT: Final = f"{_TIMER} expires={{expires:n}} [timeout={{timeout:n}}]"
_BASE: Final = "cpu={cpu:n} idx={idx:n} flags={flags}"

PATTERNS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "sched": {
            "sched_switch": (_SWITCH,),
            "sched_waking": (_TASK,),
            "sched_wakeup": (_TASK,),
            "sched_wakeup_new": (_TASK,),
            "sched_migrate_task": (
                "comm={comm:comm} pid={pid:n} prio={prio:n} orig_cpu={orig_cpu:n} dest_cpu={dest_cpu:n}",
            ),
        },
        "timer": {
            "hrtimer_start": (f"{_HRTIMER_START} was_armed={{was_armed:n}}", _HRTIMER_START),
            "hrtimer_expire_entry": (f"{_HRTIMER} now={{now:n}}",),
            "hrtimer_expire_exit": ("hrtimer={hrtimer:at}",),
            "hrtimer_cancel": ("hrtimer={hrtimer:at}",),
            "timer_start": (f"{_TIMEOUT} bucket_expiry={{bucket_expiry:n}} {_BASE}", f"{_TIMEOUT} {_BASE}"),
            "timer_expire_entry": (f"{_TIMER} now={{now:n}} baseclk={{baseclk:n}}",),
            "timer_expire_exit": ("timer={timer:at}",),
            "timer_cancel": ("timer={timer:at}",),
        },
        "workqueue": {
            "workqueue_queue_work": (
                "work struct={work:at} function={function:at} workqueue={workqueue} req_cpu={req_cpu:n} cpu={cpu:n}",
            ),
            "workqueue_activate_work": ("work struct {work:at}",),
            "workqueue_execute_start": ("work struct {work:at}: function {function:at}",),
            "workqueue_execute_end": ("work struct {work:at}: function {function:at}", "work struct {work:at}"),
        },
        "rcu": {
            "rcu_grace_period": ("{rcuname} {gp_seq:n} {gpevent}",),
            "rcu_exp_grace_period": ("{rcuname} {gpseq:n} {gpevent}",),
            "rcu_callback": ("{rcuname} rhp={rhp:at} func={func:at} {qlen:n}",),
            "rcu_batch_end": ("{rcuname} CBs-invoked={callbacks_invoked:n} idle={idle}",),
            "rcu_invoke_kvfree_callback": ("{rcuname} rhp={rhp:at} func={offset:n}",),
            "rcu_invoke_kfree_bulk_callback": ("{rcuname} bulk={p:at} nr_records={nr_records:n}",),
        },
        "kmem": {
            "mm_page_alloc": (f"{_PAGE_KIND} gfp_flags={{gfp_flags}}",),
            "mm_page_alloc_zone_locked": (f"{_PAGE_KIND} percpu_refill={{percpu_refill:n}}",),
            "mm_page_free": (_PAGE,),
            "mm_page_pcpu_drain": (_PAGE_KIND,),
        },
        "kprobes": {
            "kvfree_call_rcu": (
                "({__probe_ip:at}) head={head:at} func={func:at} caller={caller}",
                "({__probe_ip:at}) head={head:at} func={func:at}",
            ),
            "fill_page_cache_func": ("cpu={cpu:n} cached={cached:n}",),
        },
        "printk": {"console": ("{msg:text}",)},
    }
)
"""By system and name: the patterns of its text. The first that fits is taken."""

OTHER_SYSTEM: Final = "other"
"""Of events of which nothing is known here."""
