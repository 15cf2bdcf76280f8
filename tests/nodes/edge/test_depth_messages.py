"""Depth images and clouds as arrays: padded rows, byte orders, field types, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import Image, PointCloud2, PointField
from std_msgs.msg import Header

from sam2_ros.nodes.edge import depth_messages
from sam2_ros.nodes.edge.depth_messages import cloud_points, depth_image, depth_pixels, with_only
from sam2_ros.spatial.depth import DepthError


@pytest.mark.parametrize('encoding', ['16UC1', 'mono16', '32FC1'])
@pytest.mark.parametrize('order', ['<', '>'])
def test_padded_rows_and_byte_orders(encoding: str, order: str) -> None:
    values = np.arange(12).reshape(3, 4).astype(f'{order}{"f4" if encoding == "32FC1" else "u2"}')
    rows = b''.join(row.tobytes() + b'\xff' * 6 for row in values)[:-6]  # the last row is not padded
    step = values.itemsize * 4 + 6
    message = Image(height=3, width=4, encoding=encoding, step=step, data=rows, is_bigendian=order == '>')
    assert np.array_equal(depth_pixels(message, max_pixels=12), values)
    with pytest.raises(DepthError, match='accepted are 1 to 11'):
        depth_pixels(message, max_pixels=11)
    message.data = rows[:-1]
    with pytest.raises(DepthError, match='bytes in rows of'):
        depth_pixels(message, max_pixels=12)


@pytest.mark.parametrize('kind', ['u2', 'f4', '>u2'])
def test_there_and_back(kind: str) -> None:
    pixels = np.arange(6).reshape(2, 3).astype(kind)
    message = depth_image(pixels, header=Header(frame_id='depth'))
    assert (message.encoding, message.header.frame_id) == ('32FC1' if 'f' in kind else '16UC1', 'depth')
    assert np.array_equal(depth_pixels(message, max_pixels=6), pixels)


@pytest.mark.parametrize('kind', ['u2', 'f4'])
def test_with_only_some_pixels(kind: str) -> None:
    pixels = np.arange(1, 7).reshape(2, 3).astype(kind)
    places = np.array([1, 4])
    assert np.nan_to_num(with_only(pixels, places, keep=True)).tolist() == [[0, 2, 0], [0, 5, 0]]
    assert np.nan_to_num(with_only(pixels, places, keep=False)).tolist() == [[1, 0, 3], [4, 0, 6]]
    assert pixels.min() == 1  # the message stays as it was


def cloud(kind: str = '<f4', *, height: int = 1, names: tuple[str, ...] = ('x', 'y', 'z')) -> PointCloud2:
    rows = np.zeros((height, 6), [('pad', 'u1'), *((name, kind) for name in names)])
    for number, name in enumerate(names):
        rows[name] = np.arange(6) + 10 * number
    datatype = 8 if 'f8' in kind else 7
    fields = [PointField(name=name, offset=rows.dtype.fields[name][1], datatype=datatype, count=1) for name in names]
    return PointCloud2(
        height=height,
        width=6,
        fields=fields,
        point_step=rows.itemsize,
        row_step=6 * rows.itemsize,
        data=rows.tobytes(),
        is_bigendian='>' in kind,
    )


@pytest.mark.parametrize('kind', ['<f4', '>f4', '<f8'])
@pytest.mark.parametrize('height', [1, 3])
def test_clouds(kind: str, height: int) -> None:
    found = cloud_points(cloud(kind, height=height), max_points=100)
    assert found.dtype == np.float32 and found.shape == (6 * height, 3)
    assert found[1].tolist() == [1, 11, 21]


def test_an_empty_cloud() -> None:
    message = cloud()
    message.width, message.height, message.row_step, message.data = 0, 0, 0, b''
    assert cloud_points(message, max_points=100).shape == (0, 3)


@pytest.mark.parametrize(
    ('change', 'sentence'),
    [
        ({'fields': []}, 'it needs x, y and z'),
        ({'data': b'123'}, '3 bytes, but 6 points'),
        ({'point_step': 4}, 'points of 4 bytes'),
        ({'width': 10**6}, 'at most 100'),
    ],
)
def test_clouds_that_are_none(change: dict, sentence: str) -> None:
    message = cloud()
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(DepthError, match=sentence):
        cloud_points(message, max_points=100)


def test_the_reader_of_ros_gives_the_same_as_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where sensor_msgs_py is installed it is used."""
    real = pytest.importorskip('sensor_msgs_py.point_cloud2', reason='sensor_msgs_py is not on PyPI')
    found = []
    for reader in (None, real):
        monkeypatch.setattr(depth_messages, 'point_cloud2', reader)
        found.append(cloud_points(cloud(height=3), max_points=100))
    assert np.array_equal(*found)
