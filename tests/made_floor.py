"""People as boxes who stand on a floor, and that floor as a depth prior."""

from dataclasses import replace

import numpy as np

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import MeshRaycaster
from metrichmsr_ros.perception.anchors import Anchors, PERSON_SIGMA
from metrichmsr_ros.perception.depth_sources import GroundPlane
from metrichmsr_ros.structures import Frame, People, TrackState

CAMERA = Camera.from_fov(320, 240, np.deg2rad(70))
FRAME = Frame(np.zeros((240, 320, 3), np.uint8), CAMERA, 0)
HEIGHT, TILT = 1.4, 0.25
DOWN = np.array([0, np.cos(TILT), np.sin(TILT)])
FACES = np.array(
    [[0, 1, 2], [1, 3, 2], [4, 6, 5], [5, 6, 7], [0, 2, 4], [2, 6, 4], [1, 5, 3], [3, 5, 7],
     [0, 4, 1], [1, 4, 5], [2, 3, 6], [3, 7, 6]]
)  # fmt: skip
CASTER = MeshRaycaster(FACES)
SOLE = np.array([[x, 0.0, z] for x in np.linspace(-0.2, 0.2, 4) for z in (-0.15, 0.15)])


def make_people(feet):
    """Boxes 1.7 m high that stand on the floor at feet (N, 3)."""
    feet = np.asarray(feet, float).reshape(-1, 3)
    grid = np.stack(np.meshgrid([0, -1.7], [-0.2, 0.2], [-0.15, 0.15], indexing='ij'), -1)
    up, side, front = grid.reshape(-1, 3).T
    forward = np.array([0, -np.sin(TILT), np.cos(TILT)])
    box = up[:, None] * DOWN + side[:, None] * [1, 0, 0] + front[:, None] * forward
    sole = SOLE[:, :1] * [1, 0, 0] + SOLE[:, 2:] * forward
    vertices = feet[:, None] + np.concatenate([box, sole])
    n = len(feet)
    empty = People.empty(16)
    return replace(
        empty,
        ids=('aaaaa',) * n,
        states=(TrackState.TRACKED,) * n,
        vertices=vertices.astype(np.float32).reshape(n, 16, 3),
        joints=np.tile((feet - 0.9 * DOWN)[:, None], (1, 24, 1)).astype(np.float32),
        pelvis_covariance=np.full((n, 3, 3), np.nan, np.float32),
    )


def made_anchors(prior_z, mesh_z, person):
    """Anchors without a place, whose people are as sure as one is beforehand."""
    nowhere, sigma = np.zeros(len(prior_z), int), np.full(len(prior_z), PERSON_SIGMA)
    return Anchors(prior_z, mesh_z, person, nowhere, nowhere, sigma)


def stand(x, distance, height=HEIGHT):
    """The point of a floor `height` below the camera, in camera axes."""
    forward = np.array([0, -np.sin(TILT), np.cos(TILT)])
    return x * np.array([1.0, 0, 0]) + distance * forward + height * DOWN


def make_scene(feet, prior_height=HEIGHT):
    people = make_people(feet)
    mesh = CASTER.cast(people.vertices, CAMERA)
    return GroundPlane(prior_height, TILT).depth(FRAME), people, mesh


def truth_with(mesh):
    floor = GroundPlane(HEIGHT, TILT).depth(FRAME).depth_z
    return np.where(mesh.person >= 0, mesh.depth_z, floor)
