"""Results of an evaluation on disk: tracks and scores of every video and memory, beside what made them."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sam2_ros.evaluation.claim import claim_folder
from sam2_ros.evaluation.protocols.protocol import SequenceScore, Track, TrackScore
from sam2_ros.files.json_files import read_json
from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.files.writing import write_whole

TRACKS, SCORES = 'tracks', 'scores'


@dataclass(frozen=True)
class ResultStore:
    """A folder of results that were made with one configuration. Its files are whole or not there.

    Attributes:
        folder: of the evaluation.
        scoring: fingerprint of what makes scores of tracks; other scores do not count.
    """

    folder: Path
    scoring: str

    @classmethod
    def open(cls, folder: Path, config: dict[str, Any], *, scoring: str, overwrite: bool = False) -> ResultStore:
        """Open or make the folder.

        Args:
            folder: is made if need be.
            config: everything that decides what is tracked, except memory and video; JSON values.
            scoring: fingerprint of the code that makes scores of tracks.
            overwrite: delete what was made with another configuration.

        Raises:
            ConfigMismatchError: (a ValueError) if it holds results of another configuration, and `overwrite` is not
                set.
        """
        claim_folder(folder, config, kept=f'{TRACKS}/**/*.npz', overwrite=overwrite)
        made_by = json.dumps([scoring, config], sort_keys=True)
        return cls(folder, hashlib.sha256(made_by.encode()).hexdigest())

    def has_tracks(self, memory: str, name: str) -> bool:
        return self._file(TRACKS, memory, name).is_file()

    def save_tracks(self, memory: str, name: str, tracks: list[Track], *, seconds: float) -> None:
        """Keep the tracks of a video, and how long it took to make them."""
        arrays: dict[str, np.ndarray] = {'seconds': np.array(seconds)}
        for number, track in enumerate(tracks):
            counts = [mask.counts for mask in track.masks]
            arrays |= {
                f'{number} name': np.array([track.object_id, track.run]),
                f'{number} frames': np.array(track.frames, np.int64),
                f'{number} size': np.array(track.masks[0].size),
                f'{number} lengths': np.array([len(one) for one in counts], np.int64),
                f'{number} counts': np.concatenate(counts),
                f'{number} score': track.object_score,
            }
        stream = io.BytesIO()
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
        write_whole(self._file(TRACKS, memory, name), stream.getvalue())

    def tracks(self, memory: str, name: str) -> list[Track]:
        """The tracks of a video.

        Raises:
            FileNotFoundError: if there are none.
        """
        tracks = []
        with np.load(self._file(TRACKS, memory, name)) as stored:
            for number in range((len(stored.files) - 1) // 6):
                own = {field: stored[f'{number} {field}'] for field in ('name', 'frames', 'size', 'lengths', 'counts')}
                size = tuple(own['size'].tolist())
                parts = np.split(own['counts'], np.cumsum(own['lengths'])[:-1])
                masks = tuple(RunLengths.from_counts((size[0], size[1]), part) for part in parts)
                object_id, run = own['name'].tolist()
                tracks.append(Track(object_id, run, tuple(own['frames'].tolist()), masks, stored[f'{number} score']))
        return tracks

    def seconds(self, memory: str, name: str) -> float:
        """How long it took to make the tracks of a video."""
        with np.load(self._file(TRACKS, memory, name)) as stored:
            return float(stored['seconds'])

    def has_score(self, memory: str, name: str) -> bool:
        file = self._file(SCORES, memory, name)
        return file.is_file() and read_json(file).get('scoring') == self.scoring

    def save_score(self, memory: str, score: SequenceScore) -> None:
        tree = {
            'scoring': self.scoring,
            'name': score.name,
            'size': score.size,
            'length': score.length,
            'tracks': [
                {
                    'object_id': track.object_id,
                    'run': track.run,
                    'frames': track.frames,
                    'attributes': dict(track.attributes),
                    'series': {name: values.tolist() for name, values in track.series.items()},
                }
                for track in score.tracks
            ],
        }
        write_whole(self._file(SCORES, memory, score.name), json.dumps(tree).encode())

    def score(self, memory: str, name: str) -> SequenceScore:
        """The scores of a video.

        Raises:
            OSError: if there are none.
        """
        tree = read_json(self._file(SCORES, memory, name))
        tracks = tuple(
            TrackScore(
                one['object_id'],
                one['run'],
                tuple(one['frames']),
                {series: np.array(values) for series, values in one['series'].items()},
                one['attributes'],
            )
            for one in tree['tracks']
        )
        height, width = tree['size']
        return SequenceScore(tree['name'], (height, width), tree['length'], tracks)

    def _file(self, kind: str, memory: str, name: str) -> Path:
        return file_of_video(self.folder / kind / memory, name, '.npz' if kind == TRACKS else '.json')


def file_of_video(folder: Path, name: str, suffix: str) -> Path:
    """The file of a video in a folder of results; its name may have slashes.

    Raises:
        ValueError: if the name leads out of the folder.
    """
    if name.startswith('/') or '..' in name.split('/'):
        raise ValueError(f'{name!r} cannot be the name of a video, because it would lead out of {folder}')
    return folder / f'{name}{suffix}'
