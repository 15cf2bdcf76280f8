"""JSON files that are read whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it holds something else.
    """
    try:
        tree = json.loads(path.read_bytes())
    except OSError as error:
        raise OSError(f'{path} cannot be read: {error.strerror}') from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path} is not JSON: {error}') from error
    if not isinstance(tree, dict):
        raise ValueError(f'{path} must hold an object, but holds a {type(tree).__name__}')
    return tree
