"""Where a function's variables are (rcuactors/kernel/stack.py)."""

from __future__ import annotations

from rcuactors import Kernel, run, scenario
from rcuactors.kernel.stack import StackFrame, stack_of


def test_members_of_a_frame_lie_near_the_top_of_its_thread_s_stack() -> None:
    """One behind the other; each thread has 16 kB, from where vmalloc() has them."""

    @scenario()
    async def script(k: Kernel) -> None:
        thread = k.machine.current
        bottom = 0xFFFFC90000000000 + thread.pid * 16384
        assert stack_of(thread) == bottom
        async with k.stack_frame("foo") as frame:
            assert frame.address == bottom + 16384 - 256
            assert frame.size == 256
            first, second = k.spinlock("first", inside=frame), k.spinlock("second", inside=frame)
            assert (first.address, second.address) == (frame.address, frame.address + 1)
            assert frame.history() == [f"a variable of foo() on the stack of {thread}"]
            assert not frame.is_overwritten(first, 0)
        nowhere = StackFrame("irq", None)
        assert nowhere.address == 0xFFFFC90000000000 + 16384 - 256
        assert nowhere.history() == ["a variable of irq() on the stack of the interrupts of its CPU"]

    assert run(script).clean
