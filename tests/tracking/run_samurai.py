"""Runs the published code of SAMURAI and writes down what it decides, frame by frame, as JSON.

    PYTHONPATH=SAMURAI/sam2:. python tests/tracking/run_samurai.py scripted    > tests/tracking/data/samurai_traces.json
    PYTHONPATH=SAMURAI/sam2:. python tests/tracking/run_samurai.py clip FOLDER PROMPT [doubtful]

SAMURAI is a checkout of github.com/yangchris11/samurai; the traces were made with commit 76ba195. It brings a package
`sam2` of its own, which takes the place of the official one in this process. Its files stay as they are: the network is
built from our configuration, as for the comparisons with the official code.

`scripted` puts candidate masks, IoUs and object scores of a script in place of what the mask decoder says. So all that
SAMURAI adds is exercised, whatever the weights are. `clip` tracks a clip with the bundled weights, from a prompt of the
given kind. It writes the logits of each frame into a folder, and prints for each which frames were read and from how
many frames motion is known. With `doubtful`, predicted IoUs go through `Doubt`.
"""
# ruff: noqa: E402 - a package must be stood in for before SAMURAI is imported

import contextlib
import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

# SAMURAI only logs with it, and nothing else here needs it
sys.modules.setdefault('loguru', SimpleNamespace(logger=logging.getLogger('samurai')))  # type: ignore[arg-type]

from sam2_ros.evaluation.official import load_official, official_video_predictor
from sam2_ros.model import VARIANTS
from sam2_ros.model.checkpoints import load_state_dict
from tests.common import MICRO, REPOSITORY
from tests.official_video import add_prompt, official_state
from tests.tracking import samurai_script as script

SETTINGS = {  # of all its configurations but that of the large network
    'samurai_mode': True,
    'stable_frames_threshold': 15,
    'stable_ious_threshold': 0.3,
    'min_obj_score_logits': -1,
    'kf_score_weight': 0.25,
    'memory_bank_iou_threshold': 0.5,
    'memory_bank_obj_score_threshold': 0.0,
    'memory_bank_kf_score_threshold': 0.0,
}


def new_predictor(image_size: int) -> Any:
    with contextlib.redirect_stdout(sys.stderr):
        predictor = official_video_predictor(
            VARIANTS[MICRO], image_size=image_size, binarize_mask_from_pts_for_mem_enc=True, **SETTINGS
        )
    load_official(predictor, load_state_dict(REPOSITORY / f'sam2_ros/weights/{MICRO}.safetensors'))
    return predictor


class Watch:
    """Notes which frames memory attention reads: their features are found again in what the predictor has stored."""

    def __init__(self, predictor: Any, state: Any) -> None:
        self.state = state
        self.spatial: list[int] = []
        predictor.memory_attention.register_forward_pre_hook(self._look, with_kwargs=True)

    def _look(self, _module: Any, _args: Any, inputs: dict[str, Any]) -> None:
        memory = inputs['memory'][:, 0]
        pixels = inputs['curr'][0].shape[0]
        maps = memory[: len(memory) - inputs['num_obj_ptr_tokens']].split(pixels)
        kept = self.state['output_dict']
        known = {
            frame: out['maskmem_features'][0].flatten(1).T.float()
            for store in ('cond_frame_outputs', 'non_cond_frame_outputs')
            for frame, out in kept[store].items()
        }
        found = [[frame for frame, features in known.items() if torch.equal(features, one.float())] for one in maps]
        assert all(len(frames) == 1 for frames in found), found
        self.spatial = [frames[0] for frames in found]


def run_scripted(offers: list[script.Offer]) -> list[dict[str, Any]]:
    """What is decided where the decoder says what stands in the script; a box prompt is on frame 0."""
    predictor = new_predictor(script.IMAGE_SIZE)
    decode = predictor.sam_mask_decoder.forward
    frame = 0

    def scripted(**inputs: Any) -> tuple[Tensor, ...]:
        masks, ious, tokens, score = decode(**inputs)
        if not inputs['multimask_output']:
            return masks, ious, tokens, score
        offer = offers[frame]
        return offer.logits()[None], torch.tensor([offer.ious]), tokens, torch.tensor([[offer.score]])

    predictor.sam_mask_decoder.forward = scripted
    images = [np.full((60, 80, 3), 2 * number, np.uint8) for number in range(len(offers))]
    state = official_state(predictor, images)
    watch = Watch(predictor, state)
    predictor.add_new_points_or_box(state, 0, 'a', box=(10, 10, 30, 30))
    predictor.propagate_in_video_preflight(state)
    trace = []
    for frame in range(1, len(offers)):
        for _ in predictor.propagate_in_video(state, frame, 0):
            pass
        out = state['output_dict']['non_cond_frame_outputs'][frame]
        motion = out['kf_score']
        trace.append(
            {
                'ious': offers[frame].ious,
                'score': offers[frame].score,
                'boxes': offers[frame].boxes,
                'chosen': offers[frame].ious.index(round(float(out['best_iou_score']), 6)),
                'motion': None if motion is None else round(float(motion), 6),
                'stable_frames': predictor.stable_frames,
                'mean': [round(float(value), 4) for value in predictor.kf_mean[:4]],
                'reads': watch.spatial,
            }
        )
    return trace


def run_clip(folder: Path, kind: str, *, doubtful: bool) -> None:
    images, prompt = script.clip(kind)
    predictor = new_predictor(script.CLIP_SIZE)
    decode, doubt = predictor.sam_mask_decoder.forward, script.Doubt(0)

    def decode_in_doubt(**inputs: Any) -> tuple[Tensor, ...]:
        masks, ious, tokens, score = decode(**inputs)
        return masks, doubt(ious) if inputs['multimask_output'] else ious, tokens, score

    if doubtful:
        predictor.sam_mask_decoder.forward = decode_in_doubt
    state = official_state(predictor, images)
    watch = Watch(predictor, state)
    add_prompt(predictor, state, 0, prompt)
    seen = []
    for frame, _, logits in predictor.propagate_in_video(state):
        np.save(folder / f'{frame}.npy', logits[0, 0].numpy())
        if frame:
            seen.append([watch.spatial, predictor.stable_frames])
    print(json.dumps(seen))


if __name__ == '__main__':
    if sys.argv[1] == 'scripted':
        traces = [run_scripted(script.offers(seed)) for seed in script.SEEDS]
        print('[\n' + ',\n'.join('[\n' + ',\n'.join(map(json.dumps, trace)) + '\n]' for trace in traces) + '\n]')
    else:
        run_clip(Path(sys.argv[2]), sys.argv[3], doubtful='doubtful' in sys.argv)
