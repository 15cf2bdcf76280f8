"""Paints textured outlines into a frame and its label map, and degrades frames as cameras do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from sam2_ros.synthetic.motion import smooth_noise
from sam2_ros.synthetic.textures import TILE

_SHIFT = 4  # fractional bits of outline coordinates
_LEAST_BLUR = 0.6  # pixels to each side; less motion blur is not drawn
_NOISE_SIDE = 256  # pixels, side of the table that noise is cut from

# From tile coordinates to object coordinates [-1.15, 1.15]: textures reach a little beyond the outline.
TILE_TO_OBJECT = np.array([[2.3 / TILE, 0, -1.15], [0, 2.3 / TILE, -1.15]])


def transform(points: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Apply a (2, 3) affine map to points (V, 2)."""
    return points @ affine[:, :2].T + affine[:, 2]


def compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """The (2, 3) map that applies `inner`, then `outer`."""
    return np.hstack([outer[:, :2] @ inner[:, :2], (outer[:, :2] @ inner[:, 2] + outer[:, 2])[:, None]])


def _region(points: np.ndarray, height: int, width: int) -> tuple[int, int, int, int] | None:
    """The smallest pixel window (x0, y0, x1, y1) around points, cut to the frame; None outside the frame."""
    (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
    x0, y0 = max(int(left) - 1, 0), max(int(top) - 1, 0)
    x1, y1 = min(int(right) + 3, width), min(int(bottom) + 3, height)
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _coverage(outlines: list[np.ndarray], region: tuple[int, int, int, int], hollow: bool) -> np.ndarray:
    """Antialiased coverage (h, w, 1) of a region by outlines: uint16 in 0..256."""
    x0, y0, x1, y1 = region
    alpha = np.zeros((y1 - y0, x1 - x0), np.uint8)
    origin = np.array((x0 + 0.5, y0 + 0.5))
    fixed = [((points - origin) * (1 << _SHIFT)).astype(np.int32) for points in outlines]
    for group in [fixed] if hollow else [[points] for points in fixed]:
        cv2.fillPoly(alpha, group, 255, cv2.LINE_AA, _SHIFT)
    wide: np.ndarray = alpha[..., None].astype(np.uint16)
    wide += wide >> 7
    return wide


def paint(
    frame: np.ndarray,
    labels: np.ndarray | None,
    *,
    outlines: list[np.ndarray],
    tile: np.ndarray,
    tile_to_pixels: np.ndarray,
    label: int,
    hollow: bool = False,
) -> None:
    """Paint one part in place: its texture into `frame`, and its label where it covers more than half a pixel.

    Args:
        frame: (H, W, 3) uint8.
        labels: (H, W) uint8; None paints no label.
        outlines: (V, 2) float pixels each; pixel centres are at half-integers.
        tile: the texture, (TILE, TILE, 3) uint8.
        tile_to_pixels: (2, 3) affine map.
        label: value to write into `labels`.
        hollow: outlines make holes where they overlap.
    """
    region = _region(outlines[0] if len(outlines) == 1 else np.concatenate(outlines), *frame.shape[:2])
    if region is None:
        return
    x0, y0, x1, y1 = region
    weight = _coverage(outlines, region, hollow)
    local = tile_to_pixels.copy()
    local[:, 2] -= (x0 + 0.5, y0 + 0.5)
    cover = cv2.warpAffine(tile, local, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    patch = frame[y0:y1, x0:x1]
    patch[...] = (cover * weight + patch * (256 - weight)) >> 8
    if labels is not None:
        labels[y0:y1, x0:x1][weight[..., 0] > 127] = label


def shade(frame: np.ndarray, *, outline: np.ndarray, darkness: float) -> None:
    """Darken the inside of an outline in place: a shadow, which belongs to no object.

    Args:
        frame: (H, W, 3) uint8.
        outline: (V, 2) float pixels.
        darkness: share of the light that is taken, in [0, 1].
    """
    region = _region(outline, *frame.shape[:2])
    if region is None:
        return
    x0, y0, x1, y1 = region
    weight = (darkness * _coverage([outline], region, False)).astype(np.uint16)
    patch = frame[y0:y1, x0:x1]
    patch[...] = (patch * (256 - weight)) >> 8


def paint_picture(
    frame: np.ndarray,
    labels: np.ndarray,
    *,
    picture: np.ndarray,
    longest: float,
    to_pixels: np.ndarray,
    bend: np.ndarray,
    gain: float,
    smear: np.ndarray,
    label: int,
) -> None:
    """Paint a cut-out in place, and its label where it covers more than half a pixel.

    Args:
        frame: (H, W, 3) uint8.
        labels: (H, W) uint8.
        picture: (h, w, 4) uint8 RGBA, colours multiplied by alpha; its middle is (0, 0) of object coordinates.
        longest: pixels of the picture from -1 to 1 of object coordinates.
        to_pixels: (2, 3) map from object coordinates to pixels.
        bend: (k, k, 2) displacements in object coordinates, at knots evenly spaced over [-1, 1].
        gain: brightness, 1 = unchanged.
        smear: (2,) length and direction of motion blur in pixels.
        label: value to write into `labels`.
    """
    rows, columns = picture.shape[:2]
    corners = np.array([[-columns, -rows], [columns, -rows], [columns, rows], [-columns, rows]]) / longest
    reach = float(np.abs(smear).max()) / 2
    around = int(np.ceil(reach)) if reach > _LEAST_BLUR else 0  # what is outside the frame is smeared into it
    outline = transform(corners, to_pixels) + around
    height, width = frame.shape[:2]
    region = _region(np.concatenate([outline - reach, outline + reach]), height + 2 * around, width + 2 * around)
    if region is None:
        return
    x0, y0, x1, y1 = (bound - around for bound in region)
    shape = (x1 - x0, y1 - y0)
    local = to_pixels.copy()
    local[:, 2] -= (x0 + 0.5, y0 + 0.5)
    back = _inverse(local)
    knots = len(bend) - 1
    knots_to_pixels = compose(local, np.array([[2 / knots, 0, -1], [0, 2 / knots, -1]]))
    shift = cv2.warpAffine(
        bend.astype(np.float32), knots_to_pixels, shape, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    y, x = np.mgrid[: shape[1], : shape[0]].astype(np.float32)
    half = longest / 2
    map_x = half * (back[0, 0] * x + back[0, 1] * y + back[0, 2] + shift[..., 0]) + (columns - 1) / 2
    map_y = half * (back[1, 0] * x + back[1, 1] * y + back[1, 2] + shift[..., 1]) + (rows - 1) / 2
    cover = cv2.remap(picture, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR)
    if around:
        cover = cv2.filter2D(cover, -1, _line_kernel(smear), borderType=cv2.BORDER_CONSTANT)
    inside = (slice(max(y0, 0), max(y1, 0)), slice(max(x0, 0), max(x1, 0)))
    patch = frame[inside]
    cover = cover[max(-y0, 0) :, max(-x0, 0) :][: patch.shape[0], : patch.shape[1]]
    rest = 255 - cover[..., 3:].astype(np.uint16)
    lit = np.minimum(cover[..., :3] * np.float32(gain), cover[..., 3:])
    patch[...] = lit.astype(np.uint8) + ((patch * rest + 127) // 255).astype(np.uint8)
    labels[inside][cover[..., 3] > 127] = label


def silhouette_shadow(
    frame: np.ndarray,
    *,
    picture: np.ndarray,
    longest: float,
    to_pixels: np.ndarray,
    foot: float,
    slant: float,
    darkness: float,
) -> None:
    """Darken the ground in place by the flattened, blurred outline of a cut-out that stands on it.

    Args:
        frame: (H, W, 3) uint8.
        picture, longest, to_pixels: as for `paint_picture`.
        foot: y of its feet, in object coordinates.
        slant: direction and length of the shadow, -1 to 1, in heights of the object.
        darkness: share of the light that is taken, in [0, 1].
    """
    rows, columns = picture.shape[:2]
    height, width = frame.shape[:2]
    scale = 2 / longest
    to_object = np.array([[scale, 0, -columns / longest], [0, scale, -rows / longest]])
    flat = np.array([[1, -slant, slant * foot], [0, 0.25, 0.75 * foot]])  # turned down about the feet
    cover = cv2.warpAffine(picture[..., 3], compose(to_pixels, compose(flat, to_object)), (width, height))
    if not cover.any():
        return
    cover = cv2.blur(cover, (5, 5))
    frame[...] = cv2.multiply(frame, cv2.merge([255 - (darkness * cover).astype(np.uint8)] * 3), scale=1 / 255)


def _inverse(affine: np.ndarray) -> np.ndarray:
    linear = np.linalg.inv(affine[:, :2])
    return np.hstack([linear, (-linear @ affine[:, 2])[:, None]])


def _line_kernel(smear: np.ndarray) -> np.ndarray:
    """Kernel that spreads a pixel evenly along a line."""
    side = 2 * int(np.ceil(np.abs(smear).max() / 2)) + 1
    middle = np.array([side // 2, side // 2])
    ends = np.round(np.stack([middle - smear / 2, middle + smear / 2]) * 16).astype(int)
    kernel = np.zeros((side, side), np.uint8)
    cv2.line(kernel, ends[0].tolist(), ends[1].tolist(), 255, 1, cv2.LINE_AA, 4)
    weights: np.ndarray = kernel / kernel.sum()
    return weights


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """The image after lossy compression."""
    _, packed = cv2.imencode('.jpg', image, (cv2.IMWRITE_JPEG_QUALITY, quality))
    decoded = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    assert decoded is not None, 'OpenCV reads what it wrote'
    return decoded


@dataclass(frozen=True)
class Degradation:
    """What a camera does to the frames of a clip.

    Attributes:
        gain: (T,) brightness of each frame, 1 = unchanged.
        gamma: exponent of the tone curve, 1 = unchanged.
        shadow: (H, W, 3) uint8 multiplier of all frames, 255 = unchanged; or None.
        blur: standard deviation in pixels.
        noise: table of grey-value offsets; or None.
        quality: of JPEG compression; 0 = no compression.
        shrink: share of the resolution that is kept, up to 1.
    """

    gain: np.ndarray
    gamma: float
    shadow: np.ndarray | None
    blur: float
    noise: np.ndarray | None
    quality: int
    shrink: float

    def apply(self, image: np.ndarray, rng: np.random.Generator, *, frame: int) -> np.ndarray:
        """The degraded frame (H, W, 3) uint8. `frame` is its number; `rng` draws the noise."""
        height, width = image.shape[:2]
        if self.shrink < 1:
            small = cv2.resize(image, None, fx=self.shrink, fy=self.shrink, interpolation=cv2.INTER_AREA)
            image = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
        if self.blur > 0:
            image = cv2.GaussianBlur(image, (0, 0), self.blur)
        if self.shadow is not None:
            image = cv2.multiply(image, self.shadow, scale=1 / 255)
        ramp = (np.arange(256) / 255) ** self.gamma * 255 * self.gain[frame]
        image = cv2.LUT(image, np.clip(ramp, 0, 255).astype(np.uint8))
        if self.noise is not None:
            y, x = rng.integers(0, _NOISE_SIDE - 1, 2)
            tiled = np.take(
                np.take(self.noise, np.arange(y, y + height) % _NOISE_SIDE, axis=0),
                np.arange(x, x + width) % _NOISE_SIDE,
                axis=1,
            )
            image = cv2.add(image, tiled, dtype=cv2.CV_8U)
        return jpeg(image, self.quality) if self.quality else image


@lru_cache(maxsize=1)
def _noise_table() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((_NOISE_SIDE, _NOISE_SIDE, 3)).astype(np.float32)


def random_degradation(
    rng: np.random.Generator, frames: int, *, height: int, width: int, strength: float
) -> Degradation:
    """Draw lighting, shadows, blur, noise, loss of resolution and compression for a clip.

    Args:
        rng: random numbers.
        frames: number of frames.
        height, width: of a frame in pixels.
        strength: 0 changes nothing, 1 is usual.
    """

    def happens(probability: float) -> bool:
        return bool(rng.random() < probability * min(strength, 1.0))

    light = happens(0.5) * rng.uniform(0.0, 0.15) * smooth_noise(rng, frames, period=12)
    shadow = None
    if happens(0.3):
        field = cv2.resize(
            rng.uniform(0.4, 1.0, (4, 4)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
        )
        shadow = np.repeat((np.clip(field, 0.3, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)
    noise = None
    if happens(0.5):
        deviation = rng.uniform(1, 12)
        noise = (deviation * _noise_table()).astype(np.int16)
    return Degradation(
        gain=np.exp(light) * (rng.uniform(0.7, 1.25) if happens(0.6) else 1.0),
        gamma=rng.uniform(0.7, 1.4) if happens(0.4) else 1.0,
        shadow=shadow,
        blur=rng.uniform(0.4, 1.2) if happens(0.35) else 0.0,
        noise=noise,
        quality=int(rng.integers(25, 90)) if happens(0.4) else 0,
        shrink=rng.uniform(0.5, 0.9) if happens(0.25) else 1.0,
    )
