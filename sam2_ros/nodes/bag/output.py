"""The bag that is written: what a node would publish, and copies of what was recorded."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from rclpy.serialization import serialize_message
from rosbags.interfaces import Connection, ConnectionExtRosbag2
from rosbags.rosbag2 import Writer
from rosbags.typesys.store import Typestore

from sam2_ros.nodes.bag.storage import LATCHED, BagLostError
from sam2_ros.nodes.tracker.outputs import OutputTopic


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
