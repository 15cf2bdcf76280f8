"""Streaming SAM 2.1 video tracking with a distractor-aware memory, as a library and as ROS 2 nodes."""

import pkgutil

# A source tree hides the installed package of the same name, which holds the generated messages: this finds
# sam2_ros.msg and sam2_ros.srv there too.
__path__ = pkgutil.extend_path(__path__, __name__)
