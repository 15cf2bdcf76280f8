"""Clips of real cut-outs that move over real pictures, with the masks of all objects.

A clip depends only on (seed, settings, material, split). It has the settings and the events of `scene`, which draws
its objects instead.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import cv2
import numpy as np

from sam2_ros.synthetic.cutouts import Material, Picture
from sam2_ros.synthetic.figures import Figure, figure
from sam2_ros.synthetic.motion import Camera, make_camera, smooth_noise, walk, wander
from sam2_ros.synthetic.render import random_degradation
from sam2_ros.synthetic.scene import SPLITS, Clip, SceneSettings

PERSON = 'person'
_BACKGROUND_MARGIN = 1.7  # the background is this many times larger than the frame, for a moving camera
_LEAST_CROWD = 4  # whole cut-outs of a class that make a crowd
_CANDIDATES = 3  # cut-outs of which the most solid one hides the target
_CROWD_OF_PEOPLE = 0.6  # probability, where there are enough of them


class _Casting:
    """Chooses cut-outs by class. Large classes come more often, but only by the square root of their number."""

    def __init__(self, material: Material) -> None:
        self.classes: dict[str, list[Picture]] = defaultdict(list)
        for one in material.cutouts:
            self.classes[one.class_name].append(one)
        everything = sorted(self.classes)
        with_whole = sorted({one.class_name for one in material.cutouts if not one.cut})
        self.weighted = {False: self._weighted(everything), True: self._weighted(with_whole or everything)}

    def _weighted(self, names: list[str]) -> tuple[list[str], np.ndarray]:
        weights = np.sqrt([len(self.classes[name]) for name in names])
        return names, weights / weights.sum()

    def any(self, rng: np.random.Generator, *, whole: bool = False) -> Picture:
        """Any cut-out; `whole`: one that no border has cut, if there is one at all."""
        names, weights = self.weighted[whole]
        return self.one_of(rng, names[int(rng.choice(len(names), p=weights))], whole=whole)

    def one_of(self, rng: np.random.Generator, name: str, *, whole: bool) -> Picture:
        """A cut-out of a class; `whole`: one that no border has cut, if the class has one."""
        choices = self.classes[name]
        if whole:
            choices = [one for one in choices if not one.cut] or choices
        return choices[int(rng.integers(len(choices)))]

    def crowd(self, rng: np.random.Generator) -> str:
        """A class for a crowd."""
        names, _ = self.weighted[True]
        large = [name for name in names if sum(not one.cut for one in self.classes[name]) >= _LEAST_CROWD] or names
        if PERSON in large and rng.random() < _CROWD_OF_PEOPLE:
            return PERSON
        return large[int(rng.integers(len(large)))]


class _Scene:
    """One clip in the making."""

    def __init__(self, rng: np.random.Generator, settings: SceneSettings, material: Material) -> None:
        self.rng, self.settings, self.material = rng, settings, material
        self.casting = _Casting(material)
        self.time = settings.moments[-1] + 1  # scene frames, shown or not
        self.unit = min(settings.height, settings.width)
        self.extent = np.array([settings.width, settings.height]) / self.unit

    def background(self) -> np.ndarray:
        """A canvas larger than the frame: a piece of a picture, sometimes out of focus, with still objects in it."""
        rng, settings = self.rng, self.settings
        pictures = self.material.backgrounds
        picture = pictures[int(rng.integers(len(pictures)))].rgb()
        height, width = (int(_BACKGROUND_MARGIN * side) for side in (settings.height, settings.width))
        rows, columns = picture.shape[:2]
        share = rng.uniform(0.5, 1.0)
        part_height = max(2, int(share * min(rows, columns * height / width)))
        part_width = max(2, int(part_height * width / height))
        y, x = int(rng.integers(rows - part_height + 1)), int(rng.integers(max(columns - part_width, 0) + 1))
        piece = picture[y : y + part_height, x : x + part_width]
        if rng.random() < 0.5:
            piece = piece[:, ::-1]
        canvas = cv2.resize(np.ascontiguousarray(piece), (width, height), interpolation=cv2.INTER_CUBIC)
        nothing = np.zeros((height, width), np.uint8)
        for _ in range(int(rng.integers(0, 6)) if rng.random() < 0.5 else 0):
            still = self.figure(self.casting.any(rng, whole=True), radius=self.radius(), moving=False)
            if still.cut:  # its cut side would be seen
                continue
            place = rng.uniform(0, 1, 2) * (width, height)
            to_pixels = still.to_scene(0)
            to_pixels = np.hstack([to_pixels[:, :2] * self.unit, place[:, None]])
            still.paint(canvas, nothing, to_pixels=to_pixels, way=np.zeros(2), time=0, label=0)
        return cv2.GaussianBlur(canvas, (0, 0), rng.uniform(1, 4)) if rng.random() < 0.15 else canvas

    def radius(self) -> float:
        low, high = self.settings.radius
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def depth(self) -> np.ndarray:
        """Factor (T,) of the size of something that comes nearer or goes away; 1 at the start."""
        rng = self.rng
        noise = rng.uniform(0, 0.15) * smooth_noise(rng, self.time, period=25)
        trend = rng.uniform(-0.8, 0.8) * (rng.random() < 0.5) * np.linspace(0, 1, self.time)
        factor: np.ndarray = np.exp(noise - noise[0] + trend)
        return factor

    def figure(
        self,
        picture: Picture,
        *,
        radius: float,
        position: np.ndarray | None = None,
        role: str = 'other',
        tint: float = 0.0,
        moving: bool = True,
    ) -> Figure:
        """A cut-out on a path; without one it wanders, sometimes partly outside the frame."""
        rng = self.rng
        person = picture.class_name == PERSON
        if position is None:
            speed = self.settings.speed * float(np.exp(rng.uniform(-1.2, 0.9)))
            if person and rng.random() < 0.5:
                position = walk(rng, self.time, extent=self.extent, speed=speed)
            else:
                margin = radius * rng.uniform(-0.3, 1.0)
                position = wander(rng, self.time, extent=self.extent, speed=speed, margin=margin)
        one = figure(
            rng,
            picture.rgba(),
            position=position,
            radius=radius * self.depth() if moving else np.full(self.time, radius),
            pixels=self.unit,
            tint=tint,
            cut=picture.cut,
            person=person,
            upright=person or rng.random() < 0.85,
            calm=1.0 if moving else 0.3,
        )
        return replace(one, role=role)

    def lookalike(self, target: Figure, picture: Picture) -> Figure:
        """The same cut-out, recoloured a little, or another one of its class."""
        rng = self.rng
        if rng.random() < 0.4:
            picture = self.casting.one_of(rng, picture.class_name, whole=True)
        radius = float(target.radius[0]) * rng.uniform(0.7, 1.3)
        tint = float(rng.choice((0.0, 0.15, 0.4)))
        return self.figure(picture, radius=radius, role='lookalike', tint=tint)

    def crowd(self) -> list[Figure]:
        """Walkers, vehicles or animals of one kind on the same ground: what stands lower is larger and in front."""
        rng = self.rng
        name = self.casting.crowd(rng)
        usual, spread = min(self.radius(), 0.3), rng.uniform(0, 0.8)
        members: list[Figure] = []
        picture = self.casting.one_of(rng, name, whole=True)
        for _ in range(int(rng.integers(3, 9))):
            tint = 0.0
            if members and rng.random() < 0.3:  # dressed like the one before
                tint = 0.1
            else:
                picture = self.casting.one_of(rng, name, whole=True)
            path = walk(rng, self.time, extent=self.extent, speed=self.settings.speed)
            nearness = np.exp(spread * (path[:, 1] / self.extent[1] - 0.5))
            one = self.figure(picture, radius=usual * rng.uniform(0.85, 1.15), position=path, tint=tint)
            one.radius = one.radius * nearness
            members.append(one)
        return sorted(members, key=lambda member: member.lowest)

    def hide(self, target: Figure) -> Figure:
        """Something that covers the target for a while and goes on."""
        rng = self.rng
        candidates = [self.casting.any(rng, whole=True) for _ in range(_CANDIDATES)]
        picture = max(candidates, key=lambda one: float(one.rgba()[..., 3].mean()))  # one without large gaps
        one = self.figure(picture, radius=1.0, position=target.position, role='occluder', moving=False)
        size = 1.45 * float(target.radius.max()) / float(max(one.half_size.min(), 0.4))
        one.radius = np.full(self.time, size)
        one.position = target.passed_over(rng, extent=self.extent, size=size)
        return one

    def screens(self, target: Figure) -> list[Figure]:
        """Still things in front of everything: the first on the target's path, others anywhere."""
        rng, least, most = self.rng, *self.settings.screens
        things = []
        for number in range(int(rng.integers(least, most + 1))):
            place = rng.uniform(0, 1, 2) * self.extent
            if number == 0:
                place = target.position[int(rng.integers(self.time // 3, self.time))]
            size = float(target.radius[0]) * rng.uniform(0.6, 1.6)
            path = np.tile(place, (self.time, 1))
            picture = self.casting.any(rng, whole=True)
            things.append(self.figure(picture, radius=size, position=path, role='occluder', moving=False))
        return things

    def figures(self, *, crowd: bool, leaves: bool) -> list[Figure]:
        """All objects from back to front; exactly one is the target, which may leave the frame and come back."""
        rng, settings = self.rng, self.settings
        hides = bool(rng.random() < settings.occlusion)
        others = [
            self.figure(self.casting.any(rng), radius=self.radius())
            for _ in range(int(rng.integers(settings.objects[0], settings.objects[1] + 1)) - 1)
        ]
        copies = int(rng.integers(settings.lookalikes[0], settings.lookalikes[1] + 1))
        if crowd:
            others = self.crowd()
            place = int(rng.integers(len(others)))
            target = replace(others.pop(place), role='target')
        else:
            on_its_path = leaves or hides or bool(settings.screens[1])  # a cut one is moved beside its path
            picture = self.casting.any(rng, whole=on_its_path)
            target = self.figure(picture, radius=self.radius(), role='target')
            others += [self.lookalike(target, picture) for _ in range(copies)]
            rng.shuffle(others)  # type: ignore[arg-type]  # NumPy shuffles any list; its stub says arrays only
            place = int(rng.integers(len(others) + 1))
        if leaves:
            target.leave_and_return(rng, extent=self.extent)
        everyone = [*others[:place], target, *others[place:]]
        if hides:
            everyone.append(self.hide(target))
        if settings.screens[1]:
            everyone += self.screens(target)
        return everyone


def _following(camera: Camera, path: np.ndarray, share: float) -> Camera:
    """A camera that turns after a path (T, 2), so that what goes there moves less in the frame."""
    way = share * (path - path[0])
    shift = np.einsum('tij,tj->ti', camera.to_pixels[:, :, :2], way)
    to_pixels = camera.to_pixels.copy()
    to_pixels[:, :, 2] -= shift
    return Camera(to_pixels)


def make_cutout_clip(seed: int, settings: SceneSettings, material: Material, *, split: str = 'train') -> Clip:
    """The clip of a seed: the same seed, settings, material and split give the same bytes.

    Args:
        seed: of all random numbers.
        settings: what the clip shows; `photos` has no effect here.
        material: all cut-outs and backgrounds.
        split: 'train' or 'heldout'. Training never shows the sources of 'heldout'; see `Material.split`.

    Raises:
        ValueError: for another split, or material that cannot be divided.
    """
    if split not in SPLITS:
        raise ValueError(f'split must be one of {", ".join(SPLITS)}, got {split!r}')
    rng = np.random.default_rng((seed, SPLITS.index(split)))
    scene = _Scene(rng, settings, material.split(split))
    background = scene.background()
    crowd = bool(rng.random() < settings.crowd)
    leaves = bool(rng.random() < settings.re_entry)
    figures = scene.figures(crowd=crowd, leaves=leaves)
    height, width = settings.height, settings.width
    strength = settings.camera * (0.3 if crowd else 1.0)
    camera = make_camera(rng, scene.time, height=height, width=width, strength=strength)
    if not leaves and rng.random() < 0.4 * min(strength, 1.0):  # a camera that follows would not let it leave
        target = next(one for one in figures if one.role == 'target')
        camera = _following(camera, target.position, rng.uniform(0.4, 1.0))
    return _film(scene, figures, background, camera=camera)


def _film(scene: _Scene, figures: list[Figure], background: np.ndarray, *, camera: Camera) -> Clip:
    """Render all shown frames. Object 0 of the clip is the target."""
    settings, rng = scene.settings, scene.rng
    height, width, unit = settings.height, settings.width, scene.unit
    rows, columns = background.shape[:2]
    canvas_to_scene = np.array([[1 / unit, 0, (width - columns) / 2 / unit], [0, 1 / unit, (height - rows) / 2 / unit]])
    slant, darkness = rng.uniform(-1, 1), rng.uniform(0.15, 0.5) * (rng.random() < 0.5)
    # The last to draw: how many numbers it takes depends on the frames that are shown, but the scene must not.
    degradation = random_degradation(rng, settings.frames, height=height, width=width, strength=settings.degrade)
    order = sorted(range(len(figures)), key=lambda index: figures[index].role != 'target')
    label_of = {index: number + 1 for number, index in enumerate(order)}
    images = np.empty((settings.frames, height, width, 3), np.uint8)
    labels = np.zeros((settings.frames, height, width), np.uint8)

    def placed(one: Figure, time: int) -> np.ndarray:
        return one.pose_in_frame(camera.apply(time, one.to_scene(time)), width=width, height=height)

    for shown, time in enumerate(settings.moments):
        frame = cv2.warpAffine(
            background,
            camera.apply(time, canvas_to_scene),
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        for index, one in enumerate(figures):
            to_pixels = placed(one, time)
            way = to_pixels[:, 2] - placed(one, time - 1)[:, 2] if one.blur and time else np.zeros(2)
            if darkness and not one.cut:
                one.cast_shadow(frame, to_pixels=to_pixels, slant=slant, darkness=darkness)
            one.paint(frame, labels[shown], to_pixels=to_pixels, way=way, time=time, label=label_of[index])
        images[shown] = degradation.apply(frame, rng, frame=shown)
    masks = labels[:, None] == np.arange(1, len(figures) + 1, dtype=np.uint8)[None, :, None, None]
    return Clip(images, masks, masks.any(axis=(2, 3)), tuple(figures[index].role for index in order))
