"""Timers: hrtimers, the timer wheel and the tick (kernel/time/), and sleeping or burning time."""
