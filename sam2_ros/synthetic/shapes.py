"""Shapes of synthetic objects: one or several parts with closed outlines that deform and swing over time.

Outlines are in object coordinates: x right, y down, the whole object within about [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Part:
    """Outlines that share one texture.

    Attributes:
        outlines: (V, 2) arrays. If `hollow`, two or more give holes where they overlap.
        material: index of the texture within the object; equal for parts that look alike.
        pivot: the point about which the part swings as a pendulum.
        swing: amplitude of the swing in radians.
        phase: of the swing relative to the gait of the object, in radians.
        wobble: amplitude of the outline's own deformation, in object units.
        hollow: see `outlines`.
    """

    outlines: tuple[np.ndarray, ...]
    material: int = 0
    pivot: tuple[float, float] = (0.0, 0.0)
    swing: float = 0.0
    phase: float = 0.0
    wobble: float = 0.0
    hollow: bool = False


@dataclass(frozen=True)
class Shape:
    """The parts of an object from back to front.

    Attributes:
        family: name of the kind of shape.
        parts: from back to front.
        upright: the object neither turns nor tumbles (people, cars).
    """

    family: str
    parts: tuple[Part, ...]
    upright: bool = False

    @property
    def materials(self) -> int:
        """Number of textures that the parts use."""
        return 1 + max(part.material for part in self.parts)


def _ellipse(cx: float, cy: float, rx: float, ry: float, *, vertices: int = 20) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, vertices, endpoint=False)
    return np.stack([cx + rx * np.cos(angle), cy + ry * np.sin(angle)], axis=1)


def _quad(x0: float, y0: float, x1: float, y1: float, *, taper: float = 0.0) -> np.ndarray:
    """A rectangle whose lower side is shorter by `taper` at both ends."""
    return np.array([(x0, y0), (x1, y0), (x1 - taper, y1), (x0 + taper, y1)])


def _blob(rng: np.random.Generator) -> Shape:
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    radius = 0.75 + sum(rng.uniform(0, 0.35 / k) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in range(2, 6))
    stretch = rng.uniform(0.45, 1.0)
    outline = np.stack([radius * np.cos(angle), radius * np.sin(angle) * stretch], axis=1)
    return Shape('blob', (Part((outline,), wobble=rng.uniform(0, 0.15)),))


def _polygon(rng: np.random.Generator) -> Shape:
    corners = int(rng.integers(3, 9))
    angle = np.sort(rng.uniform(0, 2 * np.pi, corners) * 0.3 + np.linspace(0, 2 * np.pi, corners, endpoint=False) * 0.9)
    radius = rng.uniform(0.6, 1.0, corners)
    if rng.random() < 0.25:
        radius[::2] *= 0.5
    outline = np.stack([radius * np.cos(angle), radius * np.sin(angle) * rng.uniform(0.5, 1)], axis=1)
    return Shape('polygon', (Part((outline,), wobble=rng.uniform(0, 0.08)),))


def _box(rng: np.random.Generator) -> Shape:
    half = rng.uniform(0.35, 1.0)
    parts = [Part((_quad(-1, -half, 1, half, taper=rng.uniform(0, 0.2)),))]
    if rng.random() < 0.5:
        left, top = rng.uniform(-0.8, 0.0), rng.uniform(-0.8, 0.0) * half
        parts.append(Part((_quad(left, top, left + 0.7, top + 0.7 * half),), material=1))
    return Shape('box', tuple(parts))


def _ellipsoid(rng: np.random.Generator) -> Shape:
    return Shape('ellipse', (Part((_ellipse(0, 0, 1, rng.uniform(0.4, 1.0)),), wobble=rng.uniform(0, 0.06)),))


def _stick(rng: np.random.Generator) -> Shape:
    bend, width = rng.uniform(-0.4, 0.4), rng.uniform(0.06, 0.16)
    x = np.linspace(-1, 1, 10)
    middle = bend * (1 - x**2)
    outline = np.concatenate([np.stack([x, middle - width], 1), np.stack([x, middle + width], 1)[::-1]])
    return Shape('stick', (Part((outline,), wobble=rng.uniform(0, 0.1)),))


def _ring(rng: np.random.Generator) -> Shape:
    stretch, hole = rng.uniform(0.6, 1.0), rng.uniform(0.4, 0.7)
    outlines = (_ellipse(0, 0, 1, stretch), _ellipse(0, 0, hole, hole * stretch))
    return Shape('ring', (Part(outlines, hollow=True),))


def _person(rng: np.random.Generator) -> Shape:
    """A walking figure: legs and arms in antiphase, torso, head, sometimes a bag."""
    width, stride = rng.uniform(0.16, 0.26), rng.uniform(0.1, 0.5)
    leg, arm, hip = rng.uniform(0.07, 0.1), rng.uniform(0.04, 0.07), rng.uniform(0.0, 0.15)
    bare_arms = 2 if rng.random() < 0.3 else 0
    parts = [
        Part((_quad(-0.05 - arm, -0.66, -0.05 + arm, 0.05),), bare_arms, (-0.05, -0.66), stride * 0.8, np.pi),
        Part((_quad(-0.05 - leg, hip - 0.05, -0.05 + leg, 1.0, taper=0.02),), 1, (-0.05, hip), stride, 0.0),
        Part((_quad(0.05 - leg, hip - 0.05, 0.05 + leg, 1.0, taper=0.02),), 1, (0.05, hip), stride, np.pi),
        Part((_quad(-width, -0.7, width, hip + 0.08, taper=rng.uniform(0, 0.06)),), 0, wobble=0.015),
        Part((_quad(0.05 - arm, -0.66, 0.05 + arm, 0.05),), bare_arms, (0.05, -0.66), stride * 0.8, 0.0),
        Part((_ellipse(0, -0.85, 0.12, 0.15, vertices=12),), 2),
    ]
    if rng.random() < 0.4:
        parts.append(Part((_ellipse(0, -0.92, 0.125, 0.09, vertices=10),), 3))
    if rng.random() < 0.3:
        side = rng.choice((-1, 1))
        parts.insert(3, Part((_ellipse(side * 0.25, -0.35, 0.15, 0.25, vertices=10),), 3))
    return Shape('person', tuple(parts), upright=True)


def _creature(rng: np.random.Generator) -> Shape:
    """A body with swinging limbs, each in the texture of the body or in another one."""
    parts = []
    for _ in range(int(rng.integers(2, 6))):
        angle, length, width = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 0.6), rng.uniform(0.06, 0.18)
        along = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-along[1], along[0]]) * width
        root, tip = along * 0.35, along * (0.4 + length)
        outline = np.stack([root + across, tip + across * 0.6, tip - across * 0.6, root - across])
        parts.append(Part((outline,), int(rng.integers(0, 2)), tuple(root), rng.uniform(0, 0.6), rng.uniform(0, 6.3)))
    body = _ellipse(0, 0, rng.uniform(0.4, 0.6), rng.uniform(0.35, 0.6))
    parts.insert(int(rng.integers(0, len(parts) + 1)), Part((body,), wobble=0.04))
    return Shape('creature', tuple(parts))


def _vehicle(rng: np.random.Generator) -> Shape:
    roof, back = rng.uniform(-0.65, -0.4), rng.uniform(-0.9, -0.5)
    front = rng.uniform(0.2, 0.8)
    cabin = np.array([(back, -0.1), (back + 0.15, roof), (front - 0.25, roof), (front, -0.1)])
    wheel = rng.uniform(0.14, 0.22)
    return Shape(
        'vehicle',
        (
            Part((cabin,), int(rng.integers(0, 2))),
            Part((_quad(-1, -0.15, 1, 0.35, taper=0.05),), 0),
            Part((_ellipse(-0.6, 0.35, wheel, wheel, vertices=12), _ellipse(0.6, 0.35, wheel, wheel, vertices=12)), 2),
        ),
        upright=True,
    )


def _ragged(rng: np.random.Generator) -> Shape:
    """A closed outline with bays and tongues, wide or thin."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    waves = sum(rng.uniform(0, 0.9 / k) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in range(2, 10))
    radius = np.clip(0.6 + 0.5 * waves, 0.15, 1.1)
    outline = np.stack([radius * np.cos(angle), radius * np.sin(angle) * rng.uniform(0.4, 1.0)], axis=1)
    return Shape('ragged', (Part((outline,), wobble=rng.uniform(0, 0.1)),))


def _assembly(rng: np.random.Generator) -> Shape:
    """Simple solids that grow out of each other, often mirrored. Some swing where they are joined."""
    parts: list[Part] = []
    joints: list[np.ndarray] = [np.zeros(2)]
    mirrored = bool(rng.random() < 0.5)
    for number in range(int(rng.integers(2, 6))):
        root = joints[int(rng.integers(len(joints)))]
        turn, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.9)
        width = length * np.exp(rng.uniform(np.log(0.08), 0))
        along = np.array([np.cos(turn), np.sin(turn)])
        solid = rng.choice(3)
        if solid == 0:
            points = _ellipse(0.5, 0, 0.5, 0.5)
        elif solid == 1:
            points = _quad(0, -0.5, 1, 0.5)
        else:
            points = np.array([(0, -0.5), (1, rng.uniform(-0.5, 0.5)), (0, 0.5)])
        axes = np.stack([along * length, np.array([-along[1], along[0]]) * width])
        outline = root + points @ axes
        joints.append(root + along * length * rng.uniform(0.4, 1.0))
        material, swing = int(rng.integers(0, 3)), rng.uniform(0, 0.5) * (number > 0 and rng.random() < 0.5)
        phase = rng.uniform(0, 6.3)
        for side in (1, -1) if mirrored else (1,):
            flip = np.array([side, 1.0])
            parts.insert(
                int(rng.integers(len(parts) + 1)),
                Part((outline * flip,), material, tuple(root * flip), swing, phase + (side < 0) * np.pi),
            )
    reach = max(float(np.abs(outline).max()) for part in parts for outline in part.outlines)
    fitted = tuple(
        replace(
            part,
            outlines=tuple(outline / reach for outline in part.outlines),
            pivot=(part.pivot[0] / reach, part.pivot[1] / reach),
        )
        for part in parts
    )
    return Shape('assembly', fitted, upright=bool(rng.random() < 0.5))


def _cross(rng: np.random.Generator) -> Shape:
    width = rng.uniform(0.2, 0.4)
    bars = (_quad(-1, -width, 1, width), _quad(-width, -1, width, 1))
    return Shape('cross', (Part(bars, wobble=rng.uniform(0, 0.05)),))


def _gear(rng: np.random.Generator) -> Shape:
    teeth = int(rng.integers(6, 12))
    angle = np.linspace(0, 2 * np.pi, 4 * teeth, endpoint=False)
    radius = np.where(np.arange(4 * teeth) % 4 < 2, 1.0, rng.uniform(0.65, 0.85))
    return Shape('gear', (Part((np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1),)),))


def _crescent(rng: np.random.Generator) -> Shape:
    angle = np.linspace(0.25 * np.pi, 1.75 * np.pi, 16)
    outer = np.stack([np.cos(angle), np.sin(angle)], 1)
    inner = outer[::-1] * rng.uniform(0.5, 0.7) + (rng.uniform(0.2, 0.35), 0)
    return Shape('crescent', (Part((np.concatenate([outer, inner]),), wobble=rng.uniform(0, 0.05)),))


def _quadruped(rng: np.random.Generator) -> Shape:
    legs = [
        Part(
            (_quad(x - 0.06, 0.1, x + 0.06, 0.75, taper=0.02),),
            int(rng.integers(0, 2)),
            (x, 0.15),
            rng.uniform(0.2, 0.5),
            phase,
        )
        for x, phase in ((-0.55, 0.0), (-0.4, np.pi), (0.4, 0.0), (0.55, np.pi))
    ]
    body = Part((_ellipse(0, 0, 0.7, rng.uniform(0.22, 0.32)),), wobble=0.02)
    head = Part((_ellipse(0.75, -0.3, 0.22, 0.17),), int(rng.integers(0, 2)), (0.6, -0.1), 0.15, 1.0)
    tail = Part((_quad(-1.0, -0.2, -0.6, -0.1),), 0, (-0.6, -0.15), 0.5, 2.0)
    return Shape('quadruped', (*legs[:2], tail, body, head, *legs[2:]), upright=True)


def _lamp(rng: np.random.Generator) -> Shape:
    """A thin pole on a foot with a shade: thin and wide parts in one object."""
    pole, shade = rng.uniform(0.03, 0.06), rng.uniform(0.3, 0.5)
    return Shape(
        'lamp',
        (
            Part((_quad(-pole, -0.6, pole, 0.95),), 1),
            Part((_quad(-shade, 0.9, shade, 1.0),), 1),
            Part((_quad(shade, -0.5, -shade, -1.0, taper=-0.5 * shade),), 0, (0.0, -0.5), rng.uniform(0, 0.3)),
        ),
    )


FAMILIES: dict[str, tuple[Callable[[np.random.Generator], Shape], ...]] = {
    'train': (
        _blob,
        _blob,
        _polygon,
        _box,
        _ellipsoid,
        _stick,
        _ring,
        _person,
        _person,
        _person,
        _person,
        _creature,
        _vehicle,
        _ragged,
        _ragged,
        _assembly,
        _assembly,
        _assembly,
    ),
    'heldout': (_cross, _gear, _crescent, _quadruped, _quadruped, _lamp),
}


def random_shape(rng: np.random.Generator, split: str) -> Shape:
    """A shape of one of the split's families."""
    families = FAMILIES[split]
    return families[int(rng.integers(len(families)))](rng)


def walker(rng: np.random.Generator, split: str) -> Shape:
    """An upright, articulated walker for crowds: usually a person in training, a quadruped when held out."""
    if split == 'heldout':
        return _quadruped(rng)
    return _person(rng) if rng.random() < 0.85 else replace(_assembly(rng), upright=True)


def occluder(rng: np.random.Generator) -> Shape:
    """A convex shape that fills most of its bounding box."""
    half = rng.uniform(0.8, 1.0)
    outline = _quad(-1, -half, 1, half) if rng.random() < 0.6 else 1.15 * _ellipse(0, 0, 1, half)
    return Shape('occluder', (Part((outline,)),))


def screen(rng: np.random.Generator) -> Shape:
    """A fixed thing in front of a scene: a tall pole, a board, or foliage."""
    kind = rng.choice(3)
    if kind == 0:
        width = rng.uniform(0.03, 0.15)
        return Shape('pole', (Part((_quad(-width, -3, width, 3),)),), upright=True)
    return replace(occluder(rng) if kind == 1 else _ragged(rng), upright=True)


def animate(part: Part, gait: np.ndarray) -> list[np.ndarray]:
    """Outlines of a part over time.

    Args:
        part: the part.
        gait: (T,) phase in radians.

    Returns:
        One (T, V, 2) array for each outline.
    """
    angle = part.swing * np.sin(gait + part.phase)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)  # (T, 2, 2)
    animated = []
    for outline in part.outlines:
        points = np.broadcast_to(outline, (len(gait), *outline.shape))
        if part.wobble > 0:
            around = np.linspace(0, 4 * np.pi, len(outline), endpoint=False)
            wave = 1 + part.wobble * np.sin(around[None] + 0.5 * gait[:, None])
            points = points * wave[..., None]
        animated.append((points - part.pivot) @ turn.transpose(0, 2, 1) + part.pivot)
    return animated
