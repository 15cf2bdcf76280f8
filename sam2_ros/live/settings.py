"""Parameters by name, wherever they come from."""

from __future__ import annotations

from typing import Any, Protocol


class Settings(Protocol):
    """A dictionary, or the parameters of a node. A value is looked up when it is used, so that changes take effect."""

    def __getitem__(self, name: str, /) -> Any: ...
