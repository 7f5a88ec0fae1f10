"""What is wrong although no kernel reports it, whatever it was built with.

* Lockdep's check of wait types sees locks and kinds of interrupt, and no preempt_count: under a bare preempt_disable()
  or local_irq_disable() a spinlock_t is silent on a kernel that is not PREEMPT_RT, and sleeps on one that is
  (check_wait_context() in kernel/locking/lockdep.c). Until v5.14 (commit f8b298cc39f0) it does not look at a lock that
  is taken while none is held, so that a handler's first one is silent. Whether it sleeps there is tried there.
* A trylock is not checked at all. On PREEMPT_RT spin_trylock() in an NMI takes the raw wait_lock of an rt_mutex, and in
  a hard interrupt makes the interrupted task the owner of a second lock, which confuses priority inheritance
  (alloc_pages_nolock() in mm/page_alloc.c says so, commit 97769a53f117). mutex_trylock() must not be used in interrupts
  at all: a mutex belongs to a task (Documentation/kernel-hacking/locking.rst, "The trylock Functions").
* An NMI comes also where interrupts are off. What a call changes there without a lock, such as the list that call_rcu()
  puts its rcu_head on (local_irq_save() in __call_rcu_common(), kernel/rcu/tree.c), it finds half done if the call was
  under way on its CPU, and nothing tells. A lock that was taken there is found taken, which is tried; a bit that is a
  lock, and a sequence count that somebody writes under, are not tried, and are as wrong.
"""

from __future__ import annotations

from ..eras import find_era
from ..lab.contexts import Where
from .calls import Form
from .calls.locks import MUTEX, SPINLOCK
from .places import UNSEEN, Place
from .trial import Finding

_INTERRUPTS = (Where.HARDIRQ, Where.NMI)
NMIS = ("nmi", "nmi_raw_spin")
"""The laboratory's names of contexts that an NMI is."""


def not_looked_at(place: Place, version: str) -> str:
    """What of the place that version's check of wait types does not see; empty where it sees all of it."""
    if place.unseen:
        return place.unseen
    no_lock = {*place.contexts[1:]} <= {*UNSEEN, "bh_disable", "migrate_disable"}
    handler = place.outermost.state(rt=False).where is Where.HARDIRQ
    if handler and no_lock and not find_era(version).rules.lockdep.first_lock_is_checked:
        return "the first lock of an interrupt handler before v5.14"
    return ""


def wrong_trylock(form: Form, place: Place, *, rt: bool) -> str:
    """Why this trylock must not be made there, although nothing tells; empty where it may."""
    if form.tries == MUTEX and place.outermost.state(rt=rt).where is not Where.TASK:
        return f"a mutex belongs to a task: {form.name}() must not be used in interrupts and softirqs"
    if form.tries == SPINLOCK and place.outermost.state(rt=True).where in _INTERRUPTS:
        return "on PREEMPT_RT the interrupted task would own the lock, which confuses priority inheritance"
    return ""


def wrong_in_nmi(form: Form, place: Place, finding: Finding) -> str:
    """Why an NMI must not make this call, although nothing tells; empty where it may, or where it is none."""
    if place.contexts[0] in NMIS and form.spins:
        return f"an NMI may have interrupted {form.spins}, and would spin for ever"
    if place.contexts[0] in NMIS and finding.unlocked and not form.name.startswith("local_irq_"):
        return "an NMI comes with interrupts off, too, and so in the midst of this call, which has no lock there"
    return ""
