"""The streaming engine: prompts in, masks out, for hours; knows nothing of ROS."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sam2_ros.tracking.catch_up import CatchUp, advance_together
    from sam2_ros.tracking.distractor import DamSettings
    from sam2_ros.tracking.errors import FrameNotKeptError, UnknownObjectError
    from sam2_ros.tracking.graphs import GraphRunner
    from sam2_ros.tracking.memory_bank import MemoryPolicy
    from sam2_ros.tracking.options import TrackerOptions
    from sam2_ros.tracking.policies import POLICY_NAMES, make_policy
    from sam2_ros.tracking.prompt import Prompt
    from sam2_ros.tracking.result import FrameResult, ObjectResult
    from sam2_ros.tracking.sam2long import PathwayRule, Sam2LongMemory
    from sam2_ros.tracking.samurai import MotionRule, SamuraiMemory
    from sam2_ros.tracking.states import MemoryEvent, ObjectState
    from sam2_ros.tracking.tracker import VideoTracker

_MODULES = {
    'POLICY_NAMES': 'policies',
    'CatchUp': 'catch_up',
    'DamSettings': 'distractor',
    'FrameNotKeptError': 'errors',
    'FrameResult': 'result',
    'GraphRunner': 'graphs',
    'MemoryEvent': 'states',
    'MemoryPolicy': 'memory_bank',
    'MotionRule': 'samurai',
    'ObjectResult': 'result',
    'ObjectState': 'states',
    'PathwayRule': 'sam2long',
    'Prompt': 'prompt',
    'Sam2LongMemory': 'sam2long',
    'SamuraiMemory': 'samurai',
    'TrackerOptions': 'options',
    'UnknownObjectError': 'errors',
    'VideoTracker': 'tracker',
    'advance_together': 'catch_up',
    'make_policy': 'policies',
}
__all__ = [
    'POLICY_NAMES',
    'CatchUp',
    'DamSettings',
    'FrameNotKeptError',
    'FrameResult',
    'GraphRunner',
    'MemoryEvent',
    'MemoryPolicy',
    'MotionRule',
    'ObjectResult',
    'ObjectState',
    'PathwayRule',
    'Prompt',
    'Sam2LongMemory',
    'SamuraiMemory',
    'TrackerOptions',
    'UnknownObjectError',
    'VideoTracker',
    'advance_together',
    'make_policy',
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for: a node that only prompts needs no torch (2 s and 200 MB)."""
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_MODULES[name]}'), name)


def __dir__() -> list[str]:
    return __all__
