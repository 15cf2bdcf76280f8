"""An overlay that hides objects: by id or class, wider than their masks, and on while the tracker does not see them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from sam2_ros.effects.held import HELD_FRAMES
from sam2_ros.nodes.edge.decode_images import image_to_array
from sam2_ros.nodes.tracker.overlay_effect import OverlayEffect
from sam2_ros.tracking import FrameResult
from tests.nodes import tracker_scene as scene
from tests.nodes.graph import Client, graph
from tests.nodes.reference import mask_of
from tests.results import object_result

PINK = (255, 64, 129)  # what `fill` covers with


@pytest.mark.slow
def test_a_chosen_object_is_never_to_be_seen_in_the_overlay(micro_weights) -> None:
    with graph(micro_weights, overlay_effect='fill', overlay_effect_objects=['secret', 'blue']) as client:
        client.listen('overlay')
        overlay = client.tracker_node.parts.outputs.publishers['~/overlay']
        client.wait_for(overlay.get_subscription_count, 'the overlay')
        client.step(0)
        assert client.set_prompt('red', box=scene.box('red', 0)).success
        assert client.set_prompt('other', box=scene.box('blue', 0), class_name='secret').success
        pixels, red, other = seen(client, 1)
        assert (pixels[other] == PINK).all()
        wide = cv2.dilate(other.astype(np.uint8), np.ones((5, 5))).astype(bool)
        np.testing.assert_array_equal(pixels[~wide], scene.picture(1)[~wide])
        assert not client.set_parameter('overlay_effect', 'sepia').successful
        assert client.set_parameter('overlay_effect_objects', ['red']).successful
        pixels, red, other = seen(client, 2)
        assert (pixels[red] == PINK).all() and not (pixels[other] == PINK).all(-1).any()
        assert client.set_parameter('overlay_effect', 'masks').successful
        pixels, red, _ = seen(client, 3)
        assert not (pixels[red] == PINK).all(-1).any() and (pixels != scene.picture(3)).any()


def seen(client: Client, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The overlay of an image, and the masks of both objects."""
    red, other = client.step(index).objects
    return image_to_array(client.output('overlay', client.stamp(index))), mask_of(red), mask_of(other)


def test_the_place_stays_hidden_for_a_while_after_an_object_was_lost() -> None:
    settings: dict[str, Any] = {'overlay_effect': 'fill', 'overlay_effect_objects': ()}
    effect = OverlayEffect(settings)
    mask = np.zeros((60, 80), bool)
    mask[20:30, 20:30] = True
    rgb = np.zeros((60, 80, 3), np.uint8)

    def hidden(frame: int, mask: np.ndarray) -> bool:
        result = FrameResult(frame, mask.shape, {'face': object_result('face', mask)})
        return bool((effect.draw(rgb, result, labels={'face': 1}, classes={})[20:30, 20:30] == PINK).all())

    assert hidden(0, mask)
    assert all(hidden(frame, np.zeros_like(mask)) for frame in range(1, HELD_FRAMES + 1))
    assert not hidden(HELD_FRAMES + 1, np.zeros_like(mask))
