"""Parameters by name, wherever they come from."""

from __future__ import annotations

from typing import Any, Protocol


class Settings(Protocol):
    """A dictionary does, and the parameters of a node do: a value is looked up when it is used."""

    def __getitem__(self, name: str, /) -> Any: ...
