"""Where, and by what else than its error, a scene's depth is judged; pure functions on arrays.

Regions are masks (H, W); a seam is where people and scene meet, the floor beside their soles;
flicker is what moves in a room that stands still.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from metrichmsr_ros.geometry.mesh_depth import MeshDepth
from metrichmsr_ros.perception.anchors import contact_anchors
from metrichmsr_ros.structures import DepthImage, People

DISTANCE_BINS_M = ((0.0, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, np.inf))
NEAR_PEOPLE = 1.0  # metres from somebody's surface
BESIDE = 0.0125  # of the image's width: how far from a sole the floor is still beside it
MIN_BESIDE = 10  # pixels of floor beside somebody's soles


def distance_regions(true_z: np.ndarray) -> dict[str, np.ndarray]:
    """Return the pixels, (H, W) bool, of each bin of true depth (H, W), metres."""
    return {
        f'{near:g}-{far:g}m' if np.isfinite(far) else f'{near:g}m+': (true_z >= near)
        & (true_z < far)
        for near, far in DISTANCE_BINS_M
    }


def near_surface(
    points: np.ndarray, surface: np.ndarray, *, reach: float = NEAR_PEOPLE
) -> np.ndarray:
    """Tell which points lie near a surface, (H, W) bool.

    Args:
        points: (H, W, 3), metres, NaN where unknown.
        surface: Points of it, (K, 3), metres.
        reach: How near, metres.
    """
    near = np.zeros(points.shape[:2], bool)
    if not len(surface):
        return near
    with np.errstate(invalid='ignore'):
        low, high = surface.min(0) - reach, surface.max(0) + reach
        about = ((points > low) & (points < high)).all(-1)
    distance, _ = cKDTree(surface).query(points[about], distance_upper_bound=reach)
    near[about] = np.isfinite(distance)
    return near


@dataclass(frozen=True)
class Contacts:
    """C pixels of floor beside people's soles.

    Attributes:
        row: (C,) integers.
        column: (C,) integers.
        sole_z: Depth of the soles beside them, (C,), metres.
        person: Whose they are, (C,) integers.
    """

    row: np.ndarray
    column: np.ndarray
    sole_z: np.ndarray
    person: np.ndarray


def find_contacts(
    people: People, mesh: MeshDepth, plane: DepthImage, floor: np.ndarray
) -> Contacts:
    """Find where people stand in the image.

    Beside means in the same rows, where a floor is as far as the sole is.

    Args:
        people: Estimated people.
        mesh: Depth of their visible surfaces, (H, W).
        plane: True depth of the whole floor, also behind what stands on it.
        floor: Where it is truly seen, (H, W) bool.
    """
    soles = contact_anchors(plane, people, mesh)
    free = floor & (mesh.person < 0)
    width = 2 * round(BESIDE * floor.shape[1]) + 1
    found = []
    for person in np.unique(soles.person):
        own = soles.select(soles.person == person)
        count, total = (
            _spread(values, own.row, own.column, floor.shape, width)
            for values in (np.ones(len(own)), own.mesh_z)
        )
        row, column = np.nonzero(free & (count > 0.5))
        if len(row) >= MIN_BESIDE:
            sole_z = total[row, column] / count[row, column]
            found.append((row, column, sole_z, np.full(len(row), person)))
    nobody = (np.empty(0, int), np.empty(0, int), np.empty(0), np.empty(0, int))
    return Contacts(*(np.concatenate(parts) for parts in zip(nobody, *found, strict=True)))


def _spread(
    values: np.ndarray, row: np.ndarray, column: np.ndarray, shape: tuple[int, ...], width: int
) -> np.ndarray:
    """Return the sum of the values (K,) within each window of one row, (H, W)."""
    image = np.zeros(shape)
    np.add.at(image, (row, column), values)
    return cv2.boxFilter(image, -1, (width, 1), normalize=False, borderType=cv2.BORDER_CONSTANT)


def seam_error(depth_z: np.ndarray, contacts: Contacts) -> float:
    """Return how far the floor is from the soles on it, metres; NaN where nobody stands.

    Each person counts once, with the median over the floor beside him.

    Args:
        depth_z: Depth of the scene, (H, W), metres, NaN where unknown.
        contacts: Where people stand.
    """
    gap = depth_z[contacts.row, contacts.column] - contacts.sole_z
    known = np.isfinite(gap)
    gaps = [
        abs(float(np.median(gap[known & (contacts.person == person)])))
        for person in np.unique(contacts.person[known])
    ]
    return float(np.mean(gaps)) if gaps else float('nan')


def flicker(
    before_z: np.ndarray,
    depth_z: np.ndarray,
    *,
    true_before_z: np.ndarray,
    true_z: np.ndarray,
    static: np.ndarray,
) -> float:
    """Return how much depth changes from one frame to the next beyond what truly changes.

    Args:
        before_z: Depth in the frame before, (H, W), metres, NaN where unknown.
        depth_z: Depth, (H, W).
        true_before_z: True depth then, (H, W).
        true_z: True depth, (H, W).
        static: Pixels of the static scene in both, (H, W) bool.

    Returns:
        Mean absolute difference of the changes of the logarithm; NaN where nothing is known.
    """
    images = [values[static] for values in (depth_z, before_z, true_z, true_before_z)]
    with np.errstate(invalid='ignore', divide='ignore'):
        now, before, true, true_before = (np.log(values.astype(np.float64)) for values in images)
    change = np.abs((now - before) - (true - true_before))
    change = change[np.isfinite(change)]
    return float(change.mean()) if change.size else float('nan')
