"""Where the transport profile for large images is, for Fast DDS."""

from __future__ import annotations

import os
from pathlib import Path

from ament_index_python.packages import get_package_share_directory

# Fast DDS 2 and 3
VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


def large_image_environment() -> dict[str, str]:
    """Environment variables that let large best-effort images through. Those that are set already are left out.

    Raises:
        LookupError: if the ROS package sam2_ros is not built or not sourced.
    """
    profile = Path(get_package_share_directory('sam2_ros')) / 'config' / 'fastdds_large_images.xml'
    return {name: str(profile) for name in VARIABLES if name not in os.environ}
