"""Pixels at which both a depth image and the people's meshes say how far the same thing is."""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import MeshDepth
from metrichmsr_ros.structures import DepthImage, People

SOLE_THICKNESS = 0.03  # m above the lowest vertex that still count as touching the floor
# One sigma of what is known beforehand of a person's distance from one camera, over it.
PERSON_SIGMA = 0.06
LEAST_SIGMA = 0.03
EDGE_PX = 2.0  # mesh and person disagree along the outline, however sure the pose is
EDGE_SHARE = 0.5  # of the way to somebody's middle, which remains however unsure his place is
SENSOR_PIXELS = 5000  # of a sensor's that are looked at, about
SENSOR_BLOCKS = (12, 16)  # of the image, down and across; each counts as a person does
REGION_SIGMA = 0.06  # of a prior's own error in such a block, beside which a sensor has none
FLOOR_GATE = 0.3  # relative difference beyond which a sensor does not see the floor that is meant


@dataclass(frozen=True)
class Anchors:
    """A pixels.

    Attributes:
        prior_z: What the depth image says, (A,), in its unit.
        mesh_z: What the people say, (A,), metres.
        person: Whose pixel it is, (A,) integers; negative for a sensor's.
        row: (A,) integers.
        column: (A,) integers.
        sigma: One sigma of the relative error that those of one person share, (A,).
    """

    prior_z: np.ndarray
    mesh_z: np.ndarray
    person: np.ndarray
    row: np.ndarray
    column: np.ndarray
    sigma: np.ndarray

    def __len__(self) -> int:
        return len(self.prior_z)

    def select(self, mask: np.ndarray) -> Anchors:
        """Return those for which ``mask`` (A,) is true."""
        return Anchors(*(getattr(self, item.name)[mask] for item in fields(self)))

    def concatenate(self, other: Anchors) -> Anchors:
        """Return these and then those of ``other``."""
        names = [item.name for item in fields(self)]
        pairs = [(getattr(self, name), getattr(other, name)) for name in names]
        return Anchors(*(np.concatenate(pair) for pair in pairs))

    @property
    def share(self) -> np.ndarray:
        """What each counts, (A,): however many a person has, they share one error of his distance.

        Those of one person sum to 1.
        """
        _, index, counts = np.unique(self.person, return_inverse=True, return_counts=True)
        return 1.0 / counts[index]


def distance_sigmas(people: People) -> np.ndarray:
    """Return one sigma of each one's distance, over it, (N,).

    It is never below ``LEAST_SIGMA``: whose every image errs alike errs more than a filter knows.
    """
    along, _ = _variances(people)
    sigma = np.sqrt(along) / np.linalg.norm(people.pelvis.astype(np.float64), axis=1)
    return np.where(np.isfinite(sigma), np.maximum(sigma, LEAST_SIGMA), PERSON_SIGMA)


def outline_margins(people: People, camera: Camera) -> np.ndarray:
    """Return how far from each one's outline it is sure to be inside it, (N,), pixels.

    One sigma of his place across the line of sight, the mean of both directions, and never below
    ``EDGE_PX``.
    """
    _, across = _variances(people)
    focal = np.sqrt(camera.K[0, 0] * camera.K[1, 1])
    pixels = np.sqrt(across) * focal / people.pelvis[:, 2].astype(np.float64)
    return np.where(np.isfinite(pixels), np.maximum(pixels, EDGE_PX), EDGE_PX)


def _variances(people: People) -> tuple[np.ndarray, np.ndarray]:
    """Return each one's variance along the line of sight and the mean across it, (N,), m²."""
    pelvis = people.pelvis.astype(np.float64)
    ray = pelvis / np.linalg.norm(pelvis, axis=1, keepdims=True)
    covariance = people.pelvis_covariance.astype(np.float64)
    along = np.einsum('ni,nij,nj->n', ray, covariance, ray)
    across = (np.trace(covariance, axis1=1, axis2=2) - along) / 2
    return np.maximum(along, 0), np.maximum(across, 0)


def people_anchors(prior: DepthImage, people: People, mesh: MeshDepth) -> Anchors:
    """Return the people's surfaces where the prior sees people, else where they stand on it.

    Args:
        prior: Depth on the camera that the people were cast with.
        people: N people.
        mesh: Depth of their visible surfaces, (H, W); ``mesh.person`` indexes ``people``.
    """
    if prior.sees_people:
        edge = outline_margins(people, prior.camera)
        return surface_anchors(prior.depth_z, mesh, distance_sigmas(people), edge=edge)
    return contact_anchors(prior, people, mesh)


def sensor_anchors(prior: DepthImage, sensor_z: np.ndarray) -> Anchors:
    """Return pixels that a sensor knows, spread over the image.

    What a prior gets wrong it gets wrong for whole regions: each block of the image counts once,
    as a person does, however many pixels of it the sensor knows. Of a floor only what may be that
    floor counts, and not what stands on it.

    Args:
        prior: Depth on the sensor's pixels.
        sensor_z: (H, W), metres, NaN where unknown.
    """
    height, width = sensor_z.shape
    step = max(1, round((sensor_z.size / SENSOR_PIXELS) ** 0.5))
    rows, columns = np.arange(step // 2, height, step), np.arange(step // 2, width, step)
    row, column = (x.ravel() for x in np.meshgrid(rows, columns, indexing='ij'))
    down, across = SENSOR_BLOCKS
    block = row * down // height * across + column * across // width
    sigma = np.full(len(row), REGION_SIGMA)
    anchors = Anchors(
        prior.depth_z[row, column], sensor_z[row, column], -1 - block, row, column, sigma
    )
    with np.errstate(invalid='ignore', divide='ignore'):
        known = (anchors.prior_z > 0) & (anchors.mesh_z > 0)
        near = np.abs(anchors.mesh_z / anchors.prior_z - 1) < FLOOR_GATE
    return anchors.select(known & (near | prior.sees_people))


def surface_anchors(
    prior_z: np.ndarray,
    mesh: MeshDepth,
    sigmas: np.ndarray,
    *,
    edge: np.ndarray | float = EDGE_PX,
) -> Anchors:
    """Return the pixels well inside the people's outlines.

    Args:
        prior_z: Depth that sees people, (H, W), NaN where unknown.
        mesh: Depth of their visible surfaces, (H, W).
        sigmas: As from ``distance_sigmas``, of the people whom ``mesh.person`` indexes, (N,).
        edge: Pixels along the outlines that are left out, of each (N,) or of all. What is above
            ``EDGE_PX`` only as far as ``EDGE_SHARE`` of the person's thickest part.
    """
    row, column = np.nonzero((mesh.person >= 0) & np.isfinite(prior_z) & (prior_z > 0))
    owner = mesh.person[row, column]
    inside = _inside_outlines(mesh.person)[row, column]
    thickest = np.array([inside[owner == i].max(initial=0) for i in range(len(sigmas))])
    least = np.minimum(edge, EDGE_PX)
    kept = inside >= np.clip(EDGE_SHARE * thickest, least, edge).astype(np.float32)[owner]
    row, column, owner = row[kept], column[kept], owner[kept]
    return Anchors(
        prior_z[row, column], mesh.depth_z[row, column], owner, row, column, sigmas[owner]
    )


def _inside_outlines(person: np.ndarray) -> np.ndarray:
    """Return how many pixels lie between each and the nearest that is not of the same person."""
    kernel = np.ones((3, 3), np.uint8)
    outline = (cv2.erode(person, kernel) != person) | (cv2.dilate(person, kernel) != person)
    return cv2.distanceTransform((~outline).astype(np.uint8), cv2.DIST_C, 3)


def contact_anchors(prior: DepthImage, people: People, mesh: MeshDepth) -> Anchors:
    """Return where people stand: of the floor that is the prior, and of their soles.

    Only soles inside the image and not behind somebody else count.

    Args:
        prior: Depth of a floor, which does not see people.
        people: N people.
        mesh: Depth of their visible surfaces, (H, W).
    """
    integers = np.empty(0, int)
    found = [(np.empty(0), np.empty(0), integers, integers, integers, np.empty(0))]
    sigmas = distance_sigmas(people)
    down = _floor_normal(prior)
    for i, vertices in enumerate(people.vertices.astype(np.float64)):
        soles = sole_points(vertices, down)
        pixels = prior.camera.project(soles)
        in_view = np.isfinite(pixels).all(axis=1)
        soles, (u, v) = soles[in_view], np.rint(pixels[in_view]).astype(int).T
        inside = (u >= 0) & (u < prior.camera.width) & (v >= 0) & (v < prior.camera.height)
        soles, u, v = soles[inside], u[inside], v[inside]
        free = np.isin(mesh.person[v, u], (-1, i)) & np.isfinite(prior.depth_z[v, u])
        u, v = u[free], v[free]
        found.append(
            (
                prior.depth_z[v, u],
                soles[free, 2],
                np.full(len(u), i),
                v,
                u,
                np.full(len(u), sigmas[i]),
            )
        )
    return Anchors(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def sole_points(vertices: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Return what of a person may touch the floor, (S, 3).

    Args:
        vertices: (V, 3), metres.
        down: Unit vector straight down, (3,).
    """
    below = vertices @ down
    return vertices[below > below.max() - SOLE_THICKNESS]


def _floor_normal(prior: DepthImage) -> np.ndarray:
    """Return the unit vector, (3,), that points straight down on the flat floor ``prior``."""
    step = max(1, prior.depth_z.shape[0] // 32)
    points = prior.camera.pixel_rays()[::step, ::step] * prior.depth_z[::step, ::step, None]
    points = points[np.isfinite(points).all(axis=-1)].astype(np.float64)
    normal = np.linalg.lstsq(points, np.ones(len(points)), rcond=None)[0]
    return normal / max(np.linalg.norm(normal), 1e-9)
