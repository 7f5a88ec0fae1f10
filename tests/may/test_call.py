"""may/call.py and may/calls: a call of C taken apart, and what is said of one that is none."""

from __future__ import annotations

import re

import pytest

from rcuactors.errors import BadInput
from rcuactors.may.call import Call, gfp_in, number_in, parse_call
from rcuactors.may.calls import BY_NAME, FORMS, find_call
from rcuactors.may.calls.not_asked import REASONS, begins
from rcuactors.mm.gfp import GFP_ATOMIC, GFP_KERNEL, GFP_NOWAIT, Gfp
from rcuactors.reference import entries


def test_a_call_is_a_name_and_what_stands_between_its_commas() -> None:
    assert parse_call("kfree_rcu(p, rcu)") == Call("kfree_rcu", ("p", "rcu"))
    assert parse_call(" spin_lock ( &dev->locks[f(a, b)] ) ; ") == Call("spin_lock", ("&dev->locks[f(a, b)]",))
    assert parse_call("rcu_barrier()") == Call("rcu_barrier", ())
    assert parse_call(r'printk("a, (b\"", c)').arguments == (r'"a, (b\""', "c")
    assert parse_call("struct foo *p = (struct foo *)kmalloc(64, GFP_ATOMIC);").name == "kmalloc"
    assert parse_call("p->x = kmalloc(64, GFP_ATOMIC)") == Call("kmalloc", ("64", "GFP_ATOMIC"))
    assert parse_call("(void)kfree((void *)p)") == Call("kfree", ("(void *)p",))
    assert parse_call("return rcu_dereference(p);").name == "rcu_dereference"
    assert parse_call("list_for_each_entry_rcu(pos, &head, node) {").arguments == ("pos", "&head", "node")
    assert str(parse_call("kmalloc(64,GFP_ATOMIC)")) == "kmalloc(64, GFP_ATOMIC)"


@pytest.mark.parametrize(
    "text",
    ["", "kfree", "kfree p", "kfree(p", "kfree(p]", "kfree(a[0)", "(p)", "x == kfree(p)", "f(,)", "f(a,)", "f" * 500],
)
def test_what_is_no_call_is_refused_in_a_line(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        find_call(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("GFP_KERNEL", GFP_KERNEL),
        ("GFP_NOWAIT | __GFP_NOWARN", GFP_NOWAIT | Gfp.NOWARN),
        ("(GFP_KERNEL & ~__GFP_DIRECT_RECLAIM)", GFP_KERNEL & ~Gfp.DIRECT_RECLAIM),
        ("GFP_ATOMIC|__GFP_ZERO", GFP_ATOMIC | Gfp.ZERO),
        ("0", Gfp(0)),
        ("GFP_KERNEL_ACCOUNT", GFP_KERNEL),
    ],
)
def test_gfp_flags(text: str, flags: Gfp) -> None:
    assert gfp_in(text, Call("kmalloc", ("64", text))) == flags


@pytest.mark.parametrize(
    "text", ["GFP_KERNEL GFP_ATOMIC", "GFP_KERNEL & GFP_ATOMIC", "~GFP_KERNEL", "| GFP_KERNEL", "!x"]
)
def test_what_is_no_expression_of_flags(text: str) -> None:
    with pytest.raises(BadInput, match="needs gfp flags"):
        gfp_in(text, Call("kmalloc", ("64", text)))


def test_numbers() -> None:
    assert [number_in(text) for text in ("64", "0x40", "64UL", "sizeof(*p)", "HZ", "-1")] == [
        64,
        64,
        64,
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kfree_rcv(p, rcu)", "operation kfree_rcv: did you mean kfree_rcu? near it are "),
        ("kfree_rcu(p, rcu, x)", "kfree_rcu(p, rcu, x): needs kfree_rcu(p, rcu) or kfree_rcu(p)"),
        ("kmalloc", "operation kmalloc: needs its arguments, as in 'kmalloc(size, gfp)'"),
        ("kmalloc(64, GFP_ATOMICS)", "kmalloc(64, GFP_ATOMICS): GFP_ATOMICS: did you mean GFP_ATOMIC? there are "),
        ("spin_unlock(&l)", "spin_unlock: needs what begins the section that it ends: 'spin_lock(lock)'"),
        (
            "set_cpus_allowed_ptr(current, mask)",
            "set_cpus_allowed_ptr: cannot be asked for: it sleeps only if",
        ),
        ("mutex_lock_interruptible(&m)", "is mutex_lock() as far as contexts go: ask for that"),
        ("copy_from_user(to, from, n)", "may fault, and a fault may sleep: ask for might_sleep()"),
        ("put_cpu()", "what begins the section that it ends: 'get_cpu()'"),
        ("write_sequnlock_irqrestore(&s, f)", "section that it ends: 'write_seqlock_irqsave(sl, flags)'"),
        ("raise_irq(f)", "operation raise_irq: cannot be asked for: it is the model's own"),
        ("queue_work(system_wqq, w)", "did you mean system_wq?"),
    ],
)
def test_what_is_not_known_is_told_with_what_was_meant(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=re.escape(said)):
        find_call(text)


@pytest.mark.parametrize(
    ("text", "prototype"),
    [
        ("spin_lock_irqsave(&l, flags)", "spin_lock_irqsave(lock, flags)"),
        ("spin_lock_irqsave(&l)", "spin_lock_irqsave(lock, flags)"),
        ("local_irq_save(flags)", "local_irq_save(flags)"),
        ('printk("%d, %d", 1, 2)', "printk(text, ...)"),
        ('pr_info("x")', "pr_info(text, ...)"),
        ("alloc_pages_nolock(0, NUMA_NO_NODE, 0)", "alloc_pages_nolock(gfp, node, order)"),
    ],
)
def test_arguments_as_many_as_in_c(text: str, prototype: str) -> None:
    assert find_call(text).form.prototype == prototype


@pytest.mark.parametrize("name", [entry.name for entry in entries() if entry.module.startswith("rcuactors.kapi.")])
def test_each_function_of_the_api_can_be_asked_for_or_has_a_reason(name: str) -> None:
    assert sum([name in BY_NAME, bool(begins(name, BY_NAME)), name in REASONS]) == 1


def test_the_two_forms_are_two_calls() -> None:
    two, one = find_call("kfree_rcu(p, rcu)"), find_call("kfree_rcu(p)")
    assert two.form is not one.form
    assert two.form.about.startswith("the two-argument form, which must never sleep")
    assert one.form.about.startswith("the one-argument form, which may wait")


def test_each_prototype_is_a_call_that_is_found() -> None:
    for form in FORMS:
        given = ["GFP_KERNEL" if word == "gfp" else word for word in form.words]
        assert find_call(f"{form.name}({', '.join(given)})").form is form
    assert len(FORMS) == sum(map(len, BY_NAME.values()))
