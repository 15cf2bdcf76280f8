"""Messages for the tests of conversions."""

from __future__ import annotations

from array import array

import numpy as np
from builtin_interfaces.msg import Time
from hypothesis import strategies as st
from sensor_msgs.msg import Image
from std_msgs.msg import Header

HEADER = Header(stamp=Time(sec=12, nanosec=345), frame_id='camera')

# Bytes of a pixel; yuv422 and Bayer share colours between pixels, but not bytes.
PIXEL_BYTES = {
    'rgb8': 3,
    'bgr8': 3,
    '8UC3': 3,
    'rgba8': 4,
    'bgra8': 4,
    '8UC4': 4,
    'mono8': 1,
    '8UC1': 1,
    'mono16': 2,
    '16UC1': 2,
    'rgb16': 6,
    'bgr16': 6,
    'rgba16': 8,
    'bgra16': 8,
    'yuv422': 2,
    'uyvy': 2,
    'yuv422_yuy2': 2,
    'yuyv': 2,
    'bayer_rggb8': 1,
    'bayer_bggr8': 1,
    'bayer_gbrg8': 1,
    'bayer_grbg8': 1,
    'bayer_rggb16': 2,
    'bayer_bggr16': 2,
    'bayer_gbrg16': 2,
    'bayer_grbg16': 2,
}

PLANAR = ('nv12', 'nv21', 'nv16', 'nv61', 'nv24', 'nv42', 'i420', 'yuv420', 'yv12')  # colours in planes of their own


def image_message(rows: np.ndarray, encoding: str, *, padding: int = 0, big_endian: bool = False) -> Image:
    """An Image of `rows`, (height, bytes of a row) uint8, with `padding` bytes of rubbish behind every row."""
    height, row_bytes = rows.shape
    padded = np.full((height, row_bytes + padding), 0xA5, np.uint8)
    padded[:, :row_bytes] = rows
    return Image(
        header=HEADER,
        height=height,
        width=row_bytes // PIXEL_BYTES[encoding],
        encoding=encoding,
        step=row_bytes + padding,
        is_bigendian=big_endian,
        data=array('B', padded.tobytes()),
    )


@st.composite
def image_rows(draw: st.DrawFn, encoding: str) -> np.ndarray:
    """Random bytes of an image of 1 to 6 rows and 2, 4 or 6 columns."""
    height, width = draw(st.integers(1, 6)), 2 * draw(st.integers(1, 3))
    size = height * width * PIXEL_BYTES[encoding]
    return np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8).reshape(height, -1)
