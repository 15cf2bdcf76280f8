"""Errors that callers may want to tell apart from a plain ValueError."""


class UnknownObjectError(KeyError):
    """No object of this name is tracked, or none that is catching up where that is asked for."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would print the sentence in quotes


class FrameNotKeptError(LookupError):
    """The frame is no longer, or not yet, in the ring of recent images."""
