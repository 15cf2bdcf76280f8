"""All that is known of one video while it is labelled: its objects, their prompts, and how far the work has come."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sam2_ros.files.json_files import read_json
from sam2_ros.files.run_lengths import RunLengths
from sam2_ros.files.writing import write_whole
from sam2_ros.masklets import AnnotatedVideo, Masklet
from sam2_ros.tracking.prompt import Prompt

FORMAT = 'sam2_ros labels 1'
OBJECT = 'object'  # what prompts call an object; who it is, its number says


# A prompt as it is kept: of a mask the run lengths, because a mask as an image takes a byte for each pixel.
KeptPrompt = Prompt | RunLengths


def _kept(prompt: KeptPrompt) -> KeptPrompt:
    if isinstance(prompt, RunLengths) or prompt.mask is None:
        return prompt
    return RunLengths.of(prompt.mask)


def as_prompt(kept: KeptPrompt) -> Prompt:
    """The prompt, for the object `OBJECT`."""
    return Prompt(OBJECT, mask=kept.mask()) if isinstance(kept, RunLengths) else replace(kept, object_id=OBJECT)


@dataclass(frozen=True)
class LabelledObject:
    """One object of a video.

    Attributes:
        masks: by frame; a frame that does not show it is not among them.
        stability: of the masks, 0 to 1, by frame.
        prompts: what says where it is, by frame; those of a frame in the order in which they were given. Prompts that
            are masks are kept as run lengths; `as_prompt` makes prompts of them.
        score: see `LabelOptions.least_score`; 1 for objects of a person.
        class_name: may be empty.
        checked: a person has kept or edited it.
        dropped: a person does not want it. It stays known, so that it is not found again.
        edited: frames that a person has prompted.
    """

    masks: Mapping[int, RunLengths] = field(default_factory=dict)
    stability: Mapping[int, float] = field(default_factory=dict)
    prompts: Mapping[int, tuple[KeptPrompt, ...]] = field(default_factory=dict)
    score: float = 1.0
    class_name: str = ''
    checked: bool = False
    dropped: bool = False
    edited: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        kept = {frame: tuple(map(_kept, given)) for frame, given in self.prompts.items()}
        object.__setattr__(self, 'prompts', kept)


@dataclass(frozen=True)
class Labels:
    """The state of one video, which a file holds. Values never change, so an older one is simply the older state.

    Attributes:
        name: of the video.
        size: (height, width) in pixels.
        frame_rate: frames per second.
        frame_count: of the video.
        settings: what it is labelled with; for the caller, who compares them.
        objects: by number, from 1 on. Numbers are never given again.
        numbered: how many numbers were given.
        next_look: the frame on which new objects are looked for next.
        waiting: masks that were found on the frame looked at last, and are not tracked yet.
        applied: the corrections that were applied, as in the file they came from.
    """

    name: str
    size: tuple[int, int]
    frame_rate: float
    frame_count: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    objects: Mapping[int, LabelledObject] = field(default_factory=dict)
    numbered: int = 0
    next_look: int = 0
    waiting: tuple[RunLengths, ...] = ()
    applied: tuple[Mapping[str, Any], ...] = ()

    @property
    def finished(self) -> bool:
        """Whether all objects that can be found without a person have been looked for and tracked."""
        return not self.waiting and self.next_look >= self.frame_count

    def with_object(self, number: int, one: LabelledObject) -> Labels:
        """With a new object, or another state of a known one."""
        return replace(self, objects={**self.objects, number: one}, numbered=max(self.numbered, number))

    def annotated(self) -> AnnotatedVideo:
        """The masklets, without dropped objects, on all frames. Those of a person are of the kind 'manual'."""
        masklets = tuple(
            Masklet(
                number,
                one.masks,
                class_name=one.class_name,
                kind='manual' if one.checked else 'auto',
                edited_frames=len(one.edited),
                stability=one.stability,
            )
            for number, one in self.objects.items()
            if one.masks and not one.dropped
        )
        return AnnotatedVideo(
            self.name, self.size, self.frame_rate, self.frame_count, tuple(range(self.frame_count)), masklets
        )

    def save(self, path: Path) -> None:
        """Write the file; it is whole, or what it was before.

        Raises:
            OSError: if it cannot be written.
        """
        write_whole(path, self._parts())

    def _parts(self) -> Iterator[bytes]:
        """The file, object by object, so that no second copy of all masks is needed."""
        head = {
            'format': FORMAT,
            'name': self.name,
            'size': list(self.size),
            'frame_rate': self.frame_rate,
            'frame_count': self.frame_count,
            'settings': dict(self.settings),
            'numbered': self.numbered,
            'next_look': self.next_look,
            'waiting': [mask.to_coco() for mask in self.waiting],
            'applied': list(self.applied),
        }
        yield f'{_json(head)[:-1]}, "objects": {{'.encode()
        for place, (number, one) in enumerate(self.objects.items()):
            yield f'{", " if place else ""}"{number}": {_json(_object_tree(one))}'.encode()
        yield b'}}'

    @classmethod
    def load(cls, path: Path) -> Labels:
        """Read the file.

        Raises:
            OSError: if it cannot be read.
            ValueError: if it is no file of labels.
        """
        tree = read_json(path, each=_packed)
        if tree.get('format') != FORMAT:
            raise ValueError(f'{path} is no file of labels that this version has written')
        try:
            return cls(
                name=tree['name'],
                size=(tree['size'][0], tree['size'][1]),
                frame_rate=tree['frame_rate'],
                frame_count=tree['frame_count'],
                settings=tree['settings'],
                objects={int(number): _object_of(one) for number, one in tree['objects'].items()},
                numbered=tree['numbered'],
                next_look=tree['next_look'],
                waiting=tuple(map(_mask_of, tree['waiting'])),
                applied=tuple(map(_unpacked, tree['applied'])),
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise ValueError(f'{path} is damaged: {type(error).__name__}: {error}') from error


def _json(tree: dict[str, Any]) -> str:
    return json.dumps(tree, allow_nan=False)


def _packed(entry: dict[str, Any]) -> Any:
    """Run lengths in place of their entry, which takes several times as much memory."""
    if entry.keys() == {'size', 'counts'}:
        with suppress(ValueError):  # then `_mask_of` tells
            return RunLengths.from_coco(entry)
    return entry


def _unpacked(correction: dict[str, Any]) -> dict[str, Any]:
    """An applied correction as it was in its file."""
    return {name: one.to_coco() if isinstance(one, RunLengths) else one for name, one in correction.items()}


def _mask_of(entry: Any) -> RunLengths:
    return entry if isinstance(entry, RunLengths) else RunLengths.from_coco(entry)


def _object_tree(one: LabelledObject) -> dict[str, Any]:
    return {
        'score': one.score,
        'class': one.class_name,
        'checked': one.checked,
        'dropped': one.dropped,
        'edited': list(one.edited),
        'prompts': {str(frame): [_prompt_tree(prompt) for prompt in given] for frame, given in one.prompts.items()},
        'masks': {str(frame): mask.to_coco() for frame, mask in one.masks.items()},
        'stability': {str(frame): value for frame, value in one.stability.items()},
    }


def _object_of(tree: dict[str, Any]) -> LabelledObject:
    return LabelledObject(
        masks={int(frame): _mask_of(mask) for frame, mask in tree['masks'].items()},
        stability={int(frame): float(value) for frame, value in tree['stability'].items()},
        prompts={int(frame): tuple(map(_prompt_of, given)) for frame, given in tree['prompts'].items()},
        score=float(tree['score']),
        class_name=tree['class'],
        checked=tree['checked'],
        dropped=tree['dropped'],
        edited=tuple(tree['edited']),
    )


def _prompt_tree(prompt: KeptPrompt) -> dict[str, Any]:
    if isinstance(prompt, RunLengths):
        return {'mask': prompt.to_coco()}
    tree: dict[str, Any] = {}
    if len(prompt.points):
        tree |= {'points': prompt.points.tolist(), 'labels': prompt.labels.tolist()}
    return tree if prompt.box is None else tree | {'box': prompt.box.tolist()}


def _prompt_of(tree: dict[str, Any]) -> KeptPrompt:
    if 'mask' in tree:
        return _mask_of(tree['mask'])
    return Prompt(OBJECT, points=tree.get('points', ()), labels=tree.get('labels'), box=tree.get('box'))
