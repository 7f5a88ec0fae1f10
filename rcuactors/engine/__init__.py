"""Floor 0: one baton, actors and mailboxes, virtual nanoseconds, choice points, the event stream. Nothing of kernels.

Read in this order: `actor` (what takes turns), `conductor` (who holds the baton), `strand` (a Trio task under the
conductor), `choice` (the only place where two runs can differ), `clock` (virtual time for Trio's own waits), `events`
(what a run leaves behind).
"""
