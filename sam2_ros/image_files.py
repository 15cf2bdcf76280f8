"""What the bytes of an image file say before they are decoded. Needs neither ROS nor OpenCV."""

from __future__ import annotations

_JPEG_BEGIN, _JPEG_END, _JPEG_SCAN = b'\xff\xd8\xff', b'\xff\xd9', 0xda
_NO_LENGTH = (0x01, *range(0xd0, 0xd8))  # JPEG markers that stand alone


def is_truncated(data: bytes) -> bool:
    """Whether the end of a JPEG file is missing, which decoders fill up with grey. False for other formats.

    Padding after the end does no harm, and the end of a preview in the head is not taken for that of the picture.
    """
    data = bytes(data)
    if not data.startswith(_JPEG_BEGIN):
        return False
    at = 2
    while at + 4 <= len(data):
        marker = data[at + 1]
        if marker == _JPEG_SCAN:  # from here on, 0xff in the picture is never followed by 0xd9
            return data.find(_JPEG_END, at) < 0
        if marker == 0xff:  # fill
            at += 1
        else:
            at += 2 if marker in _NO_LENGTH else 2 + int.from_bytes(data[at + 2:at + 4], 'big')
    return True
