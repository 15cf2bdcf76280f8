"""Bags that are written and closed as whole bags, whatever happens. Needs no torch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from ament_index_python.packages import get_package_share_directory
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from sam2_ros.nodes.edge.messages import Detection2DArray

STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}
WRITER_VERSION: Literal[8] = 8  # of the bag format; the older one, which more readers know
_UNLIMITED = QosTime(0, 0)
# For what is kept for late listeners, so that a player keeps it, too.
LATCHED = (
    Qos(
        QosHistory.KEEP_LAST,
        1,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL,
        _UNLIMITED,
        _UNLIMITED,
        QosLiveliness.AUTOMATIC,
        _UNLIMITED,
        False,
    ),
)


class BagLostError(Exception):
    """The new bag could not be written and is not whole. The message says why."""


@contextmanager
def opened_bag(path: Path, storage: StoragePlugin) -> Iterator[Writer]:
    """A bag that is closed as a whole bag, also when the work on it fails. rosbags alone would drop everything.

    Raises:
        WriterError: if `path` exists.
        BagLostError: if the bag cannot be written.
    """
    failure: Exception | None = None
    try:
        with Writer(path, version=WRITER_VERSION, storage_plugin=storage) as writer:
            try:
                yield writer
            except BagLostError:
                raise
            except Exception as error:
                failure = error
    except (OSError, sqlite3.Error) as error:
        raise BagLostError(str(error)) from error
    if failure is not None:
        raise failure


def make_typestore() -> Typestore:
    """The standard message types and those of our outputs, as bags describe them."""
    typestore = get_typestore(Stores.LATEST)
    for package in ('sam2_ros', *(['vision_msgs'] if Detection2DArray is not None else [])):
        for file in sorted(Path(get_package_share_directory(package), 'msg').glob('*.msg')):
            typestore.register(get_types_from_msg(file.read_text(), f'{package}/msg/{file.stem}'))
    return typestore
