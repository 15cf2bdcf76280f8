"""All protocols by name, and which one fits which data set."""

from __future__ import annotations

from sam2_ros.evaluation.datasets.registry import DATASETS
from sam2_ros.evaluation.protocols.boxes import BoxTracking
from sam2_ros.evaluation.protocols.first_prompts import FIRST_PROMPTS
from sam2_ros.evaluation.protocols.interactive import OfflineInteractive, OnlineInteractive
from sam2_ros.evaluation.protocols.protocol import EvaluationProtocol
from sam2_ros.evaluation.protocols.semi_supervised import SemiSupervised
from sam2_ros.evaluation.protocols.vot_anchors import VotAnchors
from sam2_ros.evaluation.protocols.vots import Vots

PROTOCOL_NAMES = ('semi-supervised', 'online', 'offline', 'boxes', 'vots', 'anchors')
_AS_BOXES = ('didi',)  # whose truth is boxes


def make_protocol(dataset: str, name: str = '', *, prompt: str = '') -> EvaluationProtocol:
    """The protocol of a name for a data set.

    Args:
        dataset: a key of `DATASETS`.
        name: of `PROTOCOL_NAMES`; the usual one of the data set if empty.
        prompt: of `FIRST_PROMPTS`, for the semi-supervised one; a mask if empty.

    Raises:
        ValueError: if the protocol is not made for the data set, or has no choice of prompts.
    """
    entry = DATASETS[dataset]
    name = name or entry.protocols[0]
    if name not in entry.protocols:
        raise ValueError(f'{entry.title} has no protocol {name!r}; accepted are {", ".join(entry.protocols)}')
    if name == 'semi-supervised':
        return SemiSupervised(prompt or FIRST_PROMPTS[0])
    if prompt:
        raise ValueError(f'--prompt is for the protocol semi-supervised; {name} has its own prompts')
    if name == 'online':
        return OnlineInteractive()
    if name == 'offline':
        return OfflineInteractive()
    if name == 'boxes':
        return BoxTracking(dataset)
    return Vots(as_boxes=dataset in _AS_BOXES) if name == 'vots' else VotAnchors()
