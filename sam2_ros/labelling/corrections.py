"""What a person says of the masklets of a video, in a JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam2_ros.files.json_files import read_json
from sam2_ros.files.masks import read_mask
from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.tracking.prompt import Prompt

KEEP, DROP, EDIT = 'keep', 'drop', 'edit'
VERDICTS = (KEEP, DROP, EDIT)
FIELDS = ('video', 'object', 'frame', 'clicks', 'box', 'mask', 'verdict', 'class')
ACCEPTED = (
    'accepted is {"corrections": [{"object": 3, "verdict": "drop"}, {"object": 5, "frame": 40, "clicks": [[x, y, 1], '
    '[x, y, 0]]}, ...]}'
)


@dataclass(frozen=True)
class Correction:
    """One thing a person says of one object.

    Attributes:
        object: its number. One that is not known starts a new object.
        prompt: where it is on `frame`; None if the correction is a verdict or a class alone.
        frame: index of the frame of the prompt.
        verdict: 'keep', 'drop' or 'edit'; None leaves it as it is, dropped or not.
        class_name: None leaves it as it is.
        entry: as it was in the file, with the mask itself in the place of its file; two equal ones say the same.
    """

    object: int
    prompt: Prompt | None
    frame: int
    verdict: str | None
    class_name: str | None
    entry: Mapping[str, Any]


def read_corrections(path: Path, videos: Mapping[str, tuple[int, int]]) -> dict[str, list[Correction]]:
    """The corrections in a file, by video, in the order of the file.

    Args:
        path: of the file. Files of masks that it names start from its folder.
        videos: (height, width) of each video that may be corrected, by its name.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if a correction cannot be understood. The message says which, and what is accepted.
    """
    listed = read_json(path).get('corrections')
    if not isinstance(listed, list):
        raise ValueError(f'{path} has no list of corrections; {ACCEPTED}')
    found: dict[str, list[Correction]] = {name: [] for name in videos}
    for place, entry in enumerate(listed, start=1):
        try:
            name = _video_of(entry, videos)
            found[name].append(_correction(entry, videos[name], folder=path.parent))
        except (ValueError, TypeError) as error:
            raise ValueError(f'{path}, correction {place}: {error}') from error
    return found


def _video_of(entry: Any, videos: Mapping[str, tuple[int, int]]) -> str:
    if not isinstance(entry, dict):
        raise ValueError(f'it is {entry!r}; {ACCEPTED}')
    unknown = [name for name in entry if name not in FIELDS]
    if unknown:
        raise ValueError(f'it has the unknown field {unknown[0]!r}; accepted are {", ".join(FIELDS)}')
    name = entry.get('video', next(iter(videos)) if len(videos) == 1 else None)
    if not isinstance(name, str) or name not in videos:
        raise ValueError(f'its video is {name!r}; it must be one of {", ".join(videos)}')
    return name


def _correction(entry: dict[str, Any], size: tuple[int, int], *, folder: Path) -> Correction:
    number, frame, class_name = entry.get('object'), entry.get('frame'), entry.get('class')
    if type(number) is not int or number < 1:
        raise ValueError(f'its object is {number!r}; it must be the number of an object, from 1 on')
    prompt, mask = _prompt(entry, folder=folder)
    verdict = entry.get('verdict', EDIT if prompt is not None else None)
    if verdict is None and class_name is None:
        raise ValueError(f'it says nothing: give clicks, a box, a mask, a class or a verdict ({", ".join(VERDICTS)})')
    if verdict not in (*VERDICTS, None):
        raise ValueError(f'its verdict is {verdict!r}; it must be one of {", ".join(VERDICTS)}')
    if class_name is not None and not isinstance(class_name, str):
        raise ValueError(f'its class is {class_name!r}; it must be a text')
    if verdict == EDIT and prompt is None:
        raise ValueError('the verdict edit needs clicks, a box or a mask')
    if verdict == DROP and prompt is not None:
        raise ValueError('an object that is dropped cannot be edited, too')
    if prompt is None:
        frame = 0
    elif type(frame) is not int or frame < 0:
        raise ValueError(f'its frame is {frame!r}; prompts need the index of a frame, from 0 on')
    else:
        prompt.check_fits(*size)
    kept = {name: value for name, value in entry.items() if name != 'video'} | mask
    return Correction(number, prompt, frame, verdict, class_name, kept)


def _prompt(entry: dict[str, Any], *, folder: Path) -> tuple[Prompt | None, dict[str, Any]]:
    """The prompt of a correction, and the mask as it is to be remembered."""
    clicks, box, mask = entry.get('clicks'), entry.get('box'), entry.get('mask')
    if clicks is None and box is None and mask is None:
        return None, {}
    if not all(isinstance(click, list) and len(click) == 3 for click in clicks or ()):
        raise ValueError(f'its clicks are {clicks!r}; each must be [x, y, 1] on the object or [x, y, 0] beside it')
    pixels = None
    if isinstance(mask, str):
        pixels = read_mask(folder / mask)
    elif mask is not None:
        pixels = RunLengths.from_coco(mask).mask()
    prompt = Prompt(
        str(entry['object']),
        points=[click[:2] for click in clicks or ()],
        labels=[click[2] for click in clicks or ()],
        box=box,
        mask=pixels,
    )
    return prompt, {} if pixels is None else {'mask': RunLengths.of(pixels).to_coco()}
