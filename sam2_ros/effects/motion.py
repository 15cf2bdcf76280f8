"""How the camera moved between two frames, from what stands still."""

from __future__ import annotations

import cv2
import numpy as np

_MOST_CORNERS = 400
_LEAST_MATCHES = 12  # fewer say nothing about a homography
_QUALITY, _DISTANCE = 0.01, 8  # of corners: share of the best one, pixels from each other
_BACK = 1.0  # pixels; a corner that is followed there and back has to come home this near
_OUTLIER = 1.5  # pixels
_MOST_ZOOM = 8.0  # determinant of a homography, above which (or below its inverse) it is no motion of a camera
_STILL = 0.15  # pixels; a camera that moved less stands still, and nothing is resampled


def camera_motion(before: np.ndarray, after: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """The homography (3, 3) float64 that takes pixels of one grey image to another: identity if it cannot be told.

    Corners are followed from one image to the other, and most of them have to move alike. This is right for a camera
    that turns or zooms, for a flat background, and for one that is far away. Pixel centres are whole numbers.

    Args:
        before, after: (H, W) uint8.
        ground: (H, W) bool, where `before` shows what stands still.
    """
    corners = cv2.goodFeaturesToTrack(before, _MOST_CORNERS, _QUALITY, _DISTANCE, mask=ground.astype(np.uint8))
    if corners is None or len(corners) < _LEAST_MATCHES:
        return np.eye(3)
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, np.empty_like(corners))
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(after, before, there, np.empty_like(corners))
    home = np.linalg.norm(back - corners, axis=2).ravel() < _BACK
    good = home & (found.ravel() == 1) & (found_back.ravel() == 1)
    if good.sum() < _LEAST_MATCHES:
        return np.eye(3)
    motion, inliers = cv2.findHomography(corners[good], there[good], cv2.RANSAC, _OUTLIER)
    if motion is None or inliers.sum() < _LEAST_MATCHES or not 1 / _MOST_ZOOM < np.linalg.det(motion) < _MOST_ZOOM:
        return np.eye(3)
    return np.eye(3) if stands_still(motion, (before.shape[0], before.shape[1])) else motion


def stands_still(motion: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether a homography moves no corner of an image of this (height, width) by more than a fraction of a pixel."""
    height, width = size
    corners = np.array([[[0, 0]], [[width - 1, 0]], [[0, height - 1]], [[width - 1, height - 1]]], np.float64)
    return bool(np.abs(cv2.perspectiveTransform(corners, motion) - corners).max() < _STILL)
