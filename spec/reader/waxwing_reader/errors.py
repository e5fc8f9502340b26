"""The one error that a reader shows.

Whatever is wrong with what was read, the message outward is the same.  The cause is kept in `reason`, for tests and
for whoever debugs a writer at their own desk; it is never to be sent to anybody.
"""


class Refused(Exception):
    """Something that was read is not what the specification allows, or is not authentic."""

    MESSAGE = "refused"

    def __init__(self, reason: str) -> None:
        super().__init__(self.MESSAGE)
        self.reason = reason

    def __str__(self) -> str:
        return self.MESSAGE


def require(condition: bool, reason: str) -> None:
    """Refuse unless the condition holds."""
    if not condition:
        raise Refused(reason)
