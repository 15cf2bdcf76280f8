"""Images as cameras send them, over the graph: what is tracked in them, what is dropped, and what is said of it."""

import struct
import time
import zlib
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from tests.nodes import tracker_scene as scene
from tests.nodes.graph import TIMEOUT, Client, graph
from tests.nodes.reference import mask_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def shared_compressed(micro_weights: Path) -> Iterator[Client]:
    with graph(micro_weights, image_transport='compressed') as client:
        yield client


@pytest.fixture
def compressed(shared_compressed: Client) -> Client:
    """A tracker of compressed images, without objects; its next images are stamped later than all before."""
    assert shared_compressed.call('reset', Trigger.Request()).success
    shared_compressed.begin += 1000
    return shared_compressed


def raw(client: Client, index: int, encoding: str, data: bytes, *, step: int = scene.WIDTH) -> Image:
    return Image(
        header=Header(stamp=client.stamp(index), frame_id='camera'),
        height=scene.HEIGHT,
        width=scene.WIDTH,
        encoding=encoding,
        step=step,
        data=array('B', data),
    )


def file(client: Client, index: int, data: bytes, format_: str = 'jpeg') -> CompressedImage:
    return CompressedImage(
        header=Header(stamp=client.stamp(index), frame_id='camera'), format=format_, data=array('B', data)
    )


def jpeg(picture: np.ndarray) -> bytes:
    return cv2.imencode('.jpg', picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


@contextmanager
def seen(client: Client) -> Iterator[Callable[[int], np.ndarray]]:
    """Gives the overlay of image `index`: what the network sees, as long as nothing is tracked; (H, W, 3) uint8."""
    topic = f'{client.tracker}/overlay'
    subscription = client.listen('overlay')
    client.wait_for(lambda: client.tracker_node.count_subscribers(topic), 'the tracker to draw')
    yield lambda index: np.frombuffer(client.output('overlay', client.stamp(index)).data, np.uint8).reshape(
        scene.HEIGHT, scene.WIDTH, 3
    )
    client.destroy_subscription(subscription)


def assert_red_is_found(client: Client, message_of: Callable[[int], Image | CompressedImage]) -> None:
    """Prompt the red disc in the first of four images; it is where it should be in the last."""
    for index in range(4):
        client.camera.publish(message_of(index))
        objects = client.output('objects', client.stamp(index))
        assert (objects.image_height, objects.image_width) == (scene.HEIGHT, scene.WIDTH)
        if index == 0:
            assert client.set_prompt('red', box=scene.box('red', 0)).success
    mask = mask_of(objects.objects[0])
    assert scene.overlap(mask, scene.disc('red', 3)) > 0.6


def thermal(index: int) -> np.ndarray:
    """The scene as a camera for heat sees it, a hundredth of a kelvin per count: 7000 to 9000."""
    return (7000 + scene.picture(index)[..., 0] * (2000 / 255)).round().astype('<u2')


def nv12(index: int) -> bytes:
    yuv = cv2.cvtColor(scene.picture(index), cv2.COLOR_RGB2YUV_I420)
    luma, u, v = np.split(yuv.ravel(), [scene.HEIGHT * scene.WIDTH, scene.HEIGHT * scene.WIDTH * 5 // 4])
    return luma.tobytes() + np.column_stack([u, v]).tobytes()


def test_planes_of_colour_are_tracked(tracker: Client) -> None:
    assert_red_is_found(tracker, lambda index: raw(tracker, index, 'nv12', nv12(index)))


@pytest.mark.parametrize('encoding', ['mono16', '16UC1'])
def test_thermal_images_are_tracked_and_seen(tracker: Client, encoding: str) -> None:
    with seen(tracker) as picture_of:
        assert_red_is_found(
            tracker, lambda index: raw(tracker, index, encoding, thermal(index).tobytes(), step=2 * scene.WIDTH)
        )
        assert np.ptp(picture_of(0)[..., 0]) > 200


def test_black_and_white_of_thermal_images_can_be_fixed(tracker: Client) -> None:
    for name, value in (('intensity_low', 7000), ('intensity_span', 1000)):
        assert tracker.set_parameter(name, value).successful
    with seen(tracker) as picture_of:
        tracker.camera.publish(raw(tracker, 0, 'mono16', thermal(0).tobytes(), step=2 * scene.WIDTH))
        shown = picture_of(0)
    assert tracker.set_parameter('intensity_span', 0).successful
    expected = np.clip((thermal(0) - 7000.0) * 255 / 1000, 0, 255)
    assert np.abs(shown - expected[..., None]).max() <= 1


def test_a_skipped_thermal_image_looks_like_those_that_were_tracked(tracker: Client) -> None:
    """It is converted when a prompt asks for it, long after the images around it."""

    def message(index: int) -> Image:
        return raw(tracker, index, 'mono16', thermal(index).tobytes(), step=2 * scene.WIDTH)

    tracker.camera.publish(message(0))
    tracker.output('objects', tracker.stamp(0))
    assert tracker.set_prompt('other', box=scene.box('blue', 0)).success  # so that the network has something to do
    skipped = tracker.counts()['skipped']
    with tracker.busy_network() as at_work:
        tracker.camera.publish(message(1))
        assert at_work.wait(TIMEOUT)
        for index in (2, 3):
            tracker.camera.publish(message(index))
        tracker.counted('skipped', skipped + 1)
    tracker.output('objects', tracker.stamp(3))
    answer = tracker.set_prompt('red', box=scene.box('red', 2), stamp=tracker.stamp(2))
    assert answer.success, answer.reason
    assert scene.overlap(mask_of(answer.object), scene.disc('red', 2)) > 0.6


def dropped(client: Client) -> list[str]:
    return [line.msg for line in client.received['log'] if 'an image is dropped' in line.msg]


@pytest.mark.parametrize(('encoding', 'name'), [('h264', 'a packet of a video'), ('rgb99', 'unknown')])
def test_what_nobody_can_read_is_said_once_and_no_prompt_finds_it(tracker: Client, encoding: str, name: str) -> None:
    """At 30 images a second it would fill the ring, and the log."""

    def send(indices: range) -> None:
        for index in indices:
            tracker.camera.publish(raw(tracker, index, encoding, bytes(5000)))
        tracker.counted('invalid', before + len(indices))

    before = tracker.counts()['invalid']
    send(range(9))
    assert name in tracker.log_line('an image is dropped')
    answer = tracker.set_prompt('red', box=scene.box('red', 4), stamp=tracker.stamp(4))
    assert not answer.success
    tracker.step(10)
    before += 9
    send(range(11, 14))
    tracker.wait_for(lambda: len(dropped(tracker)) >= 2, 'the second time it begins')
    tracker.step(14)
    assert len(dropped(tracker)) == 2, dropped(tracker)


def test_the_limit_on_pixels_can_be_set(tracker: Client) -> None:
    before = tracker.counts()['invalid']
    assert tracker.set_parameter('max_image_pixels', scene.HEIGHT * scene.WIDTH - 1).successful
    tracker.publish(0)
    tracker.counted('invalid', before + 1)
    assert '160 x 120 pixels' in tracker.log_line('an image is dropped: size')
    assert tracker.set_parameter('max_image_pixels', scene.HEIGHT * scene.WIDTH).successful
    tracker.step(1)


def black_png(side: int) -> bytes:
    """One bit a pixel, all of them 0."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))

    packer = zlib.compressobj(9)
    packed = b''.join(packer.compress(bytes(side // 8 + 1)) for _ in range(side)) + packer.flush()
    return (
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', struct.pack('>IIBBBBB', side, side, 1, 0, 0, 0, 0))
        + chunk(b'IDAT', packed)
        + chunk(b'IEND', b'')
    )


def test_a_small_file_of_a_huge_picture_holds_nothing_up(compressed: Client) -> None:
    """32000 x 32000 pixels: half a minute and gigabytes, if they were decoded."""
    message, before = file(compressed, 0, black_png(32000), 'png'), compressed.counts()['invalid']
    started = time.monotonic()
    compressed.camera.publish(message)
    compressed.step(1)
    assert time.monotonic() - started < 5.0
    compressed.counted('invalid', before + 1)
    assert '32000 x 32000 pixels' in compressed.log_line('size: ')


def test_a_file_that_is_cut_off_is_dropped(compressed: Client) -> None:
    before = compressed.counts()['invalid']
    compressed.camera.publish(file(compressed, 0, jpeg(scene.picture(0))[:-500]))
    compressed.counted('invalid', before + 1)
    assert compressed.log_line('a JPEG file that is cut off')


@pytest.mark.parametrize(('format_', 'sentence'), [('nv12', 'raw pixels belong into'), ('h264', 'packet of a video')])
def test_what_is_no_file_is_called_by_its_name(compressed: Client, format_: str, sentence: str) -> None:
    before = compressed.counts()['invalid']
    for index in range(3):
        compressed.camera.publish(file(compressed, index, bytes(5000), format_))
    compressed.counted('invalid', before + 3)
    assert compressed.log_line(sentence)


def test_a_picture_that_was_taken_upright_stays_as_it_is_stored(compressed: Client) -> None:
    """The EXIF orientation says that it is to be turned by 90 degrees; camera_info knows nothing of that."""
    exif = b'Exif\0\0' + struct.pack('<2sHIHHHIII', b'II', 42, 8, 1, 0x112, 3, 1, 6, 0)

    def message(index: int) -> CompressedImage:
        data = jpeg(scene.picture(index))
        return file(compressed, index, data[:2] + b'\xff\xe1' + struct.pack('>H', 2 + len(exif)) + exif + data[2:])

    assert_red_is_found(compressed, message)


def test_a_compressed_mosaic_is_seen_in_colour(compressed: Client) -> None:
    picture = scene.picture(0)
    mosaic = picture[..., 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = picture[::2, ::2, 0], picture[1::2, 1::2, 2]
    data = cv2.imencode('.png', mosaic)[1].tobytes()
    with seen(compressed) as picture_of:
        compressed.camera.publish(file(compressed, 0, data, 'bayer_rggb8; png compressed bayer_rggb8'))
        shown = picture_of(0).astype(int)
    x, y = (round(value) for value in scene.centre('red', 0))
    assert np.abs(shown[y, x] - picture[y, x]).max() <= 1
