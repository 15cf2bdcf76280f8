"""The official video predictor beside ours: the same prompts, and logits that must be the same."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sam2.sam2_video_predictor import SAM2VideoPredictor
from torch import Tensor

from sam2_ros.model import VARIANTS
from sam2_ros.model.normalization import normalize
from sam2_ros.tracking import Prompt
from sam2_ros.tracking.preprocessing import shrink
from tests.common import MICRO
from tests.official import load_official, official_video_predictor, official_video_state
from tests.remembering import remembering

LOGIT_TOLERANCE = 1e-3  # of the range of the clip's logits: the largest difference in a frame
MIN_IOU = 0.9999  # of each object, over all masks of the clip
# In a single frame of less than 10 000 pixels that IoU would mean equality to the pixel, but some may lie so close to 0
# that they are rounded the other way.
MAX_DIFFERENT_PIXELS = 1
# of the range; a given mask is -10 and 10 at low resolution, and halfway between them its logit is 0 but for rounding
TIE = 1e-5
Logits = dict[tuple[int, str], np.ndarray]  # (H, W) by frame and object


def official_predictor(state_dict: Mapping[str, Tensor], *, image_size: int) -> SAM2VideoPredictor:
    """The official predictor of the micro variant, in which corrections stay. It encodes each picture once."""
    predictor = official_video_predictor(
        VARIANTS[MICRO],
        image_size=image_size,
        binarize_mask_from_pts_for_mem_enc=True,
        add_all_frames_to_correct_as_cond=True,
    )
    load_official(predictor, state_dict)
    predictor.forward_image = remembering(predictor.forward_image)
    # Memories are stored in bfloat16. Pointers make float32 of them where there are any; a frame that reads only later
    # prompted frames has none, and then the official code fails unless it runs under autocast.
    predictor.memory_attention.register_forward_pre_hook(
        lambda _, __, inputs: ((), {**inputs, 'memory': inputs['memory'].float()}), with_kwargs=True
    )
    return predictor


def official_state(predictor: SAM2VideoPredictor, images: Sequence[np.ndarray]) -> Any:
    """The state of a video of (H, W, 3) images, shrunk as we do it."""
    pixels = [shrink(image, predictor.image_size, 'bicubic') for image in images]
    network_inputs = torch.stack([normalize(one.float() / 255) for one in pixels])
    return official_video_state(predictor, network_inputs, video_size=images[0].shape[:2])


def add_prompt(predictor: SAM2VideoPredictor, state: Any, frame: int, prompt: Prompt) -> np.ndarray:
    """Give a prompt; the logits (H, W) of its object on that frame."""
    if prompt.mask is not None:
        _, ids, logits = predictor.add_new_mask(state, frame, prompt.object_id, prompt.mask)
    else:
        clicks = {'points': prompt.points, 'labels': prompt.labels} if len(prompt.points) else {}
        _, ids, logits = predictor.add_new_points_or_box(state, frame, prompt.object_id, box=prompt.box, **clicks)
    return logits[list(ids).index(prompt.object_id), 0].numpy()


def compare(ours: Logits, official: Logits, *, tie: float = TIE) -> None:
    """Logits and masks are the same; pixels whose official logit is below `tie` of the range may be in either mask."""
    assert set(ours) == set(official)
    scale = max(np.abs(logits).max() for logits in official.values() if logits.max() > -1024)
    both, either = defaultdict(int), defaultdict(int)
    for (frame, object_id), expected in official.items():
        logits = ours[frame, object_id]
        assert np.abs(logits - expected).max() <= LOGIT_TOLERANCE * scale, f'{object_id} in frame {frame}'
        sure = np.abs(expected) > tie * scale
        shared = ((logits > 0) & (expected > 0) & sure).sum()
        together = (((logits > 0) | (expected > 0)) & sure).sum()
        assert together - shared <= MAX_DIFFERENT_PIXELS, f'{object_id} in frame {frame}'
        both[object_id] += shared
        either[object_id] += together
    for object_id in either:
        assert either[object_id] > 0, f'{object_id} is never seen: nothing was compared'
        assert both[object_id] / either[object_id] >= MIN_IOU
