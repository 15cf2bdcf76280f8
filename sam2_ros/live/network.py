"""The network and the tracker that the settings ask for, with a sentence for everything that can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from sam2_ros.live.settings import Settings
from sam2_ros.model import Sam2Network, build_sam2
from sam2_ros.model.build import bundled_weights
from sam2_ros.model.device import AUTO, choose_device, choose_dtype
from sam2_ros.tracking import Prompt, TrackerOptions, VideoTracker

DOWNLOAD = 'python -m sam2_ros.tools.download_weights'
WARM_UP_OBJECTS = (1, 2, 3, 4)  # for more, graphs are made when they come
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
            f'{name} has no bundled weights; get the published ones with: {DOWNLOAD} {name}  and set the '
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
        graphs=settings['graphs'] == AUTO,
        lost_after_seconds=settings['lost_after'],
        max_hole_area=settings['max_hole_area'],
        max_speck_area=settings['max_speck_area'],
        non_overlap=settings['non_overlap'],
        ring_frames=settings['ring_images'],
        ring_bytes=int(settings['ring_megabytes'] * MEGABYTE),
    )
    tracker = VideoTracker(model, settings['memory'], options=options)
    _warm_up(tracker, model.image_size, most=settings['max_objects'], run=run)
    tracker.reset()
    return tracker


def _warm_up(tracker: VideoTracker, size: int, *, most: int, run: Callable[[Callable[[], object]], object]) -> None:
    """Track something. Where frames run as graphs, those of several numbers of objects are made now."""
    y, x = np.indices((size, size))
    picture = np.stack([x, y, x ^ y], axis=2).astype(np.uint8)
    corners = [(column * size / 8, row * size / 4) for row in range(2) for column in range(4)]
    prompts = [Prompt(f'{number}', box=(x, y, x + size / 2, y + size / 2)) for number, (x, y) in enumerate(corners)]
    counts = [count for count in WARM_UP_OBJECTS if count <= most] if tracker.graphs else WARM_UP_OBJECTS[:1]
    known = 0
    for count in counts:
        run(partial(tracker.step, picture, prompts[known:count]))
        for _ in range(WARM_UP_FRAMES - 1 if known == 0 else 1):
            run(partial(tracker.step, picture))
        known = count


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
