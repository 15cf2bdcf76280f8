"""ROS messages from the types of the tracker, and back. Pure functions. Images: decode_images.py, encode_images.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point32
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros.live.requests import Source
from sam2_ros.msg import OcclusionScore, OcclusionScoreArray, TrackedObject, TrackedObjectArray
from sam2_ros.msg import Prompt as PromptMessage
from sam2_ros.nodes.edge.decode_images import ConversionError, image_to_array
from sam2_ros.nodes.edge.encode_images import array_to_image
from sam2_ros.tracking import MemoryEvent, ObjectState, Prompt
from sam2_ros.tracking.checks import quoted

if TYPE_CHECKING:  # these two need torch, which a node that only prompts does without
    from sam2_ros.tracking import FrameResult, ObjectResult

try:
    from vision_msgs.msg import Detection2D, Detection2DArray, LabelInfo, ObjectHypothesisWithPose, VisionClass
except ImportError:  # not part of a minimal ROS installation
    Detection2DArray = LabelInfo = None

_STATES = {
    ObjectState.VISIBLE: TrackedObject.VISIBLE,
    ObjectState.OCCLUDED: TrackedObject.OCCLUDED,
    ObjectState.LOST: TrackedObject.LOST,
    ObjectState.CATCHING_UP: TrackedObject.CATCHING_UP,
}
STATE_NAMES = {number: state.value for state, number in _STATES.items()}  # of TrackedObject.state
_MEMORY_EVENTS = {
    MemoryEvent.NONE: TrackedObject.MEMORY_NONE,
    MemoryEvent.RECENT: TrackedObject.MEMORY_RECENT,
    MemoryEvent.ANCHOR: TrackedObject.MEMORY_ANCHOR,
    MemoryEvent.PROMPT: TrackedObject.MEMORY_PROMPT,
}
_SOURCES = {Source.OPERATOR: TrackedObject.SOURCE_OPERATOR, Source.DETECTOR: TrackedObject.SOURCE_DETECTOR}
LABEL_TYPES: dict[str, type[np.unsignedinteger[Any]]] = {'mono8': np.uint8, 'mono16': np.uint16}  # by encoding
_MASK_ENCODINGS = ('mono8', '8UC1')


@dataclass(frozen=True)
class TrackRecord:
    """What the node remembers of an object beside its result, see the fields of TrackedObject.msg."""

    label: int
    first_seen: Time
    last_seen: Time
    class_name: str = ''
    class_score: float = 0.0
    source: Source = Source.OPERATOR
    detections_missed: int = 0


def prompt_from_message(message: PromptMessage, *, object_id: str) -> Prompt:
    """The prompt for `object_id`; the id in the message does not count. Any image size is accepted.

    Raises:
        ValueError: names the field, if the message holds no prompt or one without sense.
        ConversionError: (a ValueError) if the mask cannot be read.
    """
    has_mask = bool(message.mask.width or message.mask.height)
    return Prompt(
        object_id,
        points=[(point.x, point.y) for point in message.points],
        labels=list(message.labels) if len(message.labels) else None,
        box=list(message.box) if message.has_box else None,
        mask=_read_mask(message.mask) if has_mask else None,
    )


def _read_mask(mask: Image) -> np.ndarray:
    """(H, W) bool: where the mask is not zero."""
    if mask.encoding not in _MASK_ENCODINGS:
        raise ConversionError('mask.encoding', f'{quoted(mask.encoding)}; must be {" or ".join(_MASK_ENCODINGS)}')
    try:
        return image_to_array(mask) != 0
    except ConversionError as error:
        raise ConversionError(f'mask.{error.field}', str(error).removeprefix(f'{error.field}: ')) from error


def prompt_message(prompt: Prompt, *, header: Header) -> PromptMessage:
    """The prompt as a message for the image with this header."""
    message = PromptMessage(
        header=header,
        object_id=prompt.object_id,
        labels=[int(label) for label in prompt.labels],
        points=[Point32(x=float(x), y=float(y)) for x, y in prompt.points],
    )
    if prompt.box is not None:
        message.has_box, message.box = True, [float(edge) for edge in prompt.box]
    if prompt.mask is not None:
        message.mask = array_to_image(prompt.mask.astype(np.uint8) * 255, 'mono8', header=header)
    return message


def tracked_object(result: ObjectResult, *, record: TrackRecord, header: Header) -> TrackedObject:
    """One object in one image as a message; `header` is that of the image."""
    message = TrackedObject(
        object_id=result.object_id,
        label=record.label,
        class_name=record.class_name,
        class_score=record.class_score,
        source=_SOURCES[record.source],
        state=_STATES[result.state],
        object_score_logit=float(result.object_score_logit),
        occlusion_probability=float(result.occlusion_probability),
        predicted_iou=float(result.predicted_iou),
        first_seen=record.first_seen,
        last_seen=record.last_seen,
        frames_since_seen=result.hidden_frames,
        detections_missed=record.detections_missed,
        memory_event=_MEMORY_EVENTS[result.memory_event],
    )
    message.mask = Image(header=header, encoding='mono8')  # 0 x 0 pixels; cv_bridge refuses an empty encoding
    if result.box is None:
        return message
    left, top, right, bottom = result.box
    crop = result.mask[top:bottom, left:right].view(np.uint8) * np.uint8(255)
    moments = cv2.moments(crop, binaryImage=True)
    message.has_box = True
    message.box = [float(edge) for edge in result.box]
    message.centroid = Point32(x=left + moments['m10'] / moments['m00'], y=top + moments['m01'] / moments['m00'])
    message.area = int(result.area)
    message.mask = array_to_image(crop, 'mono8', header=header)
    return message


def mask_from_object(message: TrackedObject, *, image_height: int, image_width: int) -> np.ndarray:
    """The mask of a TrackedObject at the size of its image: (image_height, image_width) bool.

    Raises:
        ConversionError: if the box leaves the image, or the mask cannot be read or has another size.
    """
    mask = np.zeros((image_height, image_width), bool)
    if message.has_box:
        (left, top), crop = cropped_mask(message, image_height=image_height, image_width=image_width)
        mask[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    return mask


def cropped_mask(message: TrackedObject, *, image_height: int, image_width: int) -> tuple[tuple[int, int], np.ndarray]:
    """The mask of a TrackedObject that has a box: its corner (x, y) in the image, and the crop, (h, w) bool.

    Raises:
        ConversionError: if the box leaves the image, or the mask cannot be read or has another size.
    """
    left, top, right, bottom = (int(edge) for edge in message.box)
    if not (0 <= left < right <= image_width and 0 <= top < bottom <= image_height):
        raise ConversionError(
            'box', f'{(left, top, right, bottom)} is not within an image of {image_width} x {image_height} pixels'
        )
    crop = _read_mask(message.mask)
    if crop.shape != (bottom - top, right - left):
        raise ConversionError(
            'mask', f'{crop.shape[1]} x {crop.shape[0]} pixels, but the box is {right - left} x {bottom - top}'
        )
    return (left, top), crop


def tracked_objects(
    result: FrameResult, *, records: Mapping[str, TrackRecord], frames_skipped: int, header: Header
) -> TrackedObjectArray:
    """All objects of one image, in the order in which they were added."""
    height, width = result.image_size
    return TrackedObjectArray(
        header=header,
        image_height=height,
        image_width=width,
        frame_index=result.frame_index,
        frames_skipped=frames_skipped,
        objects=[
            tracked_object(tracked, record=records[object_id], header=header) for object_id, tracked in result.items()
        ],
    )


def occlusion_scores(result: FrameResult, *, header: Header) -> OcclusionScoreArray:
    """The occlusion scores of one image, in the order of `tracked_objects`."""
    return OcclusionScoreArray(
        header=header,
        scores=[
            OcclusionScore(
                object_id=object_id,
                object_score_logit=float(tracked.object_score_logit),
                occlusion_probability=float(tracked.occlusion_probability),
                state=_STATES[tracked.state],
            )
            for object_id, tracked in result.items()
        ],
    )


def label_image(result: FrameResult, *, labels: Mapping[str, int], encoding: str, header: Header) -> Image:
    """Each pixel as the label of its object, 0 where there is none.

    Args:
        labels: by object id.
        encoding: mono8 or mono16.

    Raises:
        ConversionError: if a label does not fit the encoding.
    """
    dtype = LABEL_TYPES.get(encoding)
    if dtype is None:
        raise ConversionError('encoding', f'{encoding!r}, but a label image is mono8 or mono16')
    highest = max((labels[object_id] for object_id in result), default=0)
    if highest > np.iinfo(dtype).max:
        raise ConversionError('encoding', f'{encoding} holds labels up to {np.iinfo(dtype).max}, but one is {highest}')
    return array_to_image(result.label_map(labels, dtype), encoding, header=header)


def mask_image(result: ObjectResult | None, *, image_size: tuple[int, int], header: Header) -> Image:
    """The mask of one object at the size of the image, mono8: 255 on the object, 0 elsewhere.

    Args:
        result: None: no object, all is 0.
        image_size: (height, width) in pixels.
    """
    mask = np.zeros(image_size, np.uint8) if result is None else result.mask.view(np.uint8) * np.uint8(255)
    return array_to_image(mask, 'mono8', header=header)


def label_info(names: Mapping[int, str], *, header: Header) -> Any:
    """What the numbers in the label mask stand for, as a vision_msgs/LabelInfo.

    Call it only where vision_msgs is installed, that is, where `LabelInfo` is not None.
    """
    classes = [VisionClass(class_id=number, class_name=name) for number, name in sorted(names.items())]
    return LabelInfo(header=header, class_map=classes)


def detections(result: FrameResult, *, records: Mapping[str, TrackRecord], header: Header) -> Any:
    """The objects with a box as a vision_msgs/Detection2DArray. The class is that of the object, or its id where none
    is known; the score is the probability that it is visible.

    Call it only where vision_msgs is installed, that is, where `Detection2DArray` is not None.
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
        hypothesis.hypothesis.class_id = records[object_id].class_name or object_id
        hypothesis.hypothesis.score = 1 - tracked.occlusion_probability
        detection.results.append(hypothesis)
        message.detections.append(detection)
    return message
