"""Runs the official code of EdgeTAM and EfficientTAM with the random weights of `relatives.random_network`.

    python tests/model/run_relatives.py golden > tests/model/data/relatives.json
    python tests/model/run_relatives.py keys FOLDER
    python tests/model/run_relatives.py figures NAME FILE
    python tests/model/run_relatives.py clip NAME KIND FILE

EDGETAM_CODE and EFFICIENTTAM_CODE say where that code is (see `sam2_ros.evaluation.official`). The committed figures
were made with edgetam-dimos 1.0.1, timm 1.0.31 and commit abcd061 of EfficientTAM.

`golden` prints samples of what each part computes, `figures` writes all of it into an .npz file. `keys` writes the
names and shapes of all tensors of a variant into a file for each. `clip` tracks two objects from a prompt of the given
kind and writes the logits of each frame into an .npz file.
"""

import gzip
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch

if 'edgetam' in sys.argv:  # its package `sam2` must come before another of that name
    sys.path.insert(0, os.environ['EDGETAM_CODE'])

from sam2_ros.evaluation.official import load_official, official_base, official_video_predictor
from sam2_ros.model import VARIANTS
from tests.model import relatives


def figures(name: str) -> relatives.Figures:
    network = relatives.random_network(name)
    official = official_base(network.config, image_size=network.image_size, binarize_mask_from_pts_for_mem_enc=True)
    load_official(official.requires_grad_(False), network.state_dict())
    return relatives.official_figures(official, network)


def write_keys(folder: Path) -> None:
    """As in tests/data/sam2_keys. The counters of batch norms are left out."""
    for name in ('edgetam', 'efficienttam_s', 'efficienttam_ti'):  # the others have the same
        state_dict = official_base(VARIANTS[name]).state_dict()
        rows = [
            f'{key}\t{str(tensor.dtype).removeprefix("torch.")}\t{"x".join(map(str, tensor.shape))}'
            for key, tensor in state_dict.items()
            if not key.endswith('num_batches_tracked')
        ]
        text = '\n'.join(['# key\tdtype\tshape', *rows, ''])
        with open(folder / f'keys_{name}.txt.gz', 'wb') as file, gzip.GzipFile('', 'wb', 9, file, mtime=0) as packed:
            packed.write(text.encode())


def clip(name: str, kind: str, path: Path) -> None:
    from tests.official_video import add_prompt, official_state

    network, images, prompts = relatives.clip(name, kind)
    predictor = official_video_predictor(network.config, image_size=network.image_size)
    load_official(predictor.requires_grad_(False), network.state_dict())
    state = official_state(predictor, images)
    for prompt in prompts:
        add_prompt(predictor, state, 0, prompt)
    logits = {}
    for frame, ids, rows in predictor.propagate_in_video(state):
        logits |= {f'{frame} {one}': rows[row, 0].numpy() for row, one in enumerate(ids)}
    np.savez(path, **logits)


if __name__ == '__main__':
    with torch.inference_mode():
        match sys.argv[1:]:
            case ['golden']:
                rows = [f'"{name}": {json.dumps(relatives.sampled(figures(name)))}' for name in relatives.DIFFERENT]
                print('{\n' + ',\n'.join(rows) + '\n}')
            case ['keys', folder]:
                write_keys(Path(folder))
            case ['figures', name, path]:
                np.savez(path, **{key: tensor.numpy() for key, tensor in figures(name).items()})
            case ['clip', name, kind, path]:
                clip(name, kind, Path(path))
