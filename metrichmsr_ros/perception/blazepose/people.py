"""Which readings of the landmark network are people, and which of them are the same person."""

from __future__ import annotations

import math

import numpy as np

from metrichmsr_ros.geometry.boxes import inside_image, shared_areas
from metrichmsr_ros.structures import Landmarks

# Set on 36 photographs with known people, a street, and clothes lying on the ground.
MIN_NEW_SCORE = 0.8
_MIN_VISIBILITY = 0.2  # mean of the landmarks
_MIN_NEW_VISIBILITY = 0.4
_MIN_SURE_VISIBILITY = 0.6  # of what is more often a thing than a person: lying, or on a person
_MIN_INSIDE = 0.3  # of the landmarks, inside the image
_MIN_TORSO = 0.05  # from mid-hip to mid-shoulder, of the crop's side
_MAX_SHIFT = 0.05  # of the crop's side, from one reading to the next
_MAX_GROWTH = 0.15  # logarithm of the sides' ratio
_MAX_TILT = math.radians(60)  # of somebody who is not lying

_SHOULDERS, _HIPS = [11, 12], [23, 24]
_SAME_POINT = 0.06  # of the larger crop's side
_SAME_SHARE = 0.3  # of the landmarks, of a new person
_SAME_KNOWN_SHARE = 0.6  # of the landmarks, of two who may just be passing each other
_MIN_PASSING_VISIBILITY = 0.5  # mean of the landmarks, of both of them
_SAME_CENTRE = 0.12  # of the larger crop's side
_SAME_SIZE = 1.6
_PART_INSIDE = 0.8  # of a box's area


def is_person(landmarks: Landmarks, *, width: int, height: int, min_score: float) -> np.ndarray:
    """Tell which readings show a person: by the network's score and by a body that makes sense.

    Args:
        landmarks: N readings.
        width: Image width, pixels.
        height: Image height, pixels.
        min_score: Least score; lower for people who were there in the frame before.

    Returns:
        Mask, (N,) bool.
    """
    points = landmarks.image[..., :2]
    inside = inside_image(points, width=width, height=height)
    torso = points[:, _SHOULDERS].mean(axis=1) - points[:, _HIPS].mean(axis=1)
    return (
        (landmarks.scores >= min_score)
        & (landmarks.visibility.mean(axis=1) >= _MIN_VISIBILITY)
        & (inside.mean(axis=1) >= _MIN_INSIDE)
        & (np.linalg.norm(torso, axis=1) >= _MIN_TORSO * landmarks.rois[:, 2])
    )


def is_new_person(
    landmarks: Landmarks, *, width: int, height: int, min_score: float = MIN_NEW_SCORE
) -> np.ndarray:
    """Tell which readings of a detector's candidates, after two passes or more, show a person.

    Stricter than ``is_person``: the next crop must be the crop that was read, because a crop of a
    part of a person or of a thing wanders from pass to pass. A ``min_score`` below
    ``MIN_NEW_SCORE`` counts as that.

    Returns:
        Mask, (N,) bool.
    """
    shift = np.linalg.norm(landmarks.next_rois[:, :2] - landmarks.rois[:, :2], axis=1)
    sides = landmarks.rois[:, 2]
    lying = np.cos(landmarks.next_rois[:, 3]) < np.cos(_MAX_TILT)
    min_visibility = np.where(lying, _MIN_SURE_VISIBILITY, _MIN_NEW_VISIBILITY)
    return (
        is_person(landmarks, width=width, height=height, min_score=max(min_score, MIN_NEW_SCORE))
        & (landmarks.visibility.mean(axis=1) >= min_visibility)
        & (shift <= _MAX_SHIFT * sides)
        & (np.abs(np.log(landmarks.next_rois[:, 2] / sides)) <= _MAX_GROWTH)
    )


def suppress_duplicates(landmarks: Landmarks, *, num_known: int = 0) -> np.ndarray:
    """Choose one reading of each person among crops that ended up on the same one or on a part.

    Args:
        landmarks: N readings of people.
        num_known: The first ones are people known already: they win over the others.

    Returns:
        Ascending indices of the readings to keep, integers.
    """
    if not 0 <= num_known <= len(landmarks):
        raise ValueError(f'num_known is {num_known}, must be within 0..{len(landmarks)}')
    quality = landmarks.scores * landmarks.visibility.mean(axis=1)
    quality[:num_known] += 2
    same = _same_person(landmarks, num_known)
    kept: list[int] = []
    for i in np.argsort(-quality, kind='stable'):
        if not same[i, kept].any():
            kept.append(int(i))
    kept.sort()
    part = _part_of_person(landmarks)
    return np.array([i for i in kept if i < num_known or not part[i, kept].any()], int)


def _same_person(landmarks: Landmarks, num_known: int) -> np.ndarray:
    """Tell for each pair whether it shows one person, (N, N) bool.

    It does where enough landmarks coincide, or where crops of alike size have the same mid-hip.
    Two who are known may just be passing each other, and coincide less. But who is hidden is read
    off the other, and not clearly: he is taken for hidden.
    """
    points = landmarks.image[..., :2]
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    larger, alike = _sizes(landmarks)
    share = (apart < _SAME_POINT * larger[..., None]).mean(axis=-1)
    centres = points[:, _HIPS].mean(axis=1)
    centres_apart = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    same = ((share > _SAME_SHARE) | (centres_apart < _SAME_CENTRE * larger)) & alike
    visibility = landmarks.visibility.mean(axis=1)
    passing = np.minimum.outer(visibility, visibility) >= _MIN_PASSING_VISIBILITY
    known = slice(num_known)
    same[known, known] &= ~passing[known, known]
    same[known, known] |= share[known, known] > _SAME_KNOWN_SHARE
    return same


def _part_of_person(landmarks: Landmarks) -> np.ndarray:
    """Tell for each reading and each other one whether it is a misread part of that, (N, N) bool.

    Somebody far away is seen in front of a near person's box too: such a small one counts when all
    of it is plainly visible.
    """
    boxes = landmarks.boxes.astype(np.float64)
    sizes = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    inside = shared_areas(boxes, boxes) >= _PART_INSIDE * sizes[:, None]
    unsure = landmarks.visibility.mean(axis=1) < _MIN_SURE_VISIBILITY
    return inside & (sizes[:, None] < sizes[None]) & (_sizes(landmarks)[1] | unsure[:, None])


def _sizes(landmarks: Landmarks) -> tuple[np.ndarray, np.ndarray]:
    """Side of the larger crop of each pair, and whether both are of alike size, (N, N) each."""
    sides = landmarks.next_rois[:, 2]
    larger = np.maximum.outer(sides, sides)
    return larger, larger < _SAME_SIZE * np.minimum.outer(sides, sides)
