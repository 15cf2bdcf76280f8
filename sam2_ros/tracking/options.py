"""What a caller may set on a tracker, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from sam2_ros.tracking.checks import check_flag, check_number, check_whole
from sam2_ros.tracking.preprocessing import RESIZERS

MEBIBYTE = 2**20


@dataclass(frozen=True, kw_only=True)
class MaskOptions:
    """How images become masks: what `TrackerOptions` and `SessionOptions` both have.

    Attributes:
        resize: how images are brought to the network's size.
            'bicubic' is the method of the official video predictor, and the fastest here. It is not the same to the bit
            (see `preprocessing.resize_bicubic`). With the bundled network, logits moved by 0.2 % of their range, and
            masks had an IoU of 0.998 or more over a clip; in single frames small objects had less (1 pixel of 20).
            'pillow' is the official method to the bit, for comparisons. It is many times slower and needs Pillow.
            'bilinear' is the method of the official image predictor and of DAM4SAM.
        binarize_prompt_memory: masks of prompted frames and anchors enter the memory encoder as 0 or 1, not as
            probabilities. On in the official video predictor and in DAM4SAM, off for the published VOS numbers.
        max_hole_area: holes of at most this many pixels are filled; 0 = none. These are pixels of the low-resolution
            mask (a quarter of the network's image size). The official video predictor fills holes of 8 where its CUDA
            extension is built. DAM4SAM asks for 8, but its code discards the result.
        max_speck_area: components of at most this many of these pixels are removed; 0 = none.
        non_overlap: every pixel belongs only to the object with the highest logit. Mask, box, area and state follow
            from that: an object that loses all its pixels is OCCLUDED, without a box. Memories do not change. The
            tracker does this for stepped frames only.
        lost_after_frames: an object hidden for more frames than this is LOST.
    """

    resize: str = 'bicubic'
    binarize_prompt_memory: bool = True
    max_hole_area: int = 0
    max_speck_area: int = 0
    non_overlap: bool = False
    lost_after_frames: int = 30

    def __post_init__(self) -> None:
        if self.resize not in RESIZERS:
            raise ValueError(f'resize must be one of {sorted(RESIZERS)}, not {self.resize!r}')
        if self.resize == 'pillow' and find_spec('PIL') is None:
            raise ValueError("resize 'pillow' needs Pillow, which is not installed: pip install pillow")
        for name in ('binarize_prompt_memory', 'non_overlap'):
            check_flag(name, getattr(self, name))
        for name in ('max_hole_area', 'max_speck_area', 'lost_after_frames'):
            check_whole(name, getattr(self, name), least=0)


@dataclass(frozen=True, kw_only=True)
class TrackerOptions(MaskOptions):
    """Options of `VideoTracker`, beside those of `MaskOptions`; the defaults suit a live camera.

    Attributes:
        clear_on_correction: a correction removes what was remembered of the object, because that was wrong. Points
            refine the object: they are decoded on top of the old mask, and recent memories and pointers are removed. A
            box or a mask starts the object again, without its old mask and memory. The official predictor keeps
            memories, and decodes a box on top of the old mask, so the object mostly stays where it was.
        graphs: on a GPU, frames without prompts run as CUDA graphs, which is several times faster for small networks.
            The first frame with another image size or a larger number of objects then takes a moment.
        video_length: number of frames of the video; None if it is not known. The official predictor scales the temporal
            code of object pointers with it, up to 16. For None, see the memory policies in `policies`.
        lost_after_seconds: `lost_after_frames` in seconds, for `step` calls that give a time; None = always by frames.
        ring_frames, ring_bytes: limits of the ring of recent images, which is how far back a prompt may reach. The
            newest frame is always kept. Bytes count images and mask prompts (one byte per pixel). Images are kept
            at the network's size (192 KiB at 256 pixels, 3 MiB at 1024), on the network's device if that is a GPU. In
            addition, every object keeps a spatial memory for each image in the ring, on the network's device (512 KiB
            at 1024 pixels). A catch-up keeps its images beyond these limits: at most `2 * ring_frames` still to
            process, and `ring_frames + 1` processed.
    """

    clear_on_correction: bool = True
    graphs: bool = True
    video_length: int | None = None
    lost_after_seconds: float | None = None
    ring_frames: int = 32
    ring_bytes: int = 256 * MEBIBYTE

    def __post_init__(self) -> None:
        super().__post_init__()
        check_flag('clear_on_correction', self.clear_on_correction)
        check_flag('graphs', self.graphs)
        check_whole('ring_frames', self.ring_frames, least=1)
        check_whole('ring_bytes', self.ring_bytes, least=0)
        if self.video_length is not None:
            check_whole('video_length, in frames,', self.video_length, least=2)
        if self.lost_after_seconds is not None:
            check_number('lost_after_seconds', self.lost_after_seconds, least=0)
