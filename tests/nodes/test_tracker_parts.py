"""The parts of the tracker node that need no ROS graph: stamps, ring, labels, measurements, projection."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from hypothesis import given
from hypothesis import strategies as st
from sam2_ros.msg import TrackedObject
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header

from sam2_ros.nodes.image_ring import ArrivedImage, Fate, ImageRing
from sam2_ros.nodes.images import camera_info
from sam2_ros.nodes.journal import Journal
from sam2_ros.nodes.labels import LabelTable
from sam2_ros.nodes.measurements import Latencies, Rate
from sam2_ros.nodes.projection import project_point, rotate
from sam2_ros.nodes.stamps import NANOSECONDS, Arrival, StampOrder, stamp_text

SECOND = NANOSECONDS


def arrivals(stamps: Sequence[float], *, period: float = 10.0, order: StampOrder | None = None) -> list[Arrival]:
    """What a new order, or this one, says of images that come every `period` seconds."""
    order = order or StampOrder()
    return [
        order.classify(round(stamp * SECOND), arrived=period * n, reorder_window=1.0) for n, stamp in enumerate(stamps)
    ]


def test_stamps_in_order() -> None:
    assert arrivals([5.0, 5.1, 9.0]) == [Arrival.NEXT] * 3


def test_the_same_image_again() -> None:
    assert arrivals([5.0, 5.0, 5.1]) == [Arrival.NEXT, Arrival.DUPLICATE, Arrival.NEXT]


def test_overtaken_images_do_not_set_the_time_back() -> None:
    assert arrivals([5.0, 5.2, 5.1, 5.3]) == [Arrival.NEXT, Arrival.NEXT, Arrival.REORDERED, Arrival.NEXT]


def test_a_jump_back_is_a_new_epoch() -> None:
    assert arrivals([50.0, 1.0, 1.1, 1.2, 1.15], period=0.1) == [
        Arrival.NEXT,
        Arrival.OUTLIER,
        Arrival.OUTLIER,
        Arrival.NEW_EPOCH,
        Arrival.REORDERED,
    ]


def test_images_without_a_stamp_do_not_count_as_old() -> None:
    assert arrivals([5.0, 0.0, 0.0, 5.1]) == [Arrival.NEXT, Arrival.UNSTAMPED, Arrival.UNSTAMPED, Arrival.NEXT]


@given(st.lists(st.integers(0, 20 * SECOND), max_size=40))
def test_stream_time_never_goes_back(stamps: list[int]) -> None:
    order, before = StampOrder(), 0.0
    for number, stamp in enumerate(stamps):
        order.classify(stamp, arrived=float(number), reorder_window=1.0)
        assert order.elapsed >= before
        before = order.elapsed


def test_stream_time_is_that_of_the_stamps_across_a_loop() -> None:
    order = StampOrder()
    arrivals((100.0, 100.25, 100.5, 3.0, 3.25, 3.5), period=0.25, order=order)
    assert order.elapsed == pytest.approx(1.0)


@pytest.mark.parametrize('images', [2, 3, 5, 9])
def test_a_bag_shorter_than_the_window_goes_on_when_it_is_looped(images: int) -> None:
    found = arrivals([50 + 0.1 * number for number in range(images)] * 24, period=0.1)
    second_half = found[12 * images :]
    assert second_half == ([Arrival.NEW_EPOCH] + [Arrival.NEXT] * (images - 1)) * 12


@pytest.mark.parametrize('speed', [0.5, 1.0, 10.0])  # of a bag that is played
@pytest.mark.parametrize('rate', [5.0, 30.0, 120.0])
@pytest.mark.parametrize('error', [0.5, 5.0, 4e9, -0.5, -5.0, -900.0])
def test_a_single_wrong_stamp_changes_nothing_but_itself(rate: float, error: float, speed: float) -> None:
    stamps = [1000 + number / rate for number in range(100)]
    right, order = StampOrder(), StampOrder()
    arrivals(stamps, period=1 / rate / speed, order=right)
    found = arrivals([*stamps[:50], stamps[50] + error, *stamps[51:]], period=1 / rate / speed, order=order)
    itself = Arrival.NEXT if error > 0 else Arrival.REORDERED if error >= -0.5 else Arrival.OUTLIER
    assert found.pop(50) is itself and order.outliers == (error > 0)
    assert found == [Arrival.NEXT] * 99
    assert order.elapsed == pytest.approx(right.elapsed, abs=1e-6)


@pytest.mark.parametrize('rate', [10.0, 30.0, 120.0])
@pytest.mark.parametrize('error', [0.02, 0.04, 0.06, 0.09])
def test_a_stamp_that_is_a_little_wrong_is_no_new_epoch(rate: float, error: float) -> None:
    """It may cost those images that it is ahead of, no more."""
    stamps = [1000 + number / rate for number in range(100)]
    found = arrivals([*stamps[:50], stamps[50] + error, *stamps[51:]], period=1 / rate)
    assert Arrival.NEW_EPOCH not in found and found.count(Arrival.NEXT) >= 99 - error * rate


@pytest.mark.parametrize('leap', [-3600.0, -5.0, -0.4, 5.0, 3600.0])
def test_a_leap_of_all_that_follow_is_believed(leap: float) -> None:
    order = StampOrder()
    found = arrivals(
        [1000 + 0.1 * number for number in range(20)] + [1000 + leap + 0.1 * number for number in range(20, 40)],
        period=0.1,
        order=order,
    )
    assert found.count(Arrival.NEW_EPOCH) == (leap < 0) and order.outliers == 0
    assert found[22:].count(Arrival.NEXT) == 18 - (leap < 0)
    assert found[20:22] == (
        [Arrival.NEXT] * 2 if leap > 0 else [Arrival.REORDERED if leap > -1 else Arrival.OUTLIER] * 2
    )
    assert 3.7 <= order.elapsed <= 3.9 + 3.0


@given(st.lists(st.tuples(st.integers(0, 10 * SECOND), st.floats(0, 2)), min_size=1, max_size=40))
def test_whatever_comes_a_stream_that_is_in_order_is_tracked_soon(garbage: list[tuple[int, float]]) -> None:
    order, now = StampOrder(), 0.0
    for stamp, pause in garbage:
        now += pause
        order.classify(stamp, arrived=now, reorder_window=1.0)
    found = [
        order.classify((20 + number) * SECOND // 10, arrived=now + 0.1 * (number + 1), reorder_window=1.0)
        for number in range(12)
    ]
    assert set(found[6:]) <= {Arrival.NEXT, Arrival.NEW_EPOCH} and found[-1] is Arrival.NEXT


def test_a_late_image_now_and_then_is_no_new_epoch() -> None:
    order = StampOrder()
    stamps = [second + part for second in range(5, 15) for part in (0.0, 0.2, 0.1)]
    found = {order.classify(round(stamp * SECOND), arrived=stamp, reorder_window=1.0) for stamp in stamps}
    assert found == {Arrival.NEXT, Arrival.REORDERED}


def test_a_pause_counts_as_stream_time() -> None:
    order = StampOrder()
    for stamp, arrived_at in ((5.0, 0.0), (5.0, 20.0), (65.0, 60.0)):  # the camera hung; it sent one image twice
        order.classify(round(stamp * SECOND), arrived=arrived_at, reorder_window=1.0)
    assert order.elapsed == pytest.approx(60.0)


@pytest.mark.parametrize(
    ('moments', 'now', 'rate'),
    [
        ([], 1.0, 0.0),
        ([1.0], 1.0, 0.0),
        ([1.0, 1.5, 2.0, 2.5], 2.5, 2.0),
        ([1.0, 1.1, 1.2, 1.3], 1.3, 3.0),  # of a stream that began just now nobody knows whether it goes on
        ([1.0, 1.1, 60.0, 60.005], 60.005, 1.0),
        ([1.0, 1.1, 1.2, 1.3], 6.25, 0.0),
        ([0.0, 8.0, 16.0], 23.0, 0.125),  # slower than the span that rates are taken over
        ([0.0, 8.0, 16.0], 33.0, 0.0),
    ],
)
def test_rates(moments: list[float], now: float, rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = Rate()
    for moment in moments:
        monkeypatch.setattr('time.monotonic', lambda moment=moment: moment)
        measured.tick()
    monkeypatch.setattr('time.monotonic', lambda: now)
    assert measured.per_second() == pytest.approx(rate)


def test_stamps_as_text() -> None:
    assert stamp_text(12_345_000_000) == '12.345'
    assert stamp_text(12_345_678_000) == '12.345678'


def arrived(seconds: float, *, size: int = 10, fate: Fate = Fate.TRACKED, frame_index: int = -1) -> ArrivedImage:
    stamp = Time(sec=int(seconds), nanosec=round(seconds % 1 * SECOND))
    message = Image(header=Header(stamp=stamp), data=bytes(size))
    return ArrivedImage(message, time=seconds, fate=fate, frame_index=frame_index)


def ring_of(*images: ArrivedImage, max_images: int = 100, max_bytes: int = 10_000) -> ImageRing:
    ring = ImageRing()
    for image in images:
        ring.add(image, max_images=max_images, max_bytes=max_bytes)
    return ring


def test_the_ring_finds_skipped_images_too() -> None:
    skipped = arrived(5.1, fate=Fate.SKIPPED)
    ring = ring_of(arrived(5.0), skipped, arrived(5.2))
    assert ring.at_stamp(round(5.1 * SECOND), tolerance=0.001) is skipped
    assert ring.at_stamp(round(5.1004 * SECOND), tolerance=0.001) is skipped
    assert ring.at_stamp(round(5.15 * SECOND), tolerance=0.001) is None


def test_of_equal_stamps_the_later_arrival_counts() -> None:
    again = arrived(5.0)
    ring = ring_of(arrived(5.0), arrived(6.0), again)
    assert ring.at_stamp(5 * SECOND, tolerance=0.0) is again


def test_unstamped_images_match_no_stamp() -> None:
    assert ring_of(arrived(0.0)).at_stamp(1, tolerance=1.0) is None


def test_the_image_tracked_before_a_skipped_one() -> None:
    first, second = arrived(1.0, frame_index=0), arrived(2.0, fate=Fate.SKIPPED)
    third, fourth = arrived(3.0, fate=Fate.SKIPPED), arrived(4.0, frame_index=1)
    ring = ring_of(first, second, third, fourth)
    assert ring.tracked_before(third) is first
    assert ring.tracked_before(first) is None
    assert ring.newest_tracked() is fourth
    assert ring.newest_tracked(not_after_ns=round(3.5 * SECOND)) is first
    assert ring.at_frame(1) is fourth and ring.at_frame(2) is None


def test_a_new_start_keeps_the_images_and_forgets_their_frames() -> None:
    image = arrived(1.0, frame_index=7)
    ring = ring_of(image)
    ring.restart()
    assert ring.newest() is image and ring.newest_tracked() is None and image.fate is Fate.SKIPPED


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 10), st.integers(1, 200))
def test_the_ring_keeps_to_its_limits(sizes: list[int], max_images: int, max_bytes: int) -> None:
    images = [arrived(float(number + 1), size=size) for number, size in enumerate(sizes)]
    ring = ring_of(*images, max_images=max_images, max_bytes=max_bytes)
    kept = ring.images()
    assert kept == images[len(images) - len(kept) :]
    assert ring.nbytes == sum(image.nbytes for image in kept)
    assert len(kept) <= max(max_images, 2)  # the newest image and the one tracked before it
    assert ring.nbytes <= max_bytes or len(kept) <= 2
    assert ring.overflowed is (len(kept) < len(images))


def test_the_ring_keeps_the_newest_output_however_long_the_tracker_takes() -> None:
    old, shown, at_work = arrived(1.0), arrived(2.0), arrived(3.0, fate=Fate.WAITING)
    ring = ring_of(old, shown, at_work, max_images=3)
    for number in range(10):
        ring.add(arrived(4.0 + number, fate=Fate.SKIPPED), max_images=3, max_bytes=10_000)
    assert ring.images()[:2] == [shown, at_work] and len(ring) == 3
    at_work.fate = Fate.TRACKED
    ring.add(arrived(20.0, fate=Fate.WAITING), max_images=3, max_bytes=10_000)
    assert ring.newest_tracked() is at_work and shown not in ring.images() and len(ring) == 3


def test_the_ring_counts_the_masks_of_objects() -> None:
    ring = ring_of(*(arrived(float(number + 1), size=100) for number in range(8)), max_bytes=1000)
    for image in ring.images():
        for name in ('a', 'b'):
            image.keep_object(TrackedObject(object_id=name, mask=Image(data=bytes(50))))
            image.keep_object(TrackedObject(object_id=name, mask=Image(data=bytes(75))))
    assert ring.nbytes == 8 * (100 + 2 * 75)
    ring.add(arrived(9.0, size=100), max_images=100, max_bytes=1000)
    assert len(ring) == 4 and ring.nbytes == 3 * 250 + 100
    ring.forget_object('a')
    assert ring.nbytes == 3 * 175 + 100 and all(set(image.objects) == {'b'} for image in ring.images()[:3])


def test_labels_are_stable_and_freed_ones_come_last() -> None:
    labels = LabelTable(4)
    assert [labels.assign(name) for name in ('a', 'b', 'c', 'a')] == [1, 2, 3, 1]
    labels.free('b')
    labels.free('a')
    assert [labels.assign(name) for name in ('d', 'e', 'f')] == [4, 2, 1]
    with pytest.raises(ValueError, match='all 4 labels are in use'):
        labels.assign('g')


@given(st.lists(st.tuples(st.booleans(), st.sampled_from('abcdefgh')), max_size=60))
def test_labels_are_unique_and_within_range(steps: list[tuple[bool, str]]) -> None:
    labels, held = LabelTable(5), {}
    for adds, name in steps:
        if not adds:
            labels.free(name)
            held.pop(name, None)
        elif name in held or len(held) < 5:
            label = labels.assign(name)
            assert held.setdefault(name, label) == label
    assert len(set(held.values())) == len(held) and all(1 <= label <= 5 for label in held.values())


def test_percentiles_of_latencies() -> None:
    latencies = Latencies()
    for number in range(101):
        latencies.add('track', float(number))
    assert latencies.percentiles() == {'track': (50.0, 95.0)}


class Lines(list):
    """A logger that keeps its lines."""

    def warning(self, line: str) -> None:
        self.append(line)


def test_the_journal_counts_everything_and_says_each_reason_once_in_a_while() -> None:
    lines = Lines()
    journal = Journal(lines)
    for _ in range(3):
        journal.note('invalid', 'no good')
    journal.note('reordered', 'too late')
    journal.refuse_prompt('why not')
    journal.refuse_prompt('why not')
    assert lines == ['no good', 'too late', 'prompt refused: why not', 'prompt refused: why not']
    assert journal.counts() == {'invalid': 3, 'reordered': 1, 'prompts_refused': 2}
    assert journal.last_refusal == 'why not'


def pinhole(**changes: object) -> CameraInfo:
    info = camera_info(height=480, width=640, horizontal_fov=np.pi / 2, header=Header())
    for name, value in changes.items():
        setattr(info, name, value)
    return info


def project(
    point: Sequence[float], info: CameraInfo, *, rectified: bool = False, image_size: tuple[int, int] = (480, 640)
) -> tuple[float, float]:
    return project_point(np.array(point), info, rectified=rectified, image_size=image_size)


@pytest.mark.parametrize('rectified', [True, False])
def test_projection_without_distortion(rectified: bool) -> None:
    # A field of view of 90 degrees over 640 pixels: the focal length is 320 pixels, the axis at (319.5, 239.5).
    assert project((0.5, -0.25, 2.0), pinhole(), rectified=rectified) == pytest.approx((319.5 + 80, 239.5 - 40))


def test_projection_into_a_smaller_image() -> None:
    assert project((0.5, -0.25, 2.0), pinhole(), image_size=(240, 320)) == pytest.approx((199.75, 99.75))


def test_projection_with_distortion() -> None:
    # k1 = 0.1 at the normalised point (0.25, 0): x (1 + 0.1 * 0.25 ** 2)
    info = pinhole(d=[0.1, 0.0, 0.0, 0.0, 0.0])
    assert project((0.5, 0.0, 2.0), info) == pytest.approx((319.5 + 320 * 0.25 * 1.00625, 239.5))
    assert project((0.5, 0.0, 2.0), info, rectified=True) == pytest.approx((399.5, 239.5))


def test_projection_of_a_fisheye() -> None:
    info = pinhole(distortion_model='equidistant', d=[0.0] * 4)
    assert project((1.0, 0.0, 2.0), info) == pytest.approx((319.5 + 320 * np.arctan(0.5), 239.5))


@pytest.mark.parametrize(
    ('point', 'changes', 'sentence'),
    [
        ((0.0, 0.0, -1.0), {}, 'not in front of the camera'),
        ((np.nan, 0.0, 1.0), {}, 'not in front of the camera'),
        ((9.0, 0.0, 1.0), {}, 'outside the image of 640 x 480'),
        ((0.0, 0.0, 1.0), {'k': [0.0] * 9, 'p': [0.0] * 12}, 'not calibrated'),
        ((1.4, 0.0, 1.0), {'d': [-0.4, 0.0, 0.0, 0.0, 0.0]}, 'outside the view'),
        ((1.5, 0.0, 1.0), {'d': [-0.4, 0.0, 0.0, 0.0, 0.0]}, 'outside the view'),
        ((0.0, 0.0, 1.0), {'distortion_model': 'odd'}, "model 'odd' is unknown"),
        ((0.0, 0.0, 1.0), {'d': [0.1]}, 'D of the CameraInfo has 1 coefficients'),
        ((0.0, 0.0, 1.0), {'d': [0.1] * 3}, "'plumb_bob' has 0 or 4 or 5 or 8 or 12 or 14"),
        ((0.0, 0.0, 1.0), {'distortion_model': 'equidistant', 'd': [0.1]}, "1 coefficients.* 'equidistant' has 0 or 4"),
        ((0.0, 0.0, 1.0), {'d': [np.nan] * 5}, 'outside the image'),
    ],
)
def test_points_that_have_no_pixel(point: Sequence[float], changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        project(point, pinhole(**changes))


def test_projection_into_a_region_of_interest() -> None:
    # By the whole sensor of 640 x 480: 320 + 500 * 0.1 = 370 and 240 + 500 * 0.05 = 265; it begins at (200, 100).
    info = pinhole(
        k=[500.0, 0.0, 320.0, 0.0, 500.0, 240.0, 0.0, 0.0, 1.0],
        roi=RegionOfInterest(x_offset=200, y_offset=100, width=320, height=240),
    )
    assert project((0.1, 0.05, 1.0), info, image_size=(240, 320)) == pytest.approx((170, 165))
    assert project((0.1, 0.05, 1.0), info, image_size=(120, 160)) == pytest.approx((85, 82.5))
    info.binning_x, info.binning_y = 2, 1
    assert project((0.1, 0.05, 1.0), info, image_size=(240, 160)) == pytest.approx((85, 165))


@pytest.mark.parametrize('size', [(640, 480), (480, 480), (360, 640)])
def test_an_image_of_another_shape_than_the_calibration_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f'the image of {size[1]} x {size[0]} is no scaled one of 640 x 480'):
        project((0.0, 0.0, 1.0), pinhole(), image_size=size)


@pytest.mark.parametrize('model', ['none', '', 'plumb_bob', 'rational_polynomial', 'equidistant', 'fisheye'])
def test_a_model_without_coefficients(model: str) -> None:
    pixel = project((0.5, -0.25, 2.0), pinhole(distortion_model=model, d=[]))
    length = np.hypot(0.25, 0.125)
    shrunk = np.arctan(length) / length if model in ('equidistant', 'fisheye') else 1.0
    assert pixel == pytest.approx((319.5 + 80 * shrunk, 239.5 - 40 * shrunk))


def test_without_k_the_projection_matrix_serves() -> None:
    assert project((0.5, -0.25, 2.0), pinhole(k=[0.0] * 9)) == pytest.approx((399.5, 199.5))


@pytest.mark.parametrize('model', ['plumb_bob', 'equidistant'])
def test_skewed_pixels(model: str) -> None:
    straight = project((0.5, -0.25, 2.0), pinhole(distortion_model=model, d=[]))
    skewed = pinhole(distortion_model=model, d=[], k=[320.0, 32.0, 319.5, 0.0, 320.0, 239.5, 0.0, 0.0, 1.0])
    assert project((0.5, -0.25, 2.0), skewed) == pytest.approx((straight[0] + (straight[1] - 239.5) / 10, straight[1]))


@given(st.floats(-0.9, 0.9), st.floats(-0.7, 0.7), st.lists(st.floats(-0.05, 0.05), min_size=4, max_size=4))
def test_fisheye_projection_is_that_of_opencv(x: float, y: float, d: list[float]) -> None:
    info = pinhole(distortion_model='equidistant', d=d)
    expected, _ = cv2.fisheye.projectPoints(
        np.array([[[x, y, 1.0]]]), np.zeros(3), np.zeros(3), np.array(info.k).reshape(3, 3), np.array(d)
    )
    assert project((x, y, 1.0), info) == pytest.approx(tuple(expected.reshape(2)), abs=1e-6)


def test_rotation_by_a_quaternion() -> None:
    quarter_turn_about_z = (0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5))
    assert rotate(np.array((1.0, 0.0, 3.0)), quarter_turn_about_z) == pytest.approx((0.0, 1.0, 3.0))
