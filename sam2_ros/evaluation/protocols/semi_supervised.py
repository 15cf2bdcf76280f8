"""Semi-supervised video object segmentation: every object is prompted in its first frame and never corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sam2_ros.evaluation.datasets.dataset import VideoSequence
from sam2_ros.evaluation.protocols.first_prompts import check_kind, track_all
from sam2_ros.evaluation.protocols.mask_scores import DEFINITIONS, mask_figures, mask_scores, tracks_with_names
from sam2_ros.evaluation.protocols.protocol import (
    Cost,
    SequenceScore,
    Track,
    TrackScore,
    tracker_options,
)
from sam2_ros.model import Network
from sam2_ros.tracking import POLICY_NAMES


@dataclass(frozen=True)
class SemiSupervised:
    """The protocol.

    Attributes:
        prompt: of `FIRST_PROMPTS`.

    Raises:
        ValueError: if there is no such prompt.
    """

    prompt: str = 'mask'
    plotted: str = 'J'
    percent: bool = True
    memories: Sequence[str] = POLICY_NAMES

    def __post_init__(self) -> None:
        check_kind(self.prompt)

    @property
    def name(self) -> str:
        return f'semi-supervised, {self.prompt}'

    @property
    def description(self) -> str:
        return (
            f'Every object is prompted with its {self.prompt} in the first frame that shows it, also if that is not '
            f'the first of the video, and never corrected. {CLICK_RULES if "click" in self.prompt else ""}'
            f'In data sets whose label images hold one object for a pixel, so do the predictions.\n\n{DEFINITIONS}'
        )

    def cost(self, sequence: VideoSequence) -> Cost:
        return tracked_cost(sequence)

    def run(self, model: Network, memory: str, sequence: VideoSequence) -> list[Track]:
        options = tracker_options(sequence, memory)
        return track_all(model, memory, sequence, prompts={'': self.prompt}, options=options)

    def score(self, sequence: VideoSequence, tracks: Sequence[Track]) -> list[TrackScore]:
        return mask_scores(sequence, tracks)

    def figures(self, scores: Sequence[SequenceScore]) -> dict[str, float]:
        return mask_figures(*tracks_with_names(scores))


CLICK_RULES = """The first click is the pixel that lies deepest inside the object; each further one is in the middle of
the larger error, positive where the object was missed and negative where something else was taken, of equally large
ones the negative. All clicks of a frame are given together. Where nothing is wrong, no further click is given. """


def tracked_cost(sequence: VideoSequence, *, passes: int = 1, budgets: int = 1) -> Cost:
    """What it costs to track all objects from their starts to the end.

    Args:
        sequence: the video.
        passes: how often, with all images encoded anew.
        budgets: how many versions of each object are tracked side by side.
    """
    length = len(sequence.frames)
    images = length - min(one.start for one in sequence.objects)
    return Cost(passes * images, passes * budgets * sum(length - one.start for one in sequence.objects))
