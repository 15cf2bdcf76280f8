"""The start of a node, its names and arguments that ROS refuses, and its end."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import rclpy

COMPRESSED = '/compressed'
NAMES = 'names are words of letters, digits and _, which begin with no digit, with single slashes between them'


@contextmanager
def refusals_as_sentences() -> Iterator[None]:
    """Put this around `rclpy.init` and around making a node.

    What ROS refuses on the command line ends the process with exit code 2 and one sentence instead of a traceback.
    """
    try:
        yield
    except RuntimeError as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        print(f'error: {sentence}', file=sys.stderr)
        sys.exit(2)


def end_ros() -> None:
    """Shut ROS down, unless a signal does so at this moment: rclpy then finds that somebody else was faster."""
    with suppress(RuntimeError):
        rclpy.try_shutdown()


def _sentence(error: RuntimeError) -> str | None:
    """What is wrong with the command line; None when it is not that."""
    if type(error).__name__ == 'UnknownROSArgsError':
        return f'unknown ROS arguments: {error}'
    if found := re.search(r"Couldn't parse (remap rule: .*?)\. Error:", str(error)):
        return f'ROS refuses the {found[1]}; {NAMES}'
    if found := re.search(r"(Couldn't parse .*?)(, at /|$)", str(error)):
        return f'ROS refuses the command line: {found[1]}'
    if re.search('invalid (node )?(name|namespace)', str(error)):
        return f'ROS refuses the name or namespace of the node; {NAMES}'
    return None


def base_topic(image_topic: str) -> str:
    """The topic of the raw images, also if `image_topic` is that of the compressed ones. camera_info lies beside it."""
    return image_topic.removesuffix(COMPRESSED)


def subscribed_topic(image_topic: str, *, transport: str) -> tuple[str, bool]:
    """The topic to subscribe to, and whether its images are compressed.

    Args:
        image_topic: what `image` is remapped to. If it ends in /compressed the images are compressed.
        transport: 'raw' or 'compressed'.
    """
    compressed = transport == 'compressed' or image_topic.endswith(COMPRESSED)
    return (base_topic(image_topic) + COMPRESSED if compressed else image_topic), compressed
