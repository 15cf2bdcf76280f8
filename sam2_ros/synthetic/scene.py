"""Synthetic videos with the masks of all objects: what the bundled network is trained and tested on.

A clip depends only on (seed, settings, split). The camera sees textured, deforming, articulated objects. They cross
each other, resemble each other, hide behind others, leave the frame and come back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import accumulate, cycle, islice

import cv2
import numpy as np

from sam2_ros.synthetic.motion import Camera, Pose, make_camera, smooth_noise, walk, wander
from sam2_ros.synthetic.render import TILE_TO_OBJECT, compose, paint, random_degradation, shade, transform
from sam2_ros.synthetic.shapes import Shape, animate, occluder, random_shape, screen, walker
from sam2_ros.synthetic.textures import TILE, cloth, pattern, photo, recolour, texture

SPLITS = ('train', 'heldout')
_BACKGROUND_MARGIN = 1.7  # the background is this many times larger than the frame, for a moving camera


@dataclass(frozen=True)
class SceneSettings:
    """What a clip shows. Lengths are shares of the frame's shorter side; probabilities are per clip.

    Attributes:
        height, width: of a frame in pixels.
        frames: number of frames shown.
        gaps: numbers of scene frames from one shown frame to the next, used in turn.
        objects: least and most free objects, without look-alikes, occluders and walkers. A crowd has at most one.
        radius: least and most half extent of an object.
        lookalikes: least and most copies of the target.
        occlusion: probability that an occluder hides the target fully for a while.
        re_entry: probability that the target leaves the frame and comes back.
        crowd: probability of a scene of walkers with shadows, before a camera that hardly moves.
        screens: least and most fixed things in front of everything. The first is on the target's path.
        camera, degrade: strength of camera motion, and of lighting, blur, noise and compression; 0 none, 1 usual.
        speed: usual path length per frame.
        photos: share of textures and backgrounds that come from photographs.

    Raises:
        ValueError: for values that make no clip.
    """

    height: int = 128
    width: int = 128
    frames: int = 8
    gaps: tuple[int, ...] = (1,)
    objects: tuple[int, int] = (2, 5)
    radius: tuple[float, float] = (0.06, 0.3)
    lookalikes: tuple[int, int] = (0, 2)
    occlusion: float = 0.3
    re_entry: float = 0.2
    crowd: float = 0.25
    screens: tuple[int, int] = (0, 0)
    camera: float = 1.0
    degrade: float = 1.0
    speed: float = 0.012
    photos: float = 0.5

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 16 or self.frames < 1 or not self.gaps or min(self.gaps) < 1:
            raise ValueError(
                'a clip needs at least 16x16 pixels, one frame and gaps of 1 or more, got '
                f'{self.height}x{self.width} pixels, {self.frames} frames, gaps {self.gaps}'
            )
        if not 1 <= self.objects[0] <= self.objects[1] or not 0 < self.radius[0] <= self.radius[1]:
            raise ValueError(
                f'objects and radius are (least, most), positive and ordered, got {self.objects}, {self.radius}'
            )
        for name in ('lookalikes', 'screens'):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise ValueError(f'{name} is (least, most), ordered and not negative, got {(low, high)}')

    @property
    def moments(self) -> list[int]:
        """The numbers of the scene frames that are shown, from 0."""
        return [0, *accumulate(islice(cycle(self.gaps), self.frames - 1))]


_CALM = SceneSettings(
    objects=(2, 4),
    radius=(0.1, 0.25),
    lookalikes=(0, 0),
    occlusion=0.0,
    re_entry=0.0,
    crowd=0.0,
    camera=0.7,
    degrade=0.6,
    speed=0.008,
)
PRESETS: dict[str, SceneSettings] = {
    'mixed': SceneSettings(),
    'plain': _CALM,
    'large': replace(_CALM, objects=(1, 3), radius=(0.2, 0.5), camera=1.0),
    'lookalikes': replace(_CALM, lookalikes=(2, 4)),
    'occlusion': replace(_CALM, occlusion=1.0),
    're_entry': replace(_CALM, re_entry=1.0),
    'small': replace(_CALM, objects=(3, 6), radius=(0.03, 0.06)),
    'crowd': replace(_CALM, objects=(1, 1), crowd=1.0),
    'street': replace(_CALM, objects=(1, 2), radius=(0.04, 0.16), crowd=1.0, screens=(0, 3)),
    'thicket': replace(_CALM, lookalikes=(2, 4), screens=(1, 3)),
}


@dataclass(frozen=True)
class Clip:
    """A video with its objects. Object 0 is the target: occlusion and re-entry happen to it.

    Attributes:
        images: (T, H, W, 3) uint8 RGB.
        masks: (T, N, H, W) bool, the visible part of every object.
        visible: (T, N) bool, whether at least one pixel is visible.
        roles: for each object 'target', 'lookalike', 'occluder' or 'other'.
    """

    images: np.ndarray
    masks: np.ndarray
    visible: np.ndarray
    roles: tuple[str, ...]


@dataclass(kw_only=True)
class _Body(Pose):
    """An object over time: shape, textures, phase of its gait (T,), and outlines once they are computed."""

    shape: Shape
    tiles: list[np.ndarray]
    gait: np.ndarray
    role: str
    shadow: float = 0.0
    outlines: list[list[np.ndarray]] = field(default_factory=list)


class _Scene:
    """One clip in the making: random numbers, settings and the frame's extent in scene units."""

    def __init__(self, rng: np.random.Generator, settings: SceneSettings, split: str) -> None:
        self.rng, self.settings, self.split = rng, settings, split
        self.time = settings.moments[-1] + 1  # scene frames, shown or not
        self.extent = np.array([settings.width, settings.height]) / min(settings.height, settings.width)

    def tiles(self, shape: Shape, background: np.ndarray) -> list[np.ndarray]:
        """Textures of one object. Sometimes one is cut from the background, as camouflage."""
        rng = self.rng
        tiles = [texture(rng, self.split, photos=self.settings.photos) for _ in range(shape.materials)]
        if rng.random() < 0.08:
            y, x = (int(rng.integers(0, max(1, side - TILE))) for side in background.shape[:2])
            tiles[0] = cv2.resize(background[y : y + TILE, x : x + TILE], (TILE, TILE))
        if rng.random() < 0.3:
            tiles = [_rounded(tile) for tile in tiles]
        return tiles

    def body(self, shape: Shape, tiles: list[np.ndarray], *, position: np.ndarray, radius: float, role: str) -> _Body:
        """An object on a given path, with random turning, breathing and gait."""
        rng, time = self.rng, self.time
        turn = 0.0 if shape.upright else rng.uniform(0, 2 * np.pi)
        tumble = 0.08 if shape.upright else rng.choice((0.1, 0.8))
        pace = rng.uniform(0.2, 0.6)
        return _Body(
            shape=shape,
            tiles=tiles,
            position=position,
            radius=radius * np.exp(rng.uniform(0, 0.15) * smooth_noise(rng, time, period=25)),
            angle=turn + tumble * smooth_noise(rng, time, period=20),
            squash=1 - rng.uniform(0, 0.35) * (0.5 + 0.5 * np.tanh(smooth_noise(rng, time, period=18))),
            gait=rng.uniform(0, 6.3) + pace * np.arange(time),
            role=role,
            mirrored=bool(rng.random() < 0.5),
        )

    def radius(self) -> float:
        low, high = self.settings.radius
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def free_body(self, background: np.ndarray, *, role: str) -> _Body:
        rng = self.rng
        shape, radius = random_shape(rng, self.split), self.radius()
        speed = self.settings.speed * rng.uniform(0.3, 1.5)
        path = wander(rng, self.time, extent=self.extent, speed=speed, margin=radius * rng.uniform(0.2, 1.0))
        return self.body(shape, self.tiles(shape, background), position=path, radius=radius, role=role)

    def lookalike(self, target: _Body) -> _Body:
        """The target's shape and texture, recoloured a little, on a path of its own."""
        rng = self.rng
        strength = rng.choice((0.0, 0.3, 0.8))
        seed = int(rng.integers(1 << 31))  # the same new colours for every texture of the object
        tiles = [recolour(np.random.default_rng(seed), tile, strength=strength) for tile in target.tiles]
        radius = float(target.radius[0]) * rng.uniform(0.8, 1.2)
        path = wander(rng, self.time, extent=self.extent, speed=self.settings.speed, margin=radius)
        return self.body(target.shape, tiles, position=path, radius=radius, role='lookalike')

    def crowd(self, background: np.ndarray) -> list[_Body]:
        """Walkers of similar size; some are dressed alike."""
        rng = self.rng
        bodies: list[_Body] = []
        usual, shadow = min(self.radius(), 0.2), rng.uniform(0.2, 0.6) * (rng.random() < 0.6)
        for _ in range(int(rng.integers(3, 8))):
            shape = walker(rng, self.split)
            tiles = [cloth(rng, self.split) for _ in range(shape.materials)]
            if bodies and rng.random() < 0.3:
                shape = bodies[-1].shape
                tiles = [recolour(rng, tile, strength=0.2) for tile in bodies[-1].tiles]
            radius = usual * rng.uniform(0.8, 1.3)
            path = walk(rng, self.time, extent=self.extent, speed=self.settings.speed)
            bodies.append(self.body(shape, tiles, position=path, radius=radius, role='other'))
            bodies[-1].shadow = shadow
        return sorted(bodies, key=lambda body: float(body.position[0, 1] + body.radius[0]))

    def hide(self, target: _Body, background: np.ndarray) -> _Body:
        """An occluder that covers the target fully, moves with it for a while and goes on."""
        rng = self.rng
        shape = occluder(rng)
        size = 1.55 * float(target.radius.max())
        path = target.passed_over(rng, extent=self.extent, size=size)
        return self.cover(shape, background, position=path, size=size)

    def cover(self, shape: Shape, background: np.ndarray, *, position: np.ndarray, size: float) -> _Body:
        """An occluder that keeps its size and neither turns nor tumbles."""
        body = self.body(shape, self.tiles(shape, background), position=position, radius=size, role='occluder')
        body.radius, body.squash, body.angle = np.full(self.time, size), np.ones(self.time), np.zeros(self.time)
        return body

    def screens(self, target: _Body, background: np.ndarray) -> list[_Body]:
        """Fixed things in front of the scene: one on the path of the last two thirds of the clip, others anywhere."""
        rng, least, most = self.rng, *self.settings.screens
        bodies = []
        for number in range(int(rng.integers(least, most + 1))):
            shape = screen(rng)
            size = float(target.radius[0]) * rng.uniform(0.6, 1.6)
            place = rng.uniform(0, 1, 2) * self.extent
            if number == 0:
                place = target.position[int(rng.integers(self.time // 3, self.time))]
            bodies.append(self.cover(shape, background, position=np.tile(place, (self.time, 1)), size=size))
        return bodies

    def bodies(self, background: np.ndarray, *, crowd: bool) -> list[_Body]:
        """All objects from back to front; exactly one is the target."""
        rng, settings = self.rng, self.settings
        others = [
            self.free_body(background, role='other')
            for _ in range(int(rng.integers(settings.objects[0], settings.objects[1] + 1)) - 1)
        ]
        if crowd:
            others = self.crowd(background) + others[:1]
            target = others.pop(int(rng.integers(len(others))))
            target.role = 'target'
        else:
            target = self.free_body(background, role='target')
        copies = int(rng.integers(settings.lookalikes[0], settings.lookalikes[1] + 1))
        others += [self.lookalike(target) for _ in range(copies)]
        if not crowd:
            rng.shuffle(others)  # type: ignore[arg-type]  # NumPy shuffles any list; its stub says arrays only
        place = int(rng.integers(len(others) + 1))
        if rng.random() < settings.re_entry:
            target.leave_and_return(rng, extent=self.extent)
        everyone = [*others[:place], target, *others[place:]]
        if rng.random() < settings.occlusion:
            everyone.append(self.hide(target, background))
        if settings.screens[1]:
            everyone += self.screens(target, background)
        return everyone


def _rounded(tile: np.ndarray) -> np.ndarray:
    """A texture lit from above its left side, so that it looks like a solid."""
    y, x = np.mgrid[-1 : 1 : TILE * 1j, -1 : 1 : TILE * 1j].astype(np.float32)
    light = np.clip(1.1 - 0.45 * ((x + 0.3) ** 2 + (y + 0.3) ** 2), 0.3, 1.1)[..., None]
    return np.clip(tile * light, 0, 255).astype(np.uint8)


def _make_background(scene: _Scene) -> np.ndarray:
    """A canvas larger than the frame: a photograph or pattern, often littered with still clutter."""
    rng, settings, split = scene.rng, scene.settings, scene.split
    height, width = (int(_BACKGROUND_MARGIN * side) for side in (settings.height, settings.width))
    if rng.random() < settings.photos:
        canvas = photo(rng, split, height=height, width=width, zoom=(0.3, 1.0))
    else:
        canvas = cv2.resize(pattern(rng, split), (width, height), interpolation=cv2.INTER_CUBIC)
    clutter = int(rng.integers(0, 16)) if rng.random() < 0.6 else 0
    for _ in range(clutter):
        part = random_shape(rng, split).parts[0]
        size = min(settings.height, settings.width) * rng.uniform(0.03, 0.3)
        angle, at = rng.uniform(0, 6.3), rng.uniform(0, 1, 2) * (width, height)
        turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        to_pixels = np.hstack([turn, at[:, None]])
        paint(
            canvas,
            None,
            outlines=[transform(outline, to_pixels) for outline in part.outlines],
            tile=texture(rng, split, photos=settings.photos),
            tile_to_pixels=compose(to_pixels, TILE_TO_OBJECT),
            label=0,
            hollow=part.hollow,
        )
    return canvas


def _paint_body(frame: np.ndarray, labels: np.ndarray, body: _Body, *, camera: Camera, time: int, label: int) -> None:
    to_pixels = camera.apply(time, body.to_scene(time))
    if body.shadow > 0:
        angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        ellipse = np.stack([0.4 + 0.6 * np.cos(angle), 0.98 + 0.12 * np.sin(angle)], axis=1)
        shade(frame, outline=transform(ellipse, to_pixels), darkness=body.shadow)
    tile_to_pixels = compose(to_pixels, TILE_TO_OBJECT)
    for part, outlines in zip(body.shape.parts, body.outlines, strict=True):
        paint(
            frame,
            labels,
            outlines=[transform(points[time], to_pixels) for points in outlines],
            tile=body.tiles[part.material],
            tile_to_pixels=tile_to_pixels,
            label=label,
            hollow=part.hollow,
        )


def make_clip(seed: int, settings: SceneSettings, *, split: str = 'train') -> Clip:
    """The clip of a seed: the same seed, settings and split give the same bytes.

    Args:
        seed: of all random numbers.
        settings: what the clip shows.
        split: 'train' or 'heldout'. Training never shows the textures, photographs and object shapes of 'heldout'.
            Occluders and screens, which only hide objects, have the same shapes in both.

    Raises:
        ValueError: for another split.
        ImportError: if photographs are asked for and not installed.
    """
    if split not in SPLITS:
        raise ValueError(f'split must be one of {", ".join(SPLITS)}, got {split!r}')
    rng = np.random.default_rng((seed, SPLITS.index(split)))
    scene = _Scene(rng, settings, split)
    background = _make_background(scene)
    crowd = bool(rng.random() < settings.crowd)
    bodies = scene.bodies(background, crowd=crowd)
    camera = make_camera(
        rng,
        scene.time,
        height=settings.height,
        width=settings.width,
        strength=settings.camera * (0.3 if crowd else 1.0),
    )
    for body in bodies:
        body.outlines = [animate(part, body.gait) for part in body.shape.parts]
    return _film(scene, bodies, background, camera=camera)


def _film(scene: _Scene, bodies: list[_Body], background: np.ndarray, *, camera: Camera) -> Clip:
    """Render all shown frames. Object 0 of the clip is the target."""
    settings, rng = scene.settings, scene.rng
    height, width, unit = settings.height, settings.width, min(settings.height, settings.width)
    rows, columns = background.shape[:2]
    canvas_to_scene = np.array([[1 / unit, 0, (width - columns) / 2 / unit], [0, 1 / unit, (height - rows) / 2 / unit]])
    degradation = random_degradation(rng, settings.frames, height=height, width=width, strength=settings.degrade)
    order = sorted(range(len(bodies)), key=lambda index: bodies[index].role != 'target')
    label_of = {index: number + 1 for number, index in enumerate(order)}
    images = np.empty((settings.frames, height, width, 3), np.uint8)
    labels = np.zeros((settings.frames, height, width), np.uint8)
    for shown, time in enumerate(settings.moments):
        frame = cv2.warpAffine(
            background,
            camera.apply(time, canvas_to_scene),
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        for index, body in enumerate(bodies):
            _paint_body(frame, labels[shown], body, camera=camera, time=time, label=label_of[index])
        images[shown] = degradation.apply(frame, rng, frame=shown)
    masks = labels[:, None] == np.arange(1, len(bodies) + 1, dtype=np.uint8)[None, :, None, None]
    return Clip(images, masks, masks.any(axis=(2, 3)), tuple(bodies[index].role for index in order))
