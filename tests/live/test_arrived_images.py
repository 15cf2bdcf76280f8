"""The images that are kept for prompts on past images."""

from builtin_interfaces.msg import Time
from hypothesis import given
from hypothesis import strategies as st
from sam2_ros.msg import TrackedObject
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam2_ros.live.arrived_images import ArrivedImage, ArrivedImages, ImageStatus
from sam2_ros.live.stamps import NANOSECONDS

SECOND = NANOSECONDS


def arrived(
    seconds: float, *, size: int = 10, status: ImageStatus = ImageStatus.TRACKED, frame_index: int = -1
) -> ArrivedImage:
    stamp = Time(sec=int(seconds), nanosec=round(seconds % 1 * SECOND))
    message = Image(header=Header(stamp=stamp), data=bytes(size))
    return ArrivedImage(message, time=seconds, status=status, frame_index=frame_index)


def ring_of(*images: ArrivedImage, max_images: int = 100, max_bytes: int = 10_000) -> ArrivedImages:
    ring = ArrivedImages()
    for image in images:
        ring.add(image, max_images=max_images, max_bytes=max_bytes)
    return ring


def test_the_ring_finds_skipped_images_too() -> None:
    skipped = arrived(5.1, status=ImageStatus.SKIPPED)
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
    first, second = arrived(1.0, frame_index=0), arrived(2.0, status=ImageStatus.SKIPPED)
    third, fourth = arrived(3.0, status=ImageStatus.SKIPPED), arrived(4.0, frame_index=1)
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
    assert ring.newest() is image and ring.newest_tracked() is None and image.status is ImageStatus.SKIPPED


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
    old, shown, at_work = arrived(1.0), arrived(2.0), arrived(3.0, status=ImageStatus.WAITING)
    ring = ring_of(old, shown, at_work, max_images=3)
    for number in range(10):
        ring.add(arrived(4.0 + number, status=ImageStatus.SKIPPED), max_images=3, max_bytes=10_000)
    assert ring.images()[:2] == [shown, at_work] and len(ring) == 3
    at_work.status = ImageStatus.TRACKED
    ring.add(arrived(20.0, status=ImageStatus.WAITING), max_images=3, max_bytes=10_000)
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
