"""Image files, decoded only when they are whole."""

from __future__ import annotations

import cv2
import numpy as np

from sam2_ros.files.image_headers import is_truncated


def decode_image(data: bytes, flags: int) -> np.ndarray | None:
    """The pixels as `cv2.imdecode` gives them with these flags; None for bytes that are no whole image.

    cv2.imread would fill up a JPEG that is cut off, and so would some versions of imdecode.
    """
    if not data or is_truncated(data):
        return None
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # more pixels than OpenCV takes
        return None
