"""The errors that a user of the package can meet, whatever floor they come from.

`BadInput` is the one family that the command line turns into a single line and exit code 2. Anything that the
modelled kernel itself complains of is not an error of ours: it is a `rcuactors.context.violation.Violation`.
"""


class RcuactorsError(Exception):
    """Root of every exception that the package raises on purpose."""


class BadInput(RcuactorsError, ValueError):
    """An input is wrong: the message names the value and says what would be right."""


class StepBoundExceeded(BadInput):
    """A run took more steps than it was allowed: the scenario probably never ends."""


class DesignError(BadInput):
    """A design out of a user's file went wrong while it ran: the message names the file and the line."""


class NothingLeft(RcuactorsError):
    """A strategy was asked for another run, and has tried everything that it had to try."""


class ReplayDiverged(RcuactorsError):
    """A run does not follow the decisions that it was to follow: the message names the first that does not fit."""
