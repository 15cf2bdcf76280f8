"""Between ROS messages and the tracker's types: pure functions, header in and header out."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point32
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from sam2_ros.msg import OcclusionScore, OcclusionScoreArray, TrackedObject, TrackedObjectArray
from sam2_ros.msg import Prompt as PromptMessage
from sam2_ros.nodes.pixels import LAYOUTS, ConversionError, compressed_to_rgb, image_to_array, image_to_rgb
from sam2_ros.tracking import FrameResult, MemoryEvent, ObjectResult, ObjectState, Prompt

try:
    from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose
except ImportError:      # not part of a minimal ROS installation
    Detection2DArray = None

__all__ = [
    'ConversionError', 'Detection2DArray', 'TrackRecord', 'array_to_image', 'camera_info',
    'compressed_to_rgb', 'detections', 'image_to_array', 'image_to_rgb', 'label_image', 'mask_from_object',
    'occlusion_scores', 'prompt_from_message', 'rgb_to_compressed', 'tracked_object', 'tracked_objects',
]

_STATES = {
    ObjectState.VISIBLE: TrackedObject.VISIBLE, ObjectState.OCCLUDED: TrackedObject.OCCLUDED,
    ObjectState.LOST: TrackedObject.LOST, ObjectState.CATCHING_UP: TrackedObject.CATCHING_UP,
}
_MEMORY_EVENTS = {
    MemoryEvent.NONE: TrackedObject.MEMORY_NONE, MemoryEvent.RECENT: TrackedObject.MEMORY_RECENT,
    MemoryEvent.ANCHOR: TrackedObject.MEMORY_ANCHOR, MemoryEvent.PROMPT: TrackedObject.MEMORY_PROMPT,
}
_MASK_ENCODINGS = ('mono8', '8UC1')


@dataclass(frozen=True)
class TrackRecord:
    """What a node knows about an object beside its result; TrackedObject.msg explains the fields."""

    label: int
    first_seen: Time
    last_seen: Time
    frames_since_seen: int


def array_to_image(pixels: np.ndarray, encoding: str, *, header: Header) -> Image:
    """A sensor_msgs/Image of `pixels` as they are: (H, W) or (H, W, C), uint8 or uint16, as `encoding` says.

    Raises ConversionError when shape or type do not fit the encoding.
    """
    layout = LAYOUTS.get(encoding)
    if layout is None:
        raise ConversionError('encoding', f'{encoding!r} is unknown; accepted are {", ".join(LAYOUTS)}')
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.ndim not in (2, 3) or channels != layout.channels or pixels.dtype != np.dtype(layout.dtype):
        raise ConversionError('pixels', f'{pixels.dtype} of shape {pixels.shape}, but {encoding} needs '
                                        f'{np.dtype(layout.dtype)} with {layout.channels} channels')
    if not pixels.size:
        raise ConversionError('pixels', f'shape {pixels.shape}, but an image has at least one pixel')
    return Image(header=header, height=pixels.shape[0], width=pixels.shape[1], encoding=encoding,
                 step=pixels.shape[1] * channels * pixels.dtype.itemsize,
                 data=_byte_array(pixels.astype(np.dtype(layout.dtype).newbyteorder('<'), copy=False)))


def _byte_array(values: np.ndarray) -> array[int]:
    """Messages check anything but an array.array('B') byte by byte, which takes 0.2 s for a 720p image."""
    data = array('B')
    data.frombytes(memoryview(np.ascontiguousarray(values)).cast('B'))
    return data


def rgb_to_compressed(rgb: np.ndarray, *, header: Header, jpeg_quality: int) -> CompressedImage:
    """A JPEG of `rgb`, (H, W, 3) uint8; `jpeg_quality` is 1 (small) to 100 (good)."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode('.jpg', bgr, (cv2.IMWRITE_JPEG_QUALITY, jpeg_quality))
    # The format is what image_transport calls it: pixels that were rgb8, in a file as OpenCV writes it.
    return CompressedImage(header=header, format='rgb8; jpeg compressed bgr8', data=_byte_array(encoded))


def camera_info(*, height: int, width: int, horizontal_fov: float, header: Header) -> CameraInfo:
    """A camera without distortion: square pixels, axis through the middle; `horizontal_fov` in radians."""
    focal = width / 2 / np.tan(horizontal_fov / 2)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2      # the middle of a pixel has whole coordinates
    return CameraInfo(
        header=header, height=height, width=width, distortion_model='plumb_bob', d=[0.0] * 5,
        k=[focal, 0.0, centre_x, 0.0, focal, centre_y, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[focal, 0.0, centre_x, 0.0, 0.0, focal, centre_y, 0.0, 0.0, 0.0, 1.0, 0.0])


def prompt_from_message(message: PromptMessage, *, object_id: str) -> Prompt:
    """The tracker's prompt for `object_id`; that of the message may be empty. Any image size is accepted.

    Raises ValueError with a sentence that names the field when the message holds no prompt or one that makes
    no sense; ConversionError, which is one, when the mask cannot be read.
    """
    has_mask = bool(message.mask.width or message.mask.height)
    return Prompt(
        object_id, points=[(point.x, point.y) for point in message.points],
        labels=list(message.labels) if len(message.labels) else None,
        box=list(message.box) if message.has_box else None,
        mask=_read_mask(message.mask) if has_mask else None)


def _read_mask(mask: Image) -> np.ndarray:
    """(H, W) bool: where the mask is not zero."""
    if mask.encoding not in _MASK_ENCODINGS:
        raise ConversionError('mask.encoding', f'{mask.encoding!r}; must be {" or ".join(_MASK_ENCODINGS)}')
    try:
        return image_to_array(mask) != 0
    except ConversionError as error:
        raise ConversionError(f'mask.{error.field}', str(error).removeprefix(f'{error.field}: ')) from error


def tracked_object(result: ObjectResult, *, record: TrackRecord, header: Header) -> TrackedObject:
    """One object in one image as a message; `header` is that of the image."""
    message = TrackedObject(
        object_id=result.object_id, label=record.label, state=_STATES[result.state],
        object_score_logit=float(result.object_score_logit),
        occlusion_probability=float(result.occlusion_probability), predicted_iou=float(result.predicted_iou),
        first_seen=record.first_seen, last_seen=record.last_seen, frames_since_seen=record.frames_since_seen,
        memory_event=_MEMORY_EVENTS[result.memory_event])
    message.mask.header = header
    if result.box is None:
        return message
    left, top, right, bottom = result.box
    crop = result.mask[top:bottom, left:right].view(np.uint8) * np.uint8(255)
    moments = cv2.moments(crop, binaryImage=True)
    message.has_box = True
    message.box = [float(edge) for edge in result.box]
    message.centroid = Point32(x=left + moments['m10'] / moments['m00'],
                               y=top + moments['m01'] / moments['m00'])
    message.area = int(result.area)
    message.mask = array_to_image(crop, 'mono8', header=header)
    return message


def mask_from_object(message: TrackedObject, *, image_height: int, image_width: int) -> np.ndarray:
    """The mask of a TrackedObject at the size of its image: (image_height, image_width) bool.

    Raises ConversionError when the box is outside the image, or the cropped mask unreadable or not of its size.
    """
    mask = np.zeros((image_height, image_width), bool)
    if not message.has_box:
        return mask
    left, top, right, bottom = (int(edge) for edge in message.box)
    if not (0 <= left < right <= image_width and 0 <= top < bottom <= image_height):
        raise ConversionError('box', f'{(left, top, right, bottom)} is not within an image of '
                                     f'{image_width} x {image_height} pixels')
    crop = _read_mask(message.mask)
    if crop.shape != (bottom - top, right - left):
        raise ConversionError('mask', f'{crop.shape[1]} x {crop.shape[0]} pixels, but the box is '
                                      f'{right - left} x {bottom - top}')
    mask[top:bottom, left:right] = crop
    return mask


def tracked_objects(result: FrameResult, *, records: Mapping[str, TrackRecord], frames_skipped: int,
                    header: Header) -> TrackedObjectArray:
    """All objects of one image, in the order in which they were added."""
    height, width = result.image_size
    return TrackedObjectArray(
        header=header, image_height=height, image_width=width, frame_index=result.frame_index,
        frames_skipped=frames_skipped,
        objects=[tracked_object(tracked, record=records[object_id], header=header)
                 for object_id, tracked in result.items()])


def occlusion_scores(result: FrameResult, *, header: Header) -> OcclusionScoreArray:
    """The occlusion scores of one image, in the order of `tracked_objects`."""
    return OcclusionScoreArray(header=header, scores=[
        OcclusionScore(
            object_id=object_id, object_score_logit=float(tracked.object_score_logit),
            occlusion_probability=float(tracked.occlusion_probability), state=_STATES[tracked.state])
        for object_id, tracked in result.items()])


def label_image(result: FrameResult, *, labels: Mapping[str, int], encoding: str, header: Header) -> Image:
    """The label of the object each pixel belongs to, 0 where there is none. `encoding`: mono8 or mono16.

    Raises ConversionError when a label does not fit the encoding.
    """
    dtype = {'mono8': np.uint8, 'mono16': np.uint16}.get(encoding)
    if dtype is None:
        raise ConversionError('encoding', f'{encoding!r}, but a label image is mono8 or mono16')
    highest = max((labels[object_id] for object_id in result), default=0)
    if highest > np.iinfo(dtype).max:
        raise ConversionError('encoding', f'{encoding} holds labels up to {np.iinfo(dtype).max}, '
                                          f'but one is {highest}')
    return array_to_image(result.label_map(labels, dtype), encoding, header=header)


def detections(result: FrameResult, *, header: Header) -> Any:
    """The objects that have a box as a vision_msgs/Detection2DArray, scored by how probably they are visible.

    Only where vision_msgs is installed, that is, where `Detection2DArray` is not None.
    """
    message = Detection2DArray(header=header)
    for object_id, tracked in result.items():
        if tracked.box is None:
            continue
        left, top, right, bottom = (float(edge) for edge in tracked.box)
        detection = Detection2D(header=header, id=object_id)
        detection.bbox.center.position.x = (left + right) / 2
        detection.bbox.center.position.y = (top + bottom) / 2
        detection.bbox.size_x, detection.bbox.size_y = right - left, bottom - top
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id = object_id
        hypothesis.hypothesis.score = 1 - tracked.occlusion_probability
        detection.results.append(hypothesis)
        message.detections.append(detection)
    return message
