"""What a caller may set on a session, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sam2_ros.tracking.checks import check_flag, check_whole
from sam2_ros.tracking.options import MEBIBYTE, MaskOptions


@dataclass(frozen=True, kw_only=True)
class SessionOptions(MaskOptions):
    """Options of `VideoSession`, beside those of `MaskOptions`.

    With `max_conditioning=None` and `clear_on_correction=False`, a session computes what the official video predictor
    does with `add_all_frames_to_correct_as_cond=True`; with `keep_corrections=False` as well, what it does by default.

    Attributes:
        max_conditioning: most prompted frames of an object that a frame reads: the nearest before it, the nearest after
            it, then the nearest others, of two equally near ones the earlier. None = all. Official name:
            `max_cond_frames_in_attn`, by default all; then time and memory per frame grow with every prompted frame.
            The default here is the number of prompted frames in the published interactive protocol. The official code
            takes, of two equally near ones, that which was prompted first.
        keep_corrections: a frame that is prompted after it was tracked becomes a prompted frame like any other.
            Official name: `add_all_frames_to_correct_as_cond`, by default off; then a correction is shown once, and the
            next propagation tracks that frame again as if it had not been given.
        clear_on_correction: a prompt on a tracked frame, or taking one back, removes what was remembered of the 15
            tracked frames on either side, because that was wrong; masks stay. And a box or a mask on a known frame is
            decoded without the old mask and memory. The official predictor keeps memories and decodes a box on top of
            the old mask, so the object mostly stays where it was. Its own `clear_non_cond_mem_around_input` raises an
            error in the released code.
        memory_bytes: most bytes of masks and memories that are held on the network's device. Beyond it, those not used
            for the longest time go to a file. `VideoSession.bytes_per_frame` says how much a frame takes.
        spill_folder: where that file is made; None = the folder for temporary files. It should lie on a disk; in some
            systems the default lies in memory. The file has no name, and is gone when the session ends, however it
            ends.
        features_bytes: most bytes of encoded images that are held on the network's device; at least one image is.
        undo_steps: how many changes `undo` can take back. What a later propagation replaced is kept as long.
    """

    max_conditioning: int | None = 8
    keep_corrections: bool = True
    clear_on_correction: bool = True
    memory_bytes: int = 1024 * MEBIBYTE
    spill_folder: str | Path | None = None
    features_bytes: int = 256 * MEBIBYTE
    undo_steps: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ('keep_corrections', 'clear_on_correction'):
            check_flag(name, getattr(self, name))
        for name in ('memory_bytes', 'features_bytes', 'undo_steps'):
            check_whole(name, getattr(self, name), least=0)
        if self.max_conditioning is not None:
            check_whole('max_conditioning', self.max_conditioning, least=2)
        if self.spill_folder is not None and not Path(self.spill_folder).is_dir():
            raise ValueError(f'spill_folder must be an existing folder, not {str(self.spill_folder)!r}')
