"""Topics and services as rows of tables, from which the nodes make them and the reference pages are printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One topic or service.

    Attributes:
        name: as given to ROS, before remapping; `~` is the node, `<image>` the topic of the images.
        type_name: such as 'sensor_msgs/Image'.
        type: the class of its messages; None where the package of an optional one is not installed.
        description: what it carries, in a sentence or two.
    """

    name: str
    type_name: str
    type: Any
    description: str

    def topic_of(self, node: str) -> str:
        """Its full name at the node of this full name, unless it is remapped."""
        return self.name.replace('~', node, 1)
