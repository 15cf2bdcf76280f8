"""Make the PyPI wheels of ROS 2 in this environment fit for building interfaces with CMake.

Run by the environment's own Python after every installation; running it again changes nothing.
"""

import re
import sys
import sysconfig
from pathlib import Path

import numpy as np

SYSTEM_PACKAGES = Path('/usr/lib/python3/dist-packages')


def link_ament_package(site_packages: Path) -> None:
    """`ament_package` is not on PyPI; the pure Python one of the distribution serves every interpreter."""
    link = site_packages / 'ament_package'
    if not link.exists():
        link.symlink_to(SYSTEM_PACKAGES / 'ament_package')


def correct_include_paths(prefix: Path) -> int:
    """Replace the include folders of the machine that built the wheels; returns the number of files changed."""
    folders = {
        r'/opt/python/[^/;"]+/lib/python[\d.]+/site-packages/numpy/(?:_core|core)/include': np.get_include(),
        r'/opt/python/[^/;"]+/include/python[\d.]+': sysconfig.get_path('include'),
    }
    changed = 0
    for file in prefix.glob('share/*/cmake/*.cmake'):
        text = corrected = file.read_text()
        for pattern, folder in folders.items():
            corrected = re.sub(pattern, folder.replace('\\', r'\\'), corrected)
        if corrected != text:
            file.write_text(corrected)
            changed += 1
    return changed


if __name__ == '__main__':
    link_ament_package(Path(sysconfig.get_path('purelib')))
    print(f'{correct_include_paths(Path(sys.prefix))} CMake files of the ROS wheels corrected')
