"""A frame without prompts as one function of tensors: from the image to the masks of all objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from torch import Tensor

from sam2_ros.model import ImageFeatures, MaskDecoding, Network
from sam2_ros.model.config import NUM_SPATIAL_SLOTS
from sam2_ros.tracking.arriving import ArrivingMasks, DescribeMasks
from sam2_ros.tracking.decoding import FrameDecoding, decode_unprompted
from sam2_ros.tracking.frame_encoder import EncodedImage, encode_pixels
from sam2_ros.tracking.graphs import Runner, Tensors
from sam2_ros.tracking.memory_bank import MemoryPolicy, MemorySelection
from sam2_ros.tracking.memory_reads import ReadLayout, pack_reads
from sam2_ros.tracking.selection import MAX_CONDITIONING, MAX_POINTERS

USUAL_POINTERS = MAX_CONDITIONING + MAX_POINTERS  # places for them; doubled for a policy that reads more


@dataclass(frozen=True)
class TrackObjects:
    """Pixels (3, S, S) and what N objects read (see `pack_reads`) -> all of `MaskDecoding`, then the maps of
    `ImageFeatures` that this network has.

    Attributes:
        layout: of the reads.
        presence_threshold: see `CandidateRule`.
    """

    model: Network
    layout: ReadLayout
    presence_threshold: float

    def __call__(self, pixels: Tensor, spatial: Tensor, pointers: Tensor, numbers: Tensor) -> Tensors:
        features = encode_pixels(self.model, pixels)
        read = self.layout.unpack(spatial, pointers, numbers)
        conditioned = self.model.condition_on_memory(features.stride16, read)
        decoding = decode_unprompted(self.model, features, conditioned, self.presence_threshold)
        return (*_tensors(decoding), *_tensors(features))


def _tensors(record: MaskDecoding | ImageFeatures) -> Tensors:
    found = (getattr(record, field.name) for field in fields(record))
    return tuple(one for one in found if one is not None)


class WholeFrame:
    """Tracks objects from their memories in a new image, in shapes that do not depend on what they remember."""

    def __init__(self, model: Network, policy: MemoryPolicy, runner: Runner) -> None:
        self._model = model
        self._runner = runner
        rule = policy.candidate_rule
        self._threshold = 0.0 if rule is None else rule.presence_threshold
        self._extents = None if rule is None else model.image_size

    def track(self, image: EncodedImage, size: tuple[int, int], reads: Sequence[MemorySelection]) -> FrameDecoding:
        """Decode N objects. The image is encoded on the way.

        Args:
            image: not encoded yet.
            size: (height, width) of the image in pixels.
            reads: what each of the objects reads of its memory.
        """
        count = len(reads)
        little = MemorySelection(reads[0].spatial[:1], ())  # for rows that nobody asked for
        reads = [*reads, *[little] * (self._runner.rows(count, most=count) - count)]
        layout = _fixed(ReadLayout.of(reads))
        function = TrackObjects(self._model, layout, self._threshold)
        found = self._runner.run(function, image.pixels, *pack_reads(reads, layout, self._model.device))
        parts = len(fields(MaskDecoding))
        network, (*fine, stride16) = MaskDecoding(*found[:parts]), found[parts:]
        stride4, stride8 = fine or (None, None)
        image.known = ImageFeatures(stride4, stride8, stride16)
        table, bits = self._runner.run(
            DescribeMasks(size, self._extents),
            network.candidate_logits, network.candidate_ious, network.chosen, network.object_score_logit,
        )  # fmt: skip
        arriving = ArrivingMasks.begin(table, bits, size=size, count=count)
        objects = MaskDecoding(*(getattr(network, field.name)[:count] for field in fields(network)))
        return FrameDecoding(objects, objects.mask_logits, arriving)


def _fixed(least: ReadLayout) -> ReadLayout:
    """A layout that also serves for the reads of other frames."""
    pointers = USUAL_POINTERS
    while pointers < least.pointers:
        pointers *= 2
    return ReadLayout(max(NUM_SPATIAL_SLOTS, least.memories), pointers, least.weighted, counted=True)
