"""The bag that is written: what a node would publish, and copies of what was recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ament_index_python.packages import get_package_share_directory
from rclpy.serialization import serialize_message
from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from sam2_ros.nodes.edge.messages import Detection2DArray
from sam2_ros.nodes.tracker.outputs import OutputTopic

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


class BagPublisher:
    """Writes what a node would publish. `connection`: None when it is not wanted."""

    def __init__(self, bag: OutputBag, connection: Connection | None) -> None:
        self._bag = bag
        self._connection = connection

    def publish(self, message: Any) -> None:
        assert self._connection is not None, 'pictures are made for listeners only'
        self._bag.write(self._connection, self._bag.time, serialize_message(message))

    def get_subscription_count(self) -> int:
        """1 when it is wanted, else 0."""
        return int(self._connection is not None)


class BagLostError(Exception):
    """The new bag could not be written and is not whole. The message says why."""


@dataclass
class OutputBag:
    """The bag that is written.

    Attributes:
        node: name of the tracker node, which its topics begin with.
        pictures: names in OUTPUTS of the pictures that are wanted.
        time: at which the next messages are recorded, in nanoseconds.
    """

    writer: Writer
    typestore: Typestore
    node: str
    pictures: frozenset[str]
    time: int = 0

    def make_publisher(self, row: OutputTopic) -> BagPublisher:
        """For `TrackerOutputs`. Pictures are written only where they are wanted."""
        connection = None
        if not row.picture or row.name in self.pictures:
            package, name = row.type_name.split('/')
            topic = row.topic_of(self.node)
            connection = self.writer.add_connection(
                topic,
                f'{package}/msg/{name}',
                typestore=self.typestore,
                offered_qos_profiles=LATCHED if row.latched else (),
            )
        return BagPublisher(self, connection)

    def write(self, connection: Connection, recorded: int, raw: bytes | memoryview) -> None:
        """Write a message.

        Raises:
            BagLostError: if that fails. A full disk also costs what sqlite3 took before.
        """
        try:
            self.writer.write(connection, recorded, raw)
        except (OSError, sqlite3.Error) as error:
            raise BagLostError(str(error)) from error

    def add_copy_of(self, connection: Connection) -> Connection | None:
        """A connection for the same topic. None when neither the bag nor the standard types define its type."""
        definition: dict[str, Any] = {'msgdef': connection.msgdef.data, 'rihs01': connection.digest}
        if not all(definition.values()):  # bags of older ROS versions hold no definitions
            if connection.msgtype not in self.typestore.types:
                return None
            definition = {'typestore': self.typestore}
        assert isinstance(connection.ext, ConnectionExtRosbag2), 'only bags of that format are read'
        return self.writer.add_connection(
            connection.topic,
            connection.msgtype,
            serialization_format=connection.ext.serialization_format,
            offered_qos_profiles=connection.ext.offered_qos_profiles,
            **definition,
        )


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
