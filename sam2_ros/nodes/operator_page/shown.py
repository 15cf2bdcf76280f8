"""What the page is shown, from messages. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from sam2_ros.drawing.overlay import label_colour
from sam2_ros.files.image_headers import image_size
from sam2_ros.live.settings import Settings
from sam2_ros.msg import TrackedObject, TrackedObjectArray
from sam2_ros.nodes.edge.decode_images import ConversionError, check_compressed, compressed_to_rgb, image_to_rgb
from sam2_ros.nodes.edge.messages import STATE_NAMES, cropped_mask
from sam2_ros.web.cameras import Seen
from sam2_ros.web.pictures import ShownObject

EVENT_NAMES = {
    TrackedObject.MEMORY_NONE: '',
    TrackedObject.MEMORY_RECENT: 'recent',
    TrackedObject.MEMORY_ANCHOR: 'anchor',
    TrackedObject.MEMORY_PROMPT: 'prompt',
}
SOURCE_NAMES = {TrackedObject.SOURCE_OPERATOR: 'operator', TrackedObject.SOURCE_DETECTOR: 'detector'}
# Files that browsers show, by how they begin.
_SHOWN = {b'\xff\xd8\xff': 'image/jpeg', b'\x89PNG': 'image/png', b'RIFF': 'image/webp'}


def shown_object(message: TrackedObject, *, image_height: int, image_width: int) -> ShownObject:
    """An object for the page. One whose mask cannot be read is shown without it."""
    facts: dict[str, Any] = {
        'label': message.label,
        'class_name': message.class_name,
        'source': SOURCE_NAMES.get(message.source, ''),
        'state': STATE_NAMES.get(message.state, ''),
        'score': _number(message.object_score_logit),
        'occlusion': _number(message.occlusion_probability),
        'iou': _number(message.predicted_iou),
        'area': message.area,
        'colour': label_colour(message.label),
    }
    if message.has_box:
        try:
            (left, top), crop = cropped_mask(message, image_height=image_height, image_width=image_width)
        except ConversionError:
            return ShownObject(message.object_id, facts)
        height, width = crop.shape
        return ShownObject(message.object_id, facts, (left, top, left + width, top + height), crop)
    return ShownObject(message.object_id, facts)


def _number(value: float) -> float:
    """Rounded; 0 for what is no number, which JSON does not know."""
    return round(value, 3) if math.isfinite(value) else 0.0


def seen_objects(message: TrackedObjectArray) -> Mapping[str, Seen]:
    """How each object was seen, for the curves."""
    return {
        one.object_id: Seen(_number(one.occlusion_probability), EVENT_NAMES.get(one.memory_event, ''))
        for one in message.objects
    }


def shown_file(message: Any, settings: Settings) -> tuple[bytes, str, tuple[int, int]]:
    """An image for the browser: the file, its media type, and (height, width) of the camera's image.

    Compressed images that browsers know go through unchanged; others become JPEG, not wider than `max_width`.

    Raises:
        ConversionError: for images that cannot be read.
    """
    if hasattr(message, 'encoding'):
        rgb = image_to_rgb(message, max_pixels=settings['max_image_pixels'])
    else:
        check_compressed(message, max_pixels=settings['max_image_pixels'])
        data = bytes(message.data)
        media_type = next((kind for begin, kind in _SHOWN.items() if data.startswith(begin)), '')
        size = image_size(data)
        if media_type and size and 'bayer' not in message.format and '16' not in message.format:
            return data, media_type, size
        rgb = compressed_to_rgb(message, max_pixels=settings['max_image_pixels'])
    height, width = rgb.shape[:2]
    if width > settings['max_width']:
        smaller = (settings['max_width'], max(1, round(height * settings['max_width'] / width)))
        rgb = cv2.resize(rgb, smaller, interpolation=cv2.INTER_AREA)
    return jpeg(rgb, settings['jpeg_quality']), 'image/jpeg', (height, width)


def jpeg(rgb: np.ndarray, quality: int) -> bytes:
    """(H, W, 3) uint8 as a JPEG file."""
    _, encoded = cv2.imencode('.jpg', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality))
    return encoded.tobytes()
