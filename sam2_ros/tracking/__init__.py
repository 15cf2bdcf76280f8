"""The streaming engine: prompts in, masks out, for hours; knows nothing of ROS."""

from sam2_ros.tracking.catch_up import CatchUp, advance_together
from sam2_ros.tracking.distractor import DamSettings
from sam2_ros.tracking.errors import FrameNotKeptError, UnknownObjectError
from sam2_ros.tracking.memory_bank import MemoryPolicy
from sam2_ros.tracking.options import TrackerOptions
from sam2_ros.tracking.policies import POLICY_NAMES, make_policy
from sam2_ros.tracking.prompt import Prompt
from sam2_ros.tracking.result import FrameResult, MemoryEvent, ObjectResult, ObjectState
from sam2_ros.tracking.tracker import VideoTracker

__all__ = [
    'POLICY_NAMES',
    'CatchUp',
    'DamSettings',
    'FrameNotKeptError',
    'FrameResult',
    'MemoryEvent',
    'MemoryPolicy',
    'ObjectResult',
    'ObjectState',
    'Prompt',
    'TrackerOptions',
    'UnknownObjectError',
    'VideoTracker',
    'advance_together',
    'make_policy',
]
