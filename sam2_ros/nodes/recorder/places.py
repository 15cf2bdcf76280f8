"""A table of objects in space, row by row."""

from __future__ import annotations

import csv
from pathlib import Path

from sam2_ros.live.stamps import NANOSECONDS, stamp_nanoseconds
from sam2_ros.msg import Object3DArray

COLUMNS = (
    'stamp', 'frame', 'object', 'measured', 'x', 'y', 'z', 'vx', 'vy', 'vz', 'size_x', 'size_y', 'size_z', 'sigma',
)  # fmt: skip
FILE = 'objects_3d.csv'


class PlacesTable:
    """Writes one row for each object whose place is known. Metres and metres per second; sigma is of the position."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError if the file cannot be written."""
        # line buffered: rows stay if the process is killed
        self._file = (folder / FILE).open('w', newline='', buffering=1)
        self._rows = csv.writer(self._file)
        self._rows.writerow(COLUMNS)

    def take(self, message: Object3DArray) -> None:
        """Add the objects of an image. Raises OSError if the file cannot be written."""
        stamp_ns = stamp_nanoseconds(message.header.stamp)
        for found in message.objects:
            if not found.has_pose:
                continue
            position, speed, size = found.pose.pose.position, found.twist.twist.linear, found.size
            variances = found.pose.covariance[[0, 7, 14]]
            numbers = [getattr(part, axis) for part in (position, speed, size) for axis in 'xyz']
            self._rows.writerow(
                (
                    f'{stamp_ns // NANOSECONDS}.{stamp_ns % NANOSECONDS:09d}',
                    message.header.frame_id,
                    found.object_id,
                    int(found.measured),
                    *(f'{number:.4f}' for number in [*numbers, float(variances.sum()) ** 0.5]),
                )
            )

    def close(self) -> None:
        self._file.close()
