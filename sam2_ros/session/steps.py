"""What the network does in a session: decode a prompt, or track objects on a frame, and remember what comes out."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sam2_ros.model import Network
from sam2_ros.session.features import FeatureCache
from sam2_ros.session.masklet import FrameRecord, Masklet
from sam2_ros.session.options import SessionOptions
from sam2_ros.session.spill import SpillStore
from sam2_ros.tracking.decoding import FrameDecoding, ObjectDecoder
from sam2_ros.tracking.memory_bank import EntryKind, MemorySelection
from sam2_ros.tracking.memory_writes import encode_entries, to_host
from sam2_ros.tracking.policies import Sam2Memory
from sam2_ros.tracking.prompt import Prompt


class MaskletSteps:
    """Makes records of frames. Changes no masklet.

    Args:
        model: the network.
        features: the encoded frames.
        store: takes masks and memories.
        options: of the session.
        video_length: in frames; at least 2, because the codes of pointers are distances divided by the length less 1.
    """

    def __init__(
        self, model: Network, features: FeatureCache, store: SpillStore, options: SessionOptions, *, video_length: int
    ) -> None:
        self._model = model
        self._features = features
        self._store = store
        self._options = options
        self._video_length = video_length
        self._decoder = ObjectDecoder(model, Sam2Memory(), options)

    @torch.inference_mode()
    def prompt(self, masklet: Masklet, frame_index: int, prompt: Prompt) -> FrameRecord:
        """Decode a prompt on a frame; on top of the mask and memory that the object has there, unless it says anew.

        Raises:
            ValueError: if the prompt does not fit the frame, or says nothing of where the object is.
        """
        features, size = self._features.get(frame_index)
        prompt.check_fits(*size)
        known, committed = masklet.at(frame_index), masklet.records.get(frame_index)
        if not (masklet.prompts or masklet.records):
            prompt.check_starts_object()
        elif known is None and prompt.only_refines and not (prompt.labels == 1).any():
            raise ValueError(
                f'{prompt.object_id!r} has no mask on frame {frame_index} that negative points could refine; give a '
                'positive point, a box or a mask, or propagate there first'
            )
        reverse = None if committed is None or not masklet.conditioning else committed.reverse
        before = masklet.prompts.get(frame_index, (None,))[-1]
        anew = self._options.clear_on_correction and prompt.says_anew(before)
        decoding = self._decoder.refine(
            features,
            size,
            prompt,
            read=None if reverse is None or anew else self._read(masklet, frame_index, reverse=reverse),
            previous=None if known is None or anew else known.kept.load()[0][None],
        )
        kind = EntryKind.PROMPT if reverse is None else EntryKind.CORRECTION
        return self._records(frame_index, decoding, [None], kind=kind, reverse=reverse)[0]

    @torch.inference_mode()
    def track(self, masklets: Sequence[Masklet], frame_index: int, *, reverse: bool) -> list[FrameRecord]:
        """Track objects on a frame, as a batch.

        Args:
            masklets: N >= 1 objects, each with a prompted frame.
            frame_index: the frame.
            reverse: backwards.
        """
        features, size = self._features.get(frame_index)
        reads = [self._read(masklet, frame_index, reverse=reverse) for masklet in masklets]
        decoding = self._decoder.decode(features, size, reads=reads, prompts=[()] * len(reads))
        before = [masklet.records.get(frame_index + (1 if reverse else -1)) for masklet in masklets]
        return self._records(frame_index, decoding, before, kind=EntryKind.RECENT, reverse=reverse)

    def _records(
        self,
        frame_index: int,
        decoding: FrameDecoding,
        before: Sequence[FrameRecord | None],
        *,
        kind: EntryKind,
        reverse: bool | None,
    ) -> list[FrameRecord]:
        """Make records of N objects on a frame, and keep their masks and memories.

        Args:
            frame_index: the frame.
            decoding: of the N objects.
            before: their records on the frame passed before, from which hidden frames are counted.
            kind: of all records.
            reverse: the direction in which the frame was passed; None = not passed.
        """
        features, size = self._features.get(frame_index)
        entries = encode_entries(
            self._model,
            features,
            decoding,
            kinds=[kind] * len(before),
            frame_indices=[frame_index] * len(before),
            binarize=self._options.binarize_prompt_memory,
        )
        conditioning = kind is EntryKind.PROMPT or (kind is EntryKind.CORRECTION and self._options.keep_corrections)
        records = []
        for row, (numbers, entry, last) in enumerate(zip(to_host(decoding, size), entries, before, strict=True)):
            assert entry is not None and entry.features is not None, 'every kind is encoded'
            records.append(
                FrameRecord(
                    kept=self._store.keep((decoding.logits[row].clone(), entry.features, entry.pointer)),
                    size=size,
                    kind=kind,
                    conditioning=conditioning,
                    remembered=True,
                    reverse=reverse,
                    object_score_logit=numbers.object_score_logit,
                    predicted_iou=numbers.predicted_iou,
                    hidden_frames=0 if numbers.area else 1 + (last.hidden_frames if last else 0),
                )
            )
        return records

    def _read(self, masklet: Masklet, frame_index: int, *, reverse: bool) -> MemorySelection:
        return masklet.read(
            frame_index,
            reverse=reverse,
            max_conditioning=self._options.max_conditioning,
            video_length=self._video_length,
        )
