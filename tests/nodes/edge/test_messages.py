"""Prompts in, results out: every field of the messages, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point32
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sam2_ros.msg import Prompt, TrackedObject
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros.live.requests import Source
from sam2_ros.nodes.edge import decode_images, encode_images, messages
from sam2_ros.nodes.edge.decode_images import ConversionError
from sam2_ros.nodes.edge.messages import TrackRecord
from sam2_ros.tracking import MemoryEvent, ObjectState
from tests.nodes.messages import HEADER, image_message
from tests.results import frame_result, object_result

RECORD = TrackRecord(
    label=7,
    first_seen=Time(sec=3, nanosec=1),
    last_seen=Time(sec=11, nanosec=2),
    class_name='mug',
    class_score=0.5,
    source=Source.DETECTOR,
    detections_missed=4,
)
ONE_PIXEL = np.zeros((6, 8), bool)
ONE_PIXEL[5, 3] = True


def _prompt(**fields: object) -> Prompt:
    return Prompt(header=HEADER, object_id='cup', **fields)


def _points(*points: tuple[float, float]) -> list[Point32]:
    return [Point32(x=x, y=y) for x, y in points]


def test_points_without_labels_are_positive() -> None:
    prompt = messages.prompt_from_message(_prompt(points=_points((1.5, 2.0), (3.0, 4.0))), object_id='cup')
    assert prompt.object_id == 'cup'
    assert prompt.points.tolist() == [[1.5, 2.0], [3.0, 4.0]]
    assert prompt.labels.tolist() == [1, 1]
    assert prompt.box is None
    assert prompt.mask is None


def test_points_and_box_together() -> None:
    message = _prompt(points=_points((1, 2), (3, 4)), labels=[1, 0], has_box=True, box=[0.5, 1.0, 6.0, 5.0])
    prompt = messages.prompt_from_message(message, object_id='cup')
    assert prompt.labels.tolist() == [1, 0]
    assert prompt.box.tolist() == [0.5, 1.0, 6.0, 5.0]


def test_a_box_counts_only_with_has_box() -> None:
    message = _prompt(points=_points((1, 2)), box=[0.5, 1.0, 6.0, 5.0])
    assert messages.prompt_from_message(message, object_id='cup').box is None


@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_a_mask_is_where_its_image_is_not_zero(encoding: str) -> None:
    values = np.array([[0, 1, 0], [255, 0, 7]], np.uint8)
    message = _prompt(mask=image_message(values, encoding, padding=2))
    np.testing.assert_array_equal(messages.prompt_from_message(message, object_id='cup').mask, values > 0)


def test_the_node_names_what_the_message_does_not() -> None:
    message = Prompt(points=_points((1, 2)))
    assert messages.prompt_from_message(message, object_id='object_1').object_id == 'object_1'


@pytest.mark.parametrize(
    ('fields', 'complaint'),
    [
        ({}, 'empty: give points, a box or a mask'),
        ({'labels': [1]}, 'labels'),
        ({'points': _points((1, 2)), 'labels': [1, 0]}, 'labels'),
        ({'points': _points((1, 2)), 'labels': [2]}, 'labels'),
        ({'points': _points((float('nan'), 2))}, 'points'),
        ({'points': _points((float('inf'), 2))}, 'points'),
        ({'has_box': True}, 'box'),
        ({'has_box': True, 'box': [5.0, 0.0, 1.0, 4.0]}, 'box'),
        ({'has_box': True, 'box': [0.0, 0.0, float('nan'), 4.0]}, 'box'),
        ({'mask': image_message(np.ones((2, 9), np.uint8), 'rgb8')}, 'mask.encoding'),
        ({'mask': Image(height=2, width=0, encoding='mono8')}, 'mask.width'),
        ({'mask': Image(height=2, width=2, step=2, encoding='mono8')}, 'mask.data'),
        ({'mask': Image(height=2, width=2, step=1, encoding='mono8')}, 'mask.step'),
        ({'mask': image_message(np.ones((2, 2), np.uint8), 'mono8'), 'points': _points((1, 1))}, 'mask'),
    ],
)
def test_senseless_prompts_are_refused_with_the_field_named(fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        messages.prompt_from_message(_prompt(**fields), object_id='cup')


_anything = st.floats(width=32)


@given(
    points=st.lists(st.tuples(_anything, _anything), max_size=3),
    labels=st.lists(st.integers(0, 255), max_size=3),
    has_box=st.booleans(),
    box=st.tuples(_anything, _anything, _anything, _anything),
    height=st.integers(0, 3),
    width=st.integers(0, 3),
    step=st.integers(0, 4),
    data=st.binary(max_size=12),
    encoding=st.sampled_from(['mono8', '8UC1', 'rgb8', '', 'mono16']),
)
def test_any_prompt_is_converted_or_refused(
    points: list[tuple[float, float]],
    labels: list[int],
    has_box: bool,
    box: tuple[float, ...],
    height: int,
    width: int,
    step: int,
    data: bytes,
    encoding: str,
) -> None:
    mask = Image(height=height, width=width, step=step, encoding=encoding, data=data)
    message = _prompt(points=_points(*points), labels=labels, has_box=has_box, box=box, mask=mask)
    try:
        prompt = messages.prompt_from_message(message, object_id='cup')
    except ValueError as error:
        assert len(str(error)) > 10
        return
    assert prompt.points.shape == (len(points), 2)
    assert (prompt.box is not None) == has_box
    assert (prompt.mask is not None) == bool(height or width)


def test_every_field_of_a_visible_object() -> None:
    result = object_result('cup', ONE_PIXEL, logit=2.0, hidden_frames=5, memory_event=MemoryEvent.ANCHOR)
    message = messages.tracked_object(result, record=RECORD, header=HEADER)
    assert (message.object_id, message.label, message.state) == ('cup', 7, TrackedObject.VISIBLE)
    assert message.object_score_logit == 2.0
    assert message.occlusion_probability == pytest.approx(1 / (1 + np.exp(2.0)))
    assert message.predicted_iou == 0.75
    assert message.has_box
    assert message.box.tolist() == [3, 5, 4, 6]
    assert message.centroid == Point32(x=3.0, y=5.0)
    assert message.area == 1
    assert (message.mask.width, message.mask.height, message.mask.step) == (1, 1, 1)
    assert (message.mask.encoding, bytes(message.mask.data), message.mask.header) == ('mono8', b'\xff', HEADER)
    assert (message.first_seen, message.last_seen) == (RECORD.first_seen, RECORD.last_seen)
    assert message.frames_since_seen == 5
    assert message.memory_event == TrackedObject.MEMORY_ANCHOR
    assert (message.class_name, message.class_score, message.detections_missed) == ('mug', 0.5, 4)
    assert message.source == TrackedObject.SOURCE_DETECTOR


def test_an_absent_object_has_scores_but_no_place() -> None:
    result = object_result('cup', np.zeros((6, 8), bool), logit=-4.0, state=ObjectState.OCCLUDED)
    message = messages.tracked_object(result, record=RECORD, header=HEADER)
    assert not message.has_box
    assert message.box.tolist() == [0, 0, 0, 0]
    assert (message.area, message.mask.width, message.mask.height, len(message.mask.data)) == (0, 0, 0, 0)
    assert message.object_score_logit == -4.0
    assert message.state == TrackedObject.OCCLUDED
    assert not messages.mask_from_object(message, image_height=6, image_width=8).any()


@pytest.mark.parametrize('state', list(ObjectState))
def test_states_keep_their_names(state: ObjectState) -> None:
    message = messages.tracked_object(object_result('cup', ONE_PIXEL, state=state), record=RECORD, header=HEADER)
    assert message.state == getattr(TrackedObject, state.name)


@pytest.mark.parametrize('event', list(MemoryEvent))
def test_memory_events_keep_their_names(event: MemoryEvent) -> None:
    result = object_result('cup', ONE_PIXEL, memory_event=event)
    message = messages.tracked_object(result, record=RECORD, header=HEADER)
    assert message.memory_event == getattr(TrackedObject, f'MEMORY_{event.name}')


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_the_mask_within_its_box_survives_its_message(mask: np.ndarray) -> None:
    result = object_result('cup', mask)
    message = messages.tracked_object(result, record=RECORD, header=HEADER)
    height, width = mask.shape
    left, top, right, bottom = result.box or (0, 0, 0, 0)
    within = np.zeros_like(mask)
    within[top:bottom, left:right] = mask[top:bottom, left:right]
    np.testing.assert_array_equal(messages.mask_from_object(message, image_height=height, image_width=width), within)
    assert message.has_box == mask.any()
    if mask.any():
        rows, columns = np.nonzero(within)
        assert message.centroid.x == pytest.approx(columns.mean(), abs=1e-5)
        assert message.centroid.y == pytest.approx(rows.mean(), abs=1e-5)
        assert message.area == within.sum()


def test_specks_far_away_neither_stretch_the_box_nor_move_the_centroid() -> None:
    mask = np.zeros((90, 120), bool)
    mask[10:20, 10:30] = mask[80:83, 110:115] = True
    result = frame_result(object_result('cup', mask), image_size=(90, 120))
    message = messages.tracked_object(result['cup'], record=RECORD, header=HEADER)
    assert message.box.tolist() == [10, 10, 30, 20]
    assert message.centroid == Point32(x=19.5, y=14.5)
    assert message.area == np.count_nonzero(message.mask.data) == 200
    labels = messages.label_image(result, labels={'cup': 7}, encoding='mono8', header=HEADER)
    assert np.count_nonzero(labels.data) == 215


@pytest.mark.parametrize(
    ('box', 'complaint'),
    [
        ([3.0, 5.0, 4.0, 7.0], 'box: .*not within'),
        ([-1.0, 5.0, 4.0, 6.0], 'box: .*not within'),
        ([3.0, 5.0, 3.0, 6.0], 'box: .*not within'),
        ([2.0, 5.0, 4.0, 6.0], 'mask: 1 x 1 pixels, but the box is 2 x 1'),
    ],
)
def test_a_mask_that_does_not_fit_its_box_is_refused(box: list[float], complaint: str) -> None:
    message = messages.tracked_object(object_result('cup', ONE_PIXEL), record=RECORD, header=HEADER)
    message.box = box
    with pytest.raises(ConversionError, match=complaint):
        messages.mask_from_object(message, image_height=6, image_width=8)


def test_all_objects_of_an_image() -> None:
    result = frame_result(object_result('cup', ONE_PIXEL), object_result('box', np.zeros((6, 8), bool), logit=-1.0))
    message = messages.tracked_objects(result, records={'cup': RECORD, 'box': RECORD}, frames_skipped=2, header=HEADER)
    assert message.header == HEADER
    assert (message.image_height, message.image_width) == (6, 8)
    assert (message.frame_index, message.frames_skipped) == (4, 2)
    assert [tracked.object_id for tracked in message.objects] == ['cup', 'box']


def test_no_objects_is_a_message_too() -> None:
    message = messages.tracked_objects(frame_result(), records={}, frames_skipped=0, header=HEADER)
    assert (message.image_height, message.image_width, message.objects) == (6, 8, [])
    assert messages.occlusion_scores(frame_result(), header=HEADER).scores == []


def test_occlusion_scores() -> None:
    result = frame_result(
        object_result('cup', ONE_PIXEL, logit=0.0),
        object_result('box', np.zeros((6, 8), bool), logit=-1.0, state=ObjectState.LOST),
    )
    message = messages.occlusion_scores(result, header=HEADER)
    assert message.header == HEADER
    assert [score.object_id for score in message.scores] == ['cup', 'box']
    assert [score.object_score_logit for score in message.scores] == [0.0, -1.0]
    assert message.scores[0].occlusion_probability == 0.5
    assert [score.state for score in message.scores] == [TrackedObject.VISIBLE, TrackedObject.LOST]


@pytest.mark.parametrize('logit', [-1000.0, 1000.0])
def test_extreme_scores_stay_probabilities(logit: float) -> None:
    result = frame_result(object_result('cup', ONE_PIXEL, logit=logit))
    score = messages.occlusion_scores(result, header=HEADER).scores[0]
    assert score.occlusion_probability == pytest.approx(float(logit < 0))


@pytest.mark.parametrize(('encoding', 'labels'), [('mono8', (3, 255)), ('mono16', (3, 65535))])
def test_label_image(encoding: str, labels: tuple[int, int]) -> None:
    """Where objects overlap, the one with the higher logit has the pixel."""
    weak, strong = np.zeros((6, 8), bool), np.zeros((6, 8), bool)
    weak[1:4, 1:4] = True
    strong[3:5, 3:6] = True
    result = frame_result(object_result('weak', weak, logit=1.0), object_result('strong', strong, logit=2.0))
    message = messages.label_image(
        result, labels=dict(zip(('weak', 'strong'), labels, strict=True)), encoding=encoding, header=HEADER
    )
    expected = np.where(strong, labels[1], np.where(weak, labels[0], 0))
    assert (message.encoding, message.header) == (encoding, HEADER)
    np.testing.assert_array_equal(decode_images.image_to_array(message), expected)


@pytest.mark.parametrize(
    ('encoding', 'label', 'complaint'),
    [
        ('mono8', 256, 'mono8 holds labels up to 255, but one is 256'),
        ('rgb8', 1, 'mono8 or mono16'),
    ],
)
def test_labels_that_do_not_fit_are_refused(encoding: str, label: int, complaint: str) -> None:
    with pytest.raises(ConversionError, match=complaint):
        messages.label_image(
            frame_result(object_result('cup', ONE_PIXEL)), labels={'cup': label}, encoding=encoding, header=HEADER
        )


class Detection2DArray(SimpleNamespace):
    def __init__(self, *, header: Header) -> None:
        super().__init__(header=header, detections=[])


class Detection2D(SimpleNamespace):
    def __init__(self, *, header: Header, id: str) -> None:
        center = SimpleNamespace(position=SimpleNamespace(x=0.0, y=0.0), theta=0.0)
        super().__init__(header=header, id=id, results=[], bbox=SimpleNamespace(center=center, size_x=0.0, size_y=0.0))


class ObjectHypothesisWithPose(SimpleNamespace):
    def __init__(self) -> None:
        super().__init__(hypothesis=SimpleNamespace(class_id='', score=0.0))


class VisionClass(SimpleNamespace):
    pass


class LabelInfo(SimpleNamespace):
    pass


STAND_INS = (Detection2DArray, Detection2D, ObjectHypothesisWithPose, LabelInfo, VisionClass)


@pytest.fixture
def vision_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    if messages.Detection2DArray is None:  # it is not on PyPI: messages with the same fields stand in
        for type_ in STAND_INS:
            monkeypatch.setattr(messages, type_.__name__, type_, raising=False)


@pytest.mark.usefixtures('vision_messages')
@pytest.mark.parametrize(('class_name', 'class_id'), [('', 'cup'), ('mug', 'mug')])
def test_detections_have_the_box_and_the_score_of_each_object_that_is_seen(class_name: str, class_id: str) -> None:
    mask = np.zeros((6, 8), bool)
    mask[1:5, 2:8] = True
    result = frame_result(object_result('cup', mask, logit=2.0), object_result('box', np.zeros((6, 8), bool)))
    records = dict.fromkeys(('cup', 'box'), replace(RECORD, class_name=class_name))
    message = messages.detections(result, records=records, header=HEADER)
    assert message.header == HEADER
    assert [detection.id for detection in message.detections] == ['cup']
    box = message.detections[0].bbox
    assert (box.center.position.x, box.center.position.y, box.size_x, box.size_y) == (5.0, 3.0, 6.0, 4.0)
    hypothesis = message.detections[0].results[0].hypothesis
    assert hypothesis.class_id == class_id
    assert hypothesis.score == pytest.approx(1 / (1 + np.exp(-2.0)))


@pytest.mark.usefixtures('vision_messages')
def test_label_info_names_the_values_of_the_label_mask() -> None:
    message = messages.label_info({7: 'cup', 2: 'dog'}, header=HEADER)
    assert message.header == HEADER
    assert [(entry.class_id, entry.class_name) for entry in message.class_map] == [(2, 'dog'), (7, 'cup')]


def test_the_mask_of_one_object_has_the_size_of_the_image() -> None:
    image = messages.mask_image(object_result('cup', ONE_PIXEL), image_size=(6, 8), header=HEADER)
    assert (image.encoding, image.header, image.step) == ('mono8', HEADER, 8)
    np.testing.assert_array_equal(decode_images.image_to_array(image), ONE_PIXEL * 255)
    nothing = messages.mask_image(None, image_size=(6, 8), header=HEADER)
    assert (nothing.height, nothing.width) == (6, 8) and not any(nothing.data)


def test_camera_info_sees_the_field_of_view() -> None:
    info = encode_images.camera_info(height=480, width=640, horizontal_fov=np.pi / 2, header=HEADER)
    focal, centre_x = info.k[0], info.k[2]
    assert focal == pytest.approx(320)  # 45 degrees to either side
    assert (-0.5 - centre_x, 639.5 - centre_x) == (-320, 320)  # edges of the image, pixel centres being whole
    assert (info.height, info.width, info.header) == (480, 640, HEADER)
    assert info.p[:3].tolist() == info.k[:3].tolist()
