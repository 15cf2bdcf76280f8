"""The files of a recording: overlay video, table of objects, summary."""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from sensor_msgs.msg import Image

from sam2_ros.drawing.overlay import ScoreStrip, draw_prompts
from sam2_ros.live.stamps import NANOSECONDS, stamp_nanoseconds
from sam2_ros.msg import TrackedObject, TrackedObjectArray
from sam2_ros.nodes.edge.decode_images import image_to_rgb
from sam2_ros.nodes.edge.messages import STATE_NAMES
from sam2_ros.tracking import Prompt
from sam2_ros.video.sink import VideoSink

MOST_WAITING = 50  # overlays that wait for their scores
CSV_COLUMNS = ('stamp', 'frame', 'id', 'state', 'object_score_logit', 'occlusion_probability', 'x0', 'y0', 'x1', 'y1')


class Recording:
    """The files of one recording, and what its summary counts."""

    def __init__(self, folder: Path, *, frame_rate: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.images = 0
        self.processed = 0
        self._folder = folder
        self._skipped = 0
        self._newest = {'image': 0, 'objects': 0, 'overlay': 0}  # stamps, nanoseconds
        self._latencies: list[float] = []  # seconds
        self._states: dict[str, Counter[str]] = {}
        self._labels: dict[str, int] = {}
        self._strip = ScoreStrip()
        # by stamp, in nanoseconds, until the overlay comes that they belong to ...
        self._scores: deque[tuple[int, dict[str, float]]] = deque()
        self._prompts: deque[tuple[int, Sequence[Prompt]]] = deque()
        self._overlays: deque[tuple[int, np.ndarray]] = deque()  # ... which waits for the scores
        self._files = ExitStack()
        self._video = self._files.enter_context(VideoSink(folder / 'overlay', frame_rate=frame_rate))
        # line buffered: rows stay if the process is killed
        self._table = csv.writer(self._files.enter_context((folder / 'objects.csv').open('w', newline='', buffering=1)))
        self._table.writerow(CSV_COLUMNS)

    @property
    def complete(self) -> bool:
        """Whether the newest image has come out of the tracker."""
        return self.images > 0 and len(set(self._newest.values())) == 1

    def take_image(self, stamp_ns: int) -> None:
        self.images += 1
        self._newest['image'] = stamp_ns

    def take_prompts(self, prompts: Sequence[Prompt], *, stamp_ns: int) -> None:
        """Prompts on the image of this stamp. They are drawn on its overlay, or on the next overlay there is."""
        for prompt in prompts:
            self._labels.setdefault(prompt.object_id, len(self._labels) + 1)
        self._prompts.append((stamp_ns, prompts))

    def take_objects(self, message: TrackedObjectArray, *, latency: float) -> None:
        """Add the objects of an image to the table.

        Args:
            latency: from the stamp of the image to the arrival of this message, in seconds.

        Raises:
            OSError: if the files cannot be written.
        """
        stamp_ns = stamp_nanoseconds(message.header.stamp)
        self.processed += 1
        self._newest['objects'] = stamp_ns
        self._skipped += message.frames_skipped
        self._latencies.append(latency)
        self._labels |= {tracked.object_id: tracked.label for tracked in message.objects}
        # an object that is catching up has no score of this image yet
        self._scores.append(
            (
                stamp_ns,
                {
                    tracked.object_id: tracked.object_score_logit
                    for tracked in message.objects
                    if tracked.state != TrackedObject.CATCHING_UP
                },
            )
        )
        for tracked in message.objects:
            state = STATE_NAMES[tracked.state]
            self._states.setdefault(tracked.object_id, Counter())[state] += 1
            box = [f'{edge:g}' for edge in tracked.box] if tracked.has_box else [''] * 4
            self._table.writerow(
                (
                    f'{stamp_ns // NANOSECONDS}.{stamp_ns % NANOSECONDS:09d}',
                    message.frame_index,
                    tracked.object_id,
                    state,
                    f'{tracked.object_score_logit:.4f}',
                    f'{tracked.occlusion_probability:.4f}',
                    *box,
                )
            )
        self._write_overlays(until=stamp_ns)

    def take_overlay(self, message: Image) -> None:
        """Add an overlay to the video.

        Raises:
            OSError: if the files cannot be written.
        """
        stamp_ns = stamp_nanoseconds(message.header.stamp)
        self._overlays.append((stamp_ns, image_to_rgb(message)))
        self._newest['overlay'] = stamp_ns
        # objects and overlays come in any order, and one of them may be lost
        longest_wait = self._overlays[-MOST_WAITING][0] if len(self._overlays) >= MOST_WAITING else 0
        self._write_overlays(until=max(self._newest['objects'], longest_wait))

    def _write_overlays(self, *, until: int) -> None:
        """Write the overlays up to this stamp, each with the scores up to its own."""
        while self._overlays and self._overlays[0][0] <= until:
            stamp_ns, rgb = self._overlays.popleft()
            while self._scores and self._scores[0][0] <= stamp_ns:
                self._strip.add(self._scores.popleft()[1])
            while self._prompts and self._prompts[0][0] <= stamp_ns:
                rgb = draw_prompts(rgb, self._prompts.popleft()[1], labels=self._labels)
            self._video.write(self._strip.draw_under(rgb, labels=self._labels))

    def close(self) -> str:
        """Close all files and write the summary.

        Returns:
            The summary, in Markdown.

        Raises:
            OSError: if a file could not be written as a whole.
        """
        p50, p95 = 1000 * np.percentile(self._latencies or [np.nan], (50, 95))
        lines = [
            '| images | |',
            '| --- | --- |',
            f'| published | {self.images} |',
            f'| processed | {self.processed} |',
            f'| skipped, because a newer one was there | {self._skipped} |',
            f'| missing for other reasons | {self.images - self.processed - self._skipped} |',
            f'| latency, median | {p50:.0f} ms |',
            f'| latency, 95th percentile | {p95:.0f} ms |',
            '',
            f'| images in which the object was | {" | ".join(STATE_NAMES.values())} |',
            '| --- ' * (1 + len(STATE_NAMES)) + '|',
        ]
        for object_id, counts in self._states.items():
            lines.append(f'| {object_id} | {" | ".join(str(counts[state]) for state in STATE_NAMES.values())} |')
        lines += ['', 'Latency: from the stamp of an image to the arrival of its objects in this process.']
        text = '\n'.join(lines) + '\n'
        try:
            self._write_overlays(until=self._newest['overlay'])
            (self._folder / 'summary.md').write_text(text)
        finally:
            self._files.close()
        return text
