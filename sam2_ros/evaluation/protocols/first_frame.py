"""Clips with truth in every frame: each object is prompted in its first one, and all frames after it count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sam2_ros.evaluation.datasets.dataset import VideoSequence
from sam2_ros.evaluation.measures.scores import AUC, MEASURES, mean_figure, of_run, visibility_auc
from sam2_ros.evaluation.protocols.first_prompts import check_kind, track_all
from sam2_ros.evaluation.protocols.mask_scores import mask_scores
from sam2_ros.evaluation.protocols.protocol import Cost, SequenceScore, Track, TrackScore
from sam2_ros.evaluation.protocols.semi_supervised import CLICK_RULES, tracked_cost
from sam2_ros.model import Network
from sam2_ros.tracking import POLICY_NAMES, TrackerOptions


@dataclass(frozen=True)
class FirstFrame:
    """The protocol. Its tracks have the kinds of prompts as names of their runs.

    Attributes:
        prompts: of `FIRST_PROMPTS`; each object is tracked from each of them.

    Raises:
        ValueError: if there is no such kind of prompt, or one is named twice, which would be a correction.
    """

    prompts: tuple[str, ...] = ('box',)
    plotted: str = 'J'
    percent: bool = False
    memories: Sequence[str] = POLICY_NAMES

    def __post_init__(self) -> None:
        for prompt in self.prompts:
            check_kind(prompt)
        if len(set(self.prompts)) < len(self.prompts):
            raise ValueError(f'prompts must be named once each, not {" ".join(self.prompts)}')

    @property
    def name(self) -> str:
        return f'first-frame, {" ".join(self.prompts)}'

    @property
    def description(self) -> str:
        clicks = f'\n\n{CLICK_RULES.strip()}' if any('click' in prompt for prompt in self.prompts) else ''
        return f"""All objects of a clip are tracked together. Each is prompted in the first frame that shows it
and never corrected. All frames after that one are scored, also the last one, which DAVIS leaves out; an object that
none of them shows is left out. Masks of several objects may overlap, and the tracker does not know the length of the
video, as for a camera.{clicks}

J: intersection over union; 1 where the target is hidden and the mask is empty. "J visible": J over the frames that show
the target. F: contour accuracy as in DAVIS. R, robustness: of the frames that show the target, the share in which mask
and target overlap at all. AUC: area under the ROC curve of the object score against visibility over all frames;
"AUC of the hidden": the same for those objects alone that are hidden in some frames.

"per clip": all clips have the same weight, and figures of a clip are means over its objects. "per object": all objects
have the same weight. ± is the standard error over clips or objects; for AUC it is that of the jackknife. Objects of one
clip are no independent samples. A clip of another length is another film: compare only figures of clips with equally
many frames."""

    def cost(self, sequence: VideoSequence) -> Cost:
        return tracked_cost(sequence, budgets=len(self.prompts))

    def run(self, model: Network, memory: str, sequence: VideoSequence) -> list[Track]:
        prompts = {prompt: prompt for prompt in self.prompts}
        return track_all(model, memory, sequence, prompts=prompts, options=TrackerOptions())

    def score(self, sequence: VideoSequence, tracks: Sequence[Track]) -> list[TrackScore]:
        counted = {one.object_id: range(one.start + 1, len(sequence.frames)) for one in sequence.objects}
        scores = mask_scores(sequence, tracks, counted=counted)
        return [one for one in scores if np.any(one.series['visible'])]

    def figures(self, scores: Sequence[SequenceScore]) -> dict[str, float]:
        figures: dict[str, float] = {}
        for prompt in self.prompts:
            own = of_run(scores, prompt)
            figures |= {f'{name}, {prompt}': mean_figure(own, name).value for name in MEASURES}
            figures[f'{AUC}, {prompt}'] = visibility_auc(own).value
        return figures
