"""Cut-outs that move like bodies: legs swing, outlines bend, light changes, shadows fall.

A figure is a picture in object coordinates: [-1, 1] along its longer side, x right, y down, (0, 0) in its middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam2_ros.synthetic.motion import Pose, smooth_noise
from sam2_ros.synthetic.render import paint_picture, silhouette_shadow, transform
from sam2_ros.synthetic.textures import recolour

_MARGIN = 0.15  # empty border of a figure's picture, as a share of its longer side; legs swing into it
_HIP = (0.46, 0.58)  # where a person's legs begin, as shares of the height, least and most
_BEND_KNOTS = 4  # knots of a bend along each side
_CROTCH = 0.12  # length over which the two legs part, as a share of a leg
_UNEVEN = 0.02  # most by which a cut side is uneven, as a share of the longer side
_DIRECTIONS = {'left': (0, -1), 'right': (0, 1), 'top': (1, -1), 'bottom': (1, 1)}  # of sides: axis and sign


@dataclass(kw_only=True)
class Figure(Pose):
    """A cut-out over time.

    Attributes:
        picture: (h, w, 4) uint8 RGBA, colours multiplied by alpha, with an empty border.
        longest: longer side of the object itself, in pixels of `picture`.
        bend: (T, k, k, 2) displacements of knots over the object, in object coordinates.
        swing: (T,) angle of the legs in radians; empty = the object has no legs that swing.
        hip: height of the hip, as a share of the object's height.
        gain: (T,) brightness.
        blur: length of motion blur, in lengths of the way from the frame before; 0 = none.
        cut: the side that lies outside the frame, '' = none. It is straight: bends move it only along itself.
        role: as in `Clip.roles`.
    """

    picture: np.ndarray
    longest: float
    bend: np.ndarray
    swing: np.ndarray
    hip: float
    gain: np.ndarray
    blur: float = 0.0
    cut: str = ''
    role: str = 'other'

    @property
    def half_size(self) -> np.ndarray:
        """Half of its width and height, in object coordinates."""
        height, width = self.picture.shape[:2]
        border = 2 * round(_MARGIN * self.longest)
        return (np.array([width, height]) - border) / self.longest

    @property
    def lowest(self) -> float:
        """Where it stands in the first frame, in scene units from above."""
        return float(self.position[0, 1] + self.radius[0] * self.half_size[1])

    def pose_in_frame(self, to_pixels: np.ndarray, *, width: int, height: int) -> np.ndarray:
        """The map `to_pixels` (2, 3), moved so far that the cut side lies outside the frame."""
        if not self.cut:
            return to_pixels
        axis, sign = _DIRECTIONS[self.cut]
        ends = np.array([[-1.0, -1.0], [1.0, 1.0]]) * self.half_size
        ends[:, axis] = sign * self.half_size[axis]
        places = transform(ends, to_pixels)[:, axis]
        along = to_pixels[axis, axis] * sign  # below 0: a mirrored figure, whose left side is at the right
        slack = 1 + 2 * (1 / self.longest + _UNEVEN) * abs(along)  # a pixel of the frame, one of the picture, and more
        moved = to_pixels.copy()
        if along < 0:
            moved[axis, 2] -= max(0.0, float(places.max()) + slack)
        else:
            moved[axis, 2] += max(0.0, (width, height)[axis] + slack - float(places.min()))
        return moved

    def paint(
        self, frame: np.ndarray, labels: np.ndarray, *, to_pixels: np.ndarray, way: np.ndarray, time: int, label: int
    ) -> None:
        """Paint it in place.

        Args:
            frame: (H, W, 3) uint8 RGB.
            labels: (H, W) uint8.
            to_pixels: (2, 3) map from object coordinates to pixels.
            way: (2,) pixels it has moved since the frame before, for motion blur.
            time: frame of the scene.
            label: value to write into `labels`.
        """
        smear = self.blur * way
        if self.cut:  # beyond the cut side there is nothing to smear into the frame
            smear[_DIRECTIONS[self.cut][0]] = 0
        paint_picture(
            frame,
            labels,
            picture=self._posed(time),
            longest=self.longest,
            to_pixels=to_pixels,
            bend=self.bend[time],
            gain=float(self.gain[time]),
            smear=smear,
            label=label,
        )

    def cast_shadow(self, frame: np.ndarray, *, to_pixels: np.ndarray, slant: float, darkness: float) -> None:
        """Darken the ground behind its feet in place; `slant` is the direction of the shadow, -1 left to 1 right."""
        silhouette_shadow(
            frame,
            picture=self.picture,
            longest=self.longest,
            to_pixels=to_pixels,
            foot=float(self.half_size[1]),
            slant=slant,
            darkness=darkness,
        )

    def _posed(self, time: int) -> np.ndarray:
        """The picture with swung legs: the far leg, the near leg, and the body over both."""
        if not len(self.swing):
            return self.picture
        height, width = self.picture.shape[:2]
        border = round(_MARGIN * self.longest)
        hip = border + self.hip * (height - 2 * border)
        rows = np.arange(height)[:, None] - hip
        columns = np.arange(width)[None] - width / 2
        below = np.clip(rows / 4 + 0.5, 0, 1)  # a soft seam hides the joint
        apart = np.clip(rows / (_CROTCH * (height - hip)), 0, 1)
        posed = np.zeros_like(self.picture)
        for side in (-1, 1):
            share = below * np.where(side * columns > 0, 1.0, 1 - apart)
            leg = (self.picture * share[..., None]).astype(np.uint8)
            turn = cv2.getRotationMatrix2D((width / 2, hip), float(np.degrees(side * self.swing[time])), 1.0)
            posed = over(cv2.warpAffine(leg, turn, (width, height)), posed)
        return over((self.picture * (1 - np.clip(rows / 4 - 0.5, 0, 1))[..., None]).astype(np.uint8), posed)


def over(front: np.ndarray, back: np.ndarray) -> np.ndarray:
    """One picture before another, both (h, w, 4) uint8 with colours multiplied by alpha."""
    rest = 255 - front[..., 3:].astype(np.uint16)
    return front + ((back * rest + 127) // 255).astype(np.uint8)


def figure(
    rng: np.random.Generator,
    rgba: np.ndarray,
    *,
    position: np.ndarray,
    radius: np.ndarray,
    pixels: float,
    tint: float = 0.0,
    cut: str = '',
    person: bool = False,
    upright: bool = True,
    calm: float = 1.0,
) -> Figure:
    """A cut-out on a given way, with random turning, bending, walking and light.

    Args:
        rng: random numbers.
        rgba: (h, w, 4) uint8.
        position: (T, 2) of its middle.
        radius: (T,) half of its longer side.
        pixels: of a scene unit. A picture much finer than it is shown is made smaller first.
        tint: strength of a change of its colours, 0 to 1.
        cut: the side that lies outside the frame, '' = none. A cut figure is upright, and its legs do not swing.
        person: its legs may swing.
        upright: it does not turn over.
        calm: share of the usual bending and turning.
    """
    time = len(position)
    largest = 2.2 * float(radius.max()) * pixels
    scale = min(1.0, largest / max(rgba.shape[:2]))
    size = [max(2, round(side * scale)) for side in rgba.shape[1::-1]]
    rgb, alpha = rgba[..., :3], rgba[..., 3:].astype(np.uint16)
    if tint > 0:
        rgb = recolour(rng, np.ascontiguousarray(rgb), strength=tint)
    # Colours are multiplied by alpha first: what is hidden in a cut-out must not get into its edges.
    multiplied = np.concatenate([(rgb * alpha + 127) // 255, alpha], axis=2).astype(np.uint8)
    small = cv2.resize(multiplied, size, interpolation=cv2.INTER_AREA)
    border = round(_MARGIN * max(size))
    picture = cv2.copyMakeBorder(small, border, border, border, border, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    walks = person and not cut and rng.random() < 0.8 and rgba.shape[0] > 1.6 * rgba.shape[1]
    pace = rng.uniform(0.25, 0.7)
    stride = rng.uniform(0.1, 0.4) * calm
    phase = rng.uniform(0, 2 * np.pi) + pace * np.arange(time)
    strength = calm * rng.uniform(0, 0.09)
    knots = rng.standard_normal((2, _BEND_KNOTS, _BEND_KNOTS, 2))
    beats = np.stack([smooth_noise(rng, time, period=rng.uniform(6, 20)) for _ in range(2)])
    if cut:
        knots[..., _DIRECTIONS[cut][0]] = 0
    light = rng.uniform(0, 0.12) * (rng.random() < 0.5) * smooth_noise(rng, time, period=12)
    upright = upright or bool(cut)
    turn = 0.0 if upright else rng.uniform(0, 2 * np.pi)
    tumble = calm * (rng.uniform(0, 0.12) if upright else rng.choice((0.1, 0.6)))
    return Figure(
        picture=picture,
        longest=float(max(size)),
        bend=strength * np.einsum('nt,nijk->tijk', beats, knots),
        swing=stride * np.sin(phase) if walks else np.zeros(0),
        hip=rng.uniform(*_HIP),
        gain=rng.uniform(0.75, 1.2) * np.exp(light),
        blur=rng.uniform(0.3, 0.9) * (rng.random() < 0.4),
        cut=cut,
        position=position,
        radius=radius,
        angle=turn + tumble * smooth_noise(rng, time, period=20),
        squash=1 - calm * rng.uniform(0, 0.3) * (0.5 + 0.5 * np.tanh(smooth_noise(rng, time, period=18))),
        mirrored=bool(rng.random() < 0.5),
    )
