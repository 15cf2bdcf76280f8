"""Decodes image files, but only if they are complete."""

from __future__ import annotations

import cv2
import numpy as np

from sam2_ros.files.image_headers import is_truncated


def decode_image(data: bytes, flags: int) -> np.ndarray | None:
    """The pixels as `cv2.imdecode` returns them; None if the bytes are not a complete image.

    cv2.imread, and imdecode in some versions, would fill the missing part of a truncated JPEG with grey.

    Args:
        data: the content of the file.
        flags: of `cv2.imdecode`.
    """
    if not data or is_truncated(data):
        return None
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # more pixels than OpenCV accepts
        return None
