"""What a perfect landmark network would read of the default body in random poses."""

import numpy as np
from scipy.spatial.transform import Rotation
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.joints import JOINT_INDEX
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.turns import smallest_turn, unit
from metrichmsr_ros.structures import Frame, Landmarks

UPRIGHT = Rotation.from_rotvec([np.pi, 0, 0])  # body's y up → camera's y down, facing the camera
DISTORTED = Camera(
    640,
    480,
    np.array([[520.0, 0, 330], [0, 515, 236], [0, 0, 1]]),
    np.array([-0.2, 0.05, 1e-3, -1e-3, 0]),
)
PINHOLE = Camera.from_fov(1280, 720, 1.1)


def random_poses(count: int, seed: int = 0) -> np.ndarray:
    """Poses that people take: hinges bend one way, the spine twists a little."""
    rng = np.random.default_rng(seed)
    pose = np.zeros((count, 24, 3))

    def put(name: str, value: np.ndarray) -> None:
        pose[:, JOINT_INDEX[name]] = value

    turn = Rotation.from_rotvec(rng.uniform([-0.2, -np.pi, -0.2], [0.2, np.pi, 0.2], (count, 3)))
    put('pelvis', (UPRIGHT * turn).as_rotvec())
    for name in ('spine1', 'spine2', 'spine3', 'neck', 'head'):
        put(name, np.tile([0, 1, 0], (count, 1)) * rng.uniform(-0.12, 0.12, (count, 1)))
    for side, sign in (('left', 1.0), ('right', -1.0)):
        # Arms come down from the T-pose, and some way to the front.
        down = Rotation.from_rotvec(np.outer(rng.uniform(0.3, 1.3, count), [0, 0, -sign]))
        front = Rotation.from_rotvec(np.outer(rng.uniform(0.0, 0.8, count), [-1, 0, 0]))
        put(f'{side}_shoulder', (front * down).as_rotvec())
        put(f'{side}_elbow', np.outer(rng.uniform(0.6, 1.8, count), [0, -sign, 0]))
        put(f'{side}_wrist', rng.uniform(-0.2, 0.2, (count, 3)))
        put(f'{side}_hip', rng.uniform([-1.0, -0.1, -0.2], [0.2, 0.1, 0.2], (count, 3)))
        put(f'{side}_knee', np.outer(rng.uniform(0.6, 1.5, count), [1, 0, 0]))
        put(f'{side}_ankle', rng.uniform(-0.2, 0.2, (count, 3)))
    return pose


def observe(
    body: BodyModel, camera: Camera, pose: np.ndarray, pelvis: np.ndarray
) -> tuple[Landmarks, np.ndarray]:
    """Return what a perfect landmark network would read, and the true points, (N, 33, 3)."""
    count = len(pose)
    vertices, joints = body.pose_numpy(pose, np.zeros((count, 10)), np.zeros((count, 3)))
    points = body.blazepose(torch.from_numpy(vertices)).numpy().astype(np.float64)
    points += (pelvis - joints[:, 0])[:, None]
    image = camera.project(points)
    assert np.isfinite(image).all()
    low, high = image.min(axis=1), image.max(axis=1)
    centre, side = (low + high) / 2, 1.25 * (high - low).max(axis=1)
    R_crop_cam = np.swapaxes(
        smallest_turn(np.array([0.0, 0, 1]), unit(camera.unproject(centre))), 1, 2
    )
    world = (points - points[:, 23:25].mean(axis=1, keepdims=True)) @ np.swapaxes(R_crop_cam, 1, 2)
    rois = np.column_stack([centre, side, np.zeros(count)]).astype(np.float32)
    sure = np.ones((count, 33), np.float32)
    landmarks = Landmarks(
        image=np.concatenate([image, np.zeros((count, 33, 1))], axis=2).astype(np.float32),
        world=world.astype(np.float32),
        visibility=sure,
        presence=sure,
        scores=np.full(count, 0.9, np.float32),
        boxes=np.concatenate([low, high], axis=1).astype(np.float32),
        rois=rois,
        next_rois=rois,
    )
    return landmarks, points


def frame_of(camera: Camera) -> Frame:
    return Frame(np.zeros((camera.height, camera.width, 3), np.uint8), camera, stamp=0)


def distances(count: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    depth = rng.uniform(3.5, 8.0, count)
    return np.column_stack([rng.uniform(-0.3, 0.3, count) * depth, 0.05 * depth, depth])
