"""A bag as a whole video: its images in any order, and what a session says about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import overload

import numpy as np
from rosbags.rosbag2 import Reader
from tqdm import tqdm

from sam2_ros.live.settings import Settings
from sam2_ros.live.stamps import NANOSECONDS
from sam2_ros.model import Network
from sam2_ros.nodes.bag.input import ImageTopic, messages_of
from sam2_ros.nodes.bag.track import BagReport, ImagePrompts, Stopped
from sam2_ros.nodes.edge.decode_images import ConversionError
from sam2_ros.session import SessionOptions, VideoSession, carry_prompts
from sam2_ros.tracking import FrameResult, Prompt


class BagFrames(Sequence[np.ndarray]):
    """The images of a bag that can be read: (H, W, 3) uint8 each, read again whenever it is asked for.

    Making it reads all images once, to know which can be read.

    Args:
        reader: of the bag; it must stay open.
        images: the images.

    Attributes:
        index_of: the place of an image among those that can be read, by its number among all.
        seconds: from the first image that can be read to the last.
    """

    def __init__(self, reader: Reader, images: ImageTopic) -> None:
        self._reader = reader
        self._images = images
        self._places: list[tuple[int, int]] = []  # when it was recorded, and the place among those of that moment
        self.index_of: dict[int, int] = {}
        moment, place = 0, 0
        for number, (_, recorded, raw) in enumerate(messages_of(reader, images.connections)):
            moment, place = (recorded, place + 1) if recorded == moment else (recorded, 0)
            try:
                images.read(raw)
            except ConversionError:
                continue  # told when the bag is written
            self.index_of[number] = len(self._places)
            self._places.append((recorded, place))
        self.seconds = (self._places[-1][0] - self._places[0][0]) / NANOSECONDS if self._places else 0.0

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> list[np.ndarray]: ...

    def __getitem__(self, index: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        recorded, place = self._places[index]
        messages = messages_of(self._reader, self._images.connections, start=recorded, stop=recorded + 1)
        raws = [raw for _, _, raw in messages]
        return self._images.read(raws[place])[1]


class WholeBag:
    """What a session says about the images of a bag. Use it in a `with` statement, or call `close`.

    Args:
        model: the network.
        frames: the images.
        settings: parameters of the tracker node.
        folder: for what does not fit into memory.
    """

    def __init__(self, model: Network, frames: BagFrames, settings: Settings, *, folder: Path) -> None:
        self._frames = frames
        options = SessionOptions(
            clear_on_correction=settings['clear_on_correction'],
            lost_after_frames=_frames_in(settings['lost_after'], frames),
            max_hole_area=settings['max_hole_area'],
            max_speck_area=settings['max_speck_area'],
            non_overlap=settings['non_overlap'],
            spill_folder=folder,
        )
        self._session = VideoSession(model, frames, options=options)

    def propagate(self, prompts: ImagePrompts, report: BagReport, *, stopped: Callable[[], bool]) -> None:
        """Carry the prompts through all images, in both directions. Those that do not fit are reported.

        Raises:
            Stopped: between two images, when `stopped` says so.
        """
        numbers = {index: number for number, index in self._frames.index_of.items()}
        by_frame = {index: prompts[number] for index, number in numbers.items() if number in prompts}

        def refused(frame: int, prompt: Prompt, error: ValueError) -> None:
            report.complaints.append(f'the prompt on image {numbers[frame]} is refused: {error}')

        for _ in tqdm(carry_prompts(self._session, by_frame, refused=refused), unit='image', desc='propagating'):
            if stopped():
                raise Stopped('stopped before all images were done')

    def result(self, number: int, rgb: np.ndarray, *, time: float) -> tuple[FrameResult, Sequence[Prompt]]:
        """The objects in image `number`, and the prompts that were given on it; see `ImageResults`."""
        frame = self._frames.index_of[number]
        session = self._session
        given = [prompt for name in session.object_ids for prompt in session.prompts(name).get(frame, ())]
        return session.result(frame), given

    def close(self) -> None:
        self._session.close()


def _frames_in(seconds: float, frames: BagFrames) -> int:
    """How many images come in this time, on average."""
    return round(seconds * (len(frames) - 1) / frames.seconds) if frames.seconds else len(frames)
