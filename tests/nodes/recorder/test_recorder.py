"""What the recorder writes for known messages. That it works in a graph is shown by the test of the demo."""

import csv

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sam2_ros.msg import TrackedObject, TrackedObjectArray
from std_msgs.msg import Header

from sam2_ros.nodes.edge.encode_images import array_to_image
from sam2_ros.nodes.edge.messages import prompt_from_message, prompt_message
from sam2_ros.nodes.recorder.recording import CSV_COLUMNS, MOST_WAITING, Recording
from sam2_ros.tracking import ObjectState, Prompt


def header(second):
    return Header(stamp=Time(sec=second, nanosec=5), frame_id='camera')


def tracked(object_id, state, *, box=None, logit=0.0):
    message = TrackedObject(object_id=object_id, state=state, object_score_logit=logit, occlusion_probability=0.25)
    if box is not None:
        message.has_box, message.box = True, box
    return message


@pytest.fixture
def recording(tmp_path):
    return Recording(tmp_path / 'recording', frame_rate=10.0)


def test_known_messages_give_known_files(recording, tmp_path):
    for second in range(4):
        recording.take_image(second * 10**9 + 5)
    visible, occluded = TrackedObject.VISIBLE, TrackedObject.OCCLUDED
    for index, (second, skipped, latency, state) in enumerate(
        [(0, 0, 0.1, visible), (2, 1, 0.2, visible), (3, 0, 0.3, occluded)]
    ):
        cup = tracked('cup', state, logit=1.5 - second, box=[1.0, 2.0, 30.0, 40.0] if state == visible else None)
        recording.take_objects(
            TrackedObjectArray(header=header(second), frame_index=index, frames_skipped=skipped, objects=[cup]),
            latency=latency,
        )
        assert not recording.complete
    recording.take_overlay(array_to_image(np.full((48, 64, 3), 99, np.uint8), 'rgb8', header=header(3)))
    assert recording.complete
    summary = recording.close()
    for line in (
        '| published | 4 |',
        '| processed | 3 |',
        '| skipped, because a newer one was there | 1 |',
        '| missing for other reasons | 0 |',
        '| latency, median | 200 ms |',
        '| latency, 95th percentile | 290 ms |',
        '| cup | 2 | 1 | 0 | 0 |',
    ):
        assert line in summary.splitlines()
    folder = tmp_path / 'recording'
    assert (folder / 'summary.md').read_text() == summary
    with open(folder / 'objects.csv', newline='') as file:
        rows = list(csv.reader(file))
    assert rows == [
        list(CSV_COLUMNS),
        ['0.000000005', '0', 'cup', 'visible', '1.5000', '0.2500', '1', '2', '30', '40'],
        ['2.000000005', '1', 'cup', 'visible', '-0.5000', '0.2500', '1', '2', '30', '40'],
        ['3.000000005', '2', 'cup', 'occluded', '-1.5000', '0.2500', '', '', '', ''],
    ]
    assert cv2.VideoCapture(str(folder / 'overlay.mp4')).get(cv2.CAP_PROP_FRAME_COUNT) == 1


def test_states_are_spelt_as_in_the_library(recording, tmp_path):
    cup = tracked('cup', TrackedObject.CATCHING_UP)
    recording.take_objects(TrackedObjectArray(header=header(0), objects=[cup]), latency=0.1)
    recording.close()
    assert f',{ObjectState.CATCHING_UP.value},' in (tmp_path / 'recording' / 'objects.csv').read_text()


def test_a_lost_image_is_counted(recording):
    for second in range(3):
        recording.take_image(second)
    recording.take_objects(TrackedObjectArray(header=header(0)), latency=0.1)
    assert '| missing for other reasons | 2 |' in recording.close()


def overlay(second, grey):
    return array_to_image(np.full((240, 320, 3), grey, np.uint8), 'rgb8', header=header(second))


def cup_message(second, logit, state=TrackedObject.VISIBLE):
    cup = tracked('cup', state, logit=logit, box=[1.0, 2.0, 30.0, 40.0])
    cup.label = 1
    return TrackedObjectArray(header=header(second), objects=[cup])


def frames_of(folder):
    capture = cv2.VideoCapture(str(folder / 'overlay.mp4'))
    return [capture.read()[1] for _ in range(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))]


@pytest.mark.parametrize('order', ['objects first', 'overlays first', 'objects long before'])
def test_each_overlay_has_the_scores_up_to_its_own(recording, tmp_path, order):
    """Whatever came first. The curve begins at the left, above the middle, and grows by one frame at a time."""
    steps = {'objects first': 'OoOoOo', 'overlays first': 'oOoOoO', 'objects long before': 'OOOooo'}[order]
    counts = {'o': 0, 'O': 0}
    for step in steps:
        second, grey = counts[step], 50 * (counts[step] + 1)
        counts[step] += 1
        if step == 'O':
            recording.take_objects(cup_message(second, 5.0), latency=0.1)
        else:
            recording.take_overlay(overlay(second, grey))
    recording.close()
    frames = frames_of(tmp_path / 'recording')
    assert [round(float(frame[:200].mean()), -1) for frame in frames] == [50, 100, 150]
    lit = [(frame[240:].max(2) > 150).sum() for frame in frames]
    assert 0 < lit[0] < lit[1] < lit[2]


def test_an_object_that_is_catching_up_has_no_score_yet(recording, tmp_path):
    """Its curve begins where it has caught up."""
    for second, state in enumerate((TrackedObject.CATCHING_UP, TrackedObject.VISIBLE, TrackedObject.VISIBLE)):
        recording.take_objects(cup_message(second, 5.0, state), latency=0.1)
        recording.take_overlay(overlay(second, 50))
    recording.close()
    lit = [(frame[240:].max(2) > 150).sum() for frame in frames_of(tmp_path / 'recording')]
    assert lit[0] == 0 < lit[1] < lit[2]


@pytest.mark.parametrize('count', [2, MOST_WAITING + 5])
def test_overlays_without_scores_are_written_too(recording, tmp_path, count):
    for second in range(count):
        recording.take_overlay(overlay(second, 50 + second))
    recording.close()
    brightness = [frame[:200].mean() for frame in frames_of(tmp_path / 'recording')]
    assert brightness == pytest.approx(list(range(50, 50 + count)), abs=6)


@pytest.mark.parametrize('skipped', [False, True])
def test_the_overlay_of_the_prompted_image_shows_the_prompt(recording, tmp_path, skipped):
    """Or that of the next image, where the tracker skipped it."""
    recording.take_image(5)
    recording.take_prompts([Prompt('cup', box=(40, 60, 240, 160))], stamp_ns=5)
    for second in (1, 2) if skipped else (0, 1, 2):
        recording.take_objects(TrackedObjectArray(header=header(second)), latency=0.1)
        recording.take_overlay(overlay(second, 50))
    recording.close()
    shown = [(frame[59:62, 40:240].min(2) > 190).any(0).mean() for frame in frames_of(tmp_path / 'recording')]
    assert shown[0] > 0.25 and max(shown[1:]) < 0.1


def test_nothing_recorded_is_a_summary_too(recording):
    assert not recording.complete
    assert '| published | 0 |' in recording.close()


@pytest.mark.parametrize(
    'prompt',
    [
        Prompt('cup', box=(1, 2, 30.5, 40)),
        Prompt('cup', points=[(3, 4), (5.5, 6)], labels=[1, 0]),
        Prompt('cup', points=[(3, 4)], box=(1, 2, 30.5, 40)),
        Prompt('cup', mask=np.eye(6, 8, dtype=bool)),
    ],
)
def test_prompts_survive_the_message(prompt):
    message = prompt_message(prompt, header=header(7))
    assert message.header == header(7)
    back = prompt_from_message(message, object_id=message.object_id)
    assert back.object_id == prompt.object_id
    for field in ('points', 'labels', 'box', 'mask'):
        np.testing.assert_array_equal(getattr(back, field), getattr(prompt, field))
