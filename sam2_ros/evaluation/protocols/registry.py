"""All protocols by name, and which one fits which data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sam2_ros.evaluation.datasets.registry import DATASETS
from sam2_ros.evaluation.protocols.boxes import BoxTracking
from sam2_ros.evaluation.protocols.corrections import Corrections
from sam2_ros.evaluation.protocols.first_frame import FirstFrame
from sam2_ros.evaluation.protocols.interactive import OfflineInteractive, OnlineInteractive
from sam2_ros.evaluation.protocols.movers import Movers
from sam2_ros.evaluation.protocols.protocol import EvaluationProtocol
from sam2_ros.evaluation.protocols.semi_supervised import SemiSupervised
from sam2_ros.evaluation.protocols.vot_anchors import VotAnchors
from sam2_ros.evaluation.protocols.vots import Vots

PROTOCOL_NAMES = (
    'semi-supervised', 'online', 'offline', 'boxes', 'vots', 'anchors', 'first-frame', 'corrections', 'movers',
)  # fmt: skip
_AS_BOXES = ('didi',)  # whose truth is boxes


def make_protocol(dataset: str, name: str = '', *, prompts: Sequence[str] = ()) -> EvaluationProtocol:
    """The protocol of a name for a data set.

    Args:
        dataset: a key of `DATASETS`.
        name: of `PROTOCOL_NAMES`; the usual one of the data set if empty.
        prompts: of `FIRST_PROMPTS`, for those that have a choice; if empty the usual one.

    Raises:
        ValueError: if the protocol is not made for the data set, or has no choice of prompts.
    """
    entry = DATASETS[dataset]
    name = name or entry.protocols[0]
    if name not in entry.protocols:
        raise ValueError(f'{entry.title} has no protocol {name!r}; accepted are {", ".join(entry.protocols)}')
    if name == 'first-frame':
        return FirstFrame(tuple(prompts)) if prompts else FirstFrame()
    if name == 'semi-supervised':
        if len(prompts) > 1:
            raise ValueError(f'semi-supervised has one kind of prompt, not {" ".join(prompts)}')
        return SemiSupervised(prompts[0]) if prompts else SemiSupervised()
    if prompts:
        raise ValueError(f'--prompt is for the protocols semi-supervised and first-frame; {name} has its own prompts')
    made: dict[str, Callable[[], EvaluationProtocol]] = {
        'online': OnlineInteractive,
        'offline': OfflineInteractive,
        'boxes': lambda: BoxTracking(dataset),
        'vots': lambda: Vots(as_boxes=dataset in _AS_BOXES),
        'anchors': VotAnchors,
        'corrections': Corrections,
        'movers': Movers,
    }
    return made[name]()
