"""Image messages from numpy arrays. Does not import the tracker, so a camera node needs no torch."""

from __future__ import annotations

from array import array

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from sam2_ros.nodes.edge.decode_images import LAYOUTS, ConversionError


def array_to_image(pixels: np.ndarray, encoding: str, *, header: Header) -> Image:
    """A sensor_msgs/Image of `pixels`: (H, W) or (H, W, C), uint8 or uint16, as `encoding` says.

    Raises:
        ConversionError: if shape or type do not fit the encoding.
    """
    layout = LAYOUTS.get(encoding)
    if layout is None:
        raise ConversionError('encoding', f'{encoding!r} is unknown; accepted are {", ".join(LAYOUTS)}')
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    dtype = pixels.dtype.newbyteorder('=')
    if pixels.ndim not in (2, 3) or channels != layout.channels or dtype != np.dtype(layout.dtype):
        raise ConversionError(
            'pixels',
            f'{pixels.dtype} of shape {pixels.shape}, but {encoding} needs '
            f'{np.dtype(layout.dtype)} with {layout.channels} channels',
        )
    if not pixels.size:
        raise ConversionError('pixels', f'shape {pixels.shape}, but an image has at least one pixel')
    return Image(
        header=header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=pixels.shape[1] * channels * pixels.dtype.itemsize,
        data=byte_array(pixels.astype(np.dtype(layout.dtype).newbyteorder('<'), copy=False)),
    )


def byte_array(values: np.ndarray) -> array[int]:
    """A message takes an array.array as it is. It would check other bytes one by one: 0.2 s for an image of 720p."""
    data = array('B')
    data.frombytes(np.ascontiguousarray(values).data.cast('B'))
    return data


def rgb_to_compressed(rgb: np.ndarray, *, header: Header, jpeg_quality: int) -> CompressedImage:
    """A JPEG of `rgb`, (H, W, 3) uint8; `jpeg_quality` is 1 (small) to 100 (good)."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode('.jpg', bgr, (cv2.IMWRITE_JPEG_QUALITY, jpeg_quality))
    # As image_transport writes it: the pixels were rgb8, and OpenCV stores them as bgr8.
    return CompressedImage(header=header, format='rgb8; jpeg compressed bgr8', data=byte_array(encoded))


def camera_info(*, height: int, width: int, horizontal_fov: float, header: Header) -> CameraInfo:
    """A camera without distortion: square pixels, axis through the middle; `horizontal_fov` in radians."""
    focal = width / 2 / np.tan(horizontal_fov / 2)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2  # whole coordinates are the middle of a pixel
    return CameraInfo(
        header=header,
        height=height,
        width=width,
        distortion_model='plumb_bob',
        d=[0.0] * 5,
        k=[focal, 0.0, centre_x, 0.0, focal, centre_y, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[focal, 0.0, centre_x, 0.0, 0.0, focal, centre_y, 0.0, 0.0, 0.0, 1.0, 0.0],
    )
