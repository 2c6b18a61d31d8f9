"""How far a depth sensor sees people: its depth against their meshes, pixel by pixel.

The pixels of a mesh show the person, but also what stands before him, what is behind where the
mesh is larger than he is, and nothing. What the person's own surface measures lies together within
the depth of a body; the rest does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import MeshDepth, MeshRaycaster
from metrichmsr_ros.perception.track_filter import known_covariance
from metrichmsr_ros.stamps import NS_PER_S
from metrichmsr_ros.structures import DepthImage, People, TrackState

COARSE_WIDTH = 160  # pixels: enough of a person, and a cast of a millisecond
MAX_AGE = 0.1  # s between image and depth; a walking person has moved by more than it measures
MIN_PIXELS = 15  # of the coarse image
WINDOW = 0.2  # m within which the errors of one surface lie
MIN_SHARE = 0.5  # of a person's measured pixels that must agree
MAX_BEHIND = 0.35  # of them that may lie behind: else what agrees stands before the person
MIN_COVERAGE = 0.25  # of a person's pixels that must be measured and agree
GATE = 3.0  # sigmas of the estimate within which the person is looked for
MARGIN = 0.3  # m, beside that
TRUNK = 0.5  # m about the pelvis: hips, trunk below the shoulders, upper thighs
MIN_TRUNK = 0.2  # of a person's pixels
# One sigma: what clothes and pose put between skin and mesh, then the sensor's, m and m / m².
SURFACE_SIGMA, SENSOR_SIGMA, SENSOR_SLOPE = 0.03, 0.005, 0.0025
UNKNOWN_SPEED = 1.0  # m/s


@dataclass(frozen=True)
class DepthReading:
    """What a sensor, or the floor, says about N people.

    Attributes:
        log_ratio: Log of measured over estimated distance of the pelvis, (N,); NaN where nothing
            is measured.
        variance: Of the error of ``log_ratio`` that is this frame's alone, (N,).
        causes: Of a floor: how much ``log_ratio`` changes with the states of ``PersonScale``,
            (N, 4); None for a sensor.
    """

    log_ratio: np.ndarray
    variance: np.ndarray
    causes: np.ndarray | None = None


class PersonDepth:
    """Reads people's distances from measured depth.

    Args:
        raycaster: Casts their meshes.
    """

    def __init__(self, raycaster: MeshRaycaster) -> None:
        self._raycaster = raycaster
        self._cameras: tuple[Camera, Camera] | None = None

    def read(self, people: People, depth: DepthImage, stamp: int) -> DepthReading:
        """Compare people's surfaces with measured depth.

        Args:
            people: N people; predicted ones have no pixels and are not read.
            depth: Measured, on the camera of the people's image.
            stamp: Of that image, ns.
        """
        count = len(people)
        reading = DepthReading(np.full(count, np.nan), np.full(count, np.nan))
        age = 0.0 if depth.stamp is None else abs(stamp - depth.stamp) / NS_PER_S
        seen = [i for i in range(count) if people.states[i] != TrackState.PREDICTED]
        if age > MAX_AGE or not seen:
            return reading
        coarse = self._coarse(depth.camera)
        mesh = self._raycaster.cast(people.vertices[seen], coarse)
        behind = _sampled(depth.depth_z, coarse) - mesh.depth_z
        sigmas = _sigmas(people)
        for k, i in enumerate(seen):
            pixels = near_pelvis(mesh, k, people.pelvis[i], coarse)
            offset = surface_offset(behind[pixels], reach=GATE * sigmas[i] + MARGIN)
            if offset is None:
                continue
            z = float(people.pelvis[i, 2])
            reading.log_ratio[i] = np.log(max(1.0 + offset / z, 1e-3))
            moved = age * _speed(people.velocities[i])
            sensor = SENSOR_SIGMA + SENSOR_SLOPE * z * z
            reading.variance[i] = (SURFACE_SIGMA**2 + sensor**2 + moved**2) / z**2
        return reading

    def _coarse(self, camera: Camera) -> Camera:
        """Return the same camera with large pixels, kept for the next image."""
        if self._cameras is None or self._cameras[0] != camera:
            shrink = max(1, round(camera.width / COARSE_WIDTH))
            size = max(1, camera.width // shrink), max(1, camera.height // shrink)
            self._cameras = camera, camera.resized(*size)
        return self._cameras[1]


def near_pelvis(mesh: MeshDepth, person: int, pelvis: np.ndarray, camera: Camera) -> np.ndarray:
    """Return the pixels of a person's surface that tell where the pelvis is, (H, W) bool.

    An arm or a leg may be posed wrong in depth by more than a sensor errs, and says little about
    the pelvis. Where hardly anything near it is seen, it is all of the person.

    Args:
        mesh: Of the people, (H, W).
        person: Whose surface.
        pelvis: His, (3,), metres.
        camera: Of ``mesh``.
    """
    own = mesh.person == person
    points = camera.pixel_rays()[own] * mesh.depth_z[own, None]
    near = np.linalg.norm(points - pelvis, axis=-1) < TRUNK
    if np.count_nonzero(near) >= MIN_TRUNK * len(near):
        own[own] = near
    return own


def surface_offset(offsets: np.ndarray, *, reach: float) -> float | None:
    """Return by how much a person is measured behind his mesh.

    Args:
        offsets: Measured depth less that of the mesh, (K,), metres, NaN unknown.
        reach: Greatest offset that the estimate allows, metres.

    Returns:
        The median over what agrees, metres along the optical axis; None where
        too little is measured, or what agrees may not be the person.
    """
    size = len(offsets)
    offsets = np.sort(offsets[np.isfinite(offsets)])
    near = offsets[np.abs(offsets) <= reach]
    if not len(near):
        return None
    counts = np.searchsorted(near, near + WINDOW, side='right') - np.arange(len(near))
    start = int(counts.argmax())
    agreeing = near[start : start + counts[start]]
    behind = np.count_nonzero(offsets > agreeing[-1] + WINDOW / 2)
    enough = len(agreeing) >= max(MIN_PIXELS, MIN_COVERAGE * size, MIN_SHARE * len(offsets))
    if not enough or behind > MAX_BEHIND * len(offsets):
        return None
    return float(np.median(agreeing))


def _sampled(depth_z: np.ndarray, coarse: Camera) -> np.ndarray:
    """Return the depth at the pixel centres of ``coarse``, nearest neighbour."""
    height, width = depth_z.shape
    rows = ((np.arange(coarse.height) + 0.5) * height / coarse.height - 0.5).round().astype(int)
    columns = ((np.arange(coarse.width) + 0.5) * width / coarse.width - 0.5).round().astype(int)
    return depth_z[rows[:, None], columns]


def _sigmas(people: People) -> np.ndarray:
    """Return one sigma of the people's depth, (N,), metres along the optical axis."""
    pelvis = people.pelvis.astype(np.float64)
    covariance = known_covariance(pelvis, people.pelvis_covariance)
    along = np.einsum('ni,nij,nj->n', pelvis, covariance, pelvis)
    return np.sqrt(along) / (pelvis**2).sum(axis=1) * pelvis[:, 2]


def _speed(velocity: np.ndarray) -> float:
    return float(np.linalg.norm(velocity)) if np.isfinite(velocity).all() else UNKNOWN_SPEED
