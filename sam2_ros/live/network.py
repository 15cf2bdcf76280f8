"""The network and the tracker that the settings ask for, with a sentence for everything that can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from sam2_ros.live.settings import Settings
from sam2_ros.model import Sam2Network, build_sam2
from sam2_ros.model.build import bundled_weights
from sam2_ros.model.device import choose_device, choose_dtype
from sam2_ros.tracking import Prompt, TrackerOptions, VideoTracker

DOWNLOAD = 'python -m sam2_ros.tools.download_weights'
WARM_UP_FRAMES = 3  # the first is prompted, the second reads one memory, from the third on pointers of several frames
MEGABYTE = 1e6
NETWORK_SETTINGS = ('model', 'checkpoint', 'device', 'dtype', 'image_size', 'cpu_threads')
USUAL_THREADS = torch.get_num_threads()  # what cpu_threads = 0 means


def load_network(settings: Settings) -> Sam2Network:
    """Build the network and load its weights, as NETWORK_SETTINGS say.

    Raises:
        ValueError, OSError, RuntimeError: with the reason, as a sentence.
    """
    name, checkpoint = settings['model'], settings['checkpoint']
    if not checkpoint and bundled_weights(name) is None:
        raise ValueError(
            f'{name} has no bundled weights; get those of Meta with: {DOWNLOAD} {name}  and set the '
            'parameter checkpoint to the file'
        )
    device = choose_device(settings['device'])
    torch.set_num_threads(settings['cpu_threads'] or USUAL_THREADS)
    return build_sam2(
        name,
        checkpoint or None,
        device=device,
        dtype=choose_dtype(settings['dtype'], device),
        image_size=settings['image_size'] or None,
    )


def _at_once(work: Callable[[], object]) -> object:
    return work()


def make_tracker(
    model: Sam2Network, settings: Settings, *, run: Callable[[Callable[[], object]], object] = _at_once
) -> VideoTracker:
    """A tracker that has run for some frames, so that the first image does not pay for what happens only once.

    Args:
        run: carries out the work on each of these frames: `InferenceThread.call` where the network is shared.
    """
    options = TrackerOptions(
        clear_on_correction=settings['clear_on_correction'],
        lost_after_seconds=settings['lost_after'],
        max_hole_area=settings['max_hole_area'],
        max_speck_area=settings['max_speck_area'],
        non_overlap=settings['non_overlap'],
        ring_frames=settings['ring_images'],
        ring_bytes=int(settings['ring_megabytes'] * MEGABYTE),
    )
    tracker = VideoTracker(model, settings['memory'], options=options)
    black = np.zeros((model.image_size, model.image_size, 3), np.uint8)
    middle = [model.image_size / 4, model.image_size / 4, model.image_size / 2, model.image_size / 2]
    prompt = Prompt('warm-up', box=middle)
    for prompts in [[prompt], *[[]] * (WARM_UP_FRAMES - 1)]:
        run(partial(tracker.step, black, prompts))
    tracker.reset()
    return tracker


def device_works(device: str) -> bool:
    """Whether the device still computes. After a fault of a GPU nothing does, in this process."""
    try:
        return bool(torch.ones(1, device=device).add(1).item() == 2)
    except RuntimeError:
        return False


def describe(settings: Settings, model: Sam2Network) -> str:
    """One line about what runs. For the bundled weights it names the way to better ones."""
    dtype = str(model.dtype).removeprefix('torch.')
    kind = f'{settings["model"]} at {model.image_size} pixels, {dtype} on {model.device}'
    if settings['checkpoint']:
        return f'{kind}, weights of {settings["checkpoint"]}'
    return (
        f'{kind}, bundled weights: small and quick, for trying out. Those of Meta are far better: '
        f'{DOWNLOAD} sam2.1_hiera_small, then set the parameters model and checkpoint'
    )
