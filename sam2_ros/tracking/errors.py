"""Errors that callers may want to tell apart from a plain ValueError."""


class UnknownObjectError(KeyError):
    """There is no tracked object of this name; for `VideoTracker.abandon`: none that is catching up."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would print the sentence in quotes


class FrameNotKeptError(LookupError):
    """The frame is not in the ring of recent images: it is too old, or has not been seen yet."""
