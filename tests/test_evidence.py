from dataclasses import fields, replace

import numpy as np
import torch

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.ray_map import ray_map
from metrichmsr_ros.models.canonical import canonical, crop_frame
from metrichmsr_ros.models.evidence import Evidence, RAY_MAP_SIZE
from metrichmsr_ros.structures import Frame, Landmarks

CAMERA = Camera(
    width=640, height=480, K=np.array([[500.0, 0, 300], [0, 510, 250], [0, 0, 1]]),
    D=np.array([-0.3, 0.1, 0.001, -0.002, 0.0]), distortion_model='plumb_bob', calibrated=True,
)  # fmt: skip


def make_landmarks(image: np.ndarray, rois: np.ndarray) -> Landmarks:
    count = len(image)
    ones = np.ones((count, 33), np.float32)
    return Landmarks(
        image=image.astype(np.float32), world=np.zeros((count, 33, 3), np.float32),
        visibility=ones, presence=ones, scores=ones[:, 0], boxes=np.zeros((count, 4), np.float32),
        rois=rois.astype(np.float32), next_rois=rois.astype(np.float32),
    )  # fmt: skip


def frame_of(camera: Camera) -> Frame:
    return Frame(np.zeros((camera.height, camera.width, 3), np.uint8), camera, 0)


def seen_points(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    points = rng.uniform([-0.8, -0.6, 3], [0.8, 0.6, 4], (2, 33, 3))
    pixels = camera.project(points)
    return points, np.concatenate([pixels, np.full((2, 33, 1), 50.0)], axis=-1)


def test_rays_pass_through_the_points_whatever_the_lens():
    points, image = seen_points(CAMERA)
    rois = np.array([[320, 240, 200, 0.3], [300, 200, 100, -1.0]])
    evidence = Evidence.from_landmarks(frame_of(CAMERA), make_landmarks(image, rois))
    np.testing.assert_allclose(evidence.rays, points / points[..., 2:], atol=1e-5)
    np.testing.assert_allclose(evidence.relative_depth[:, 0], [0.25, 0.5])
    assert all(getattr(evidence, f.name).dtype == torch.float32 for f in fields(evidence))


def test_ray_map_of_an_upright_crop_is_that_of_its_box():
    _, image = seen_points(CAMERA)
    rois = np.array([[320, 240, 200, 0.0], [300, 200, 100, 0.0]])
    evidence = Evidence.from_landmarks(frame_of(CAMERA), make_landmarks(image, rois))
    boxes = np.column_stack([rois[:, :2] - rois[:, 2:3] / 2, rois[:, :2] + rois[:, 2:3] / 2])
    expected = ray_map(CAMERA, boxes, resolution=(RAY_MAP_SIZE, RAY_MAP_SIZE))
    np.testing.assert_allclose(evidence.ray_map, expected, atol=1e-6)


def test_corners_and_ray_map_turn_with_the_crop():
    camera = Camera.from_fov(640, 480, 1.0)
    _, image = seen_points(camera)
    rois = np.array([[319.5, 239.5, 200, 0.0], [319.5, 239.5, 200, np.pi / 2]])
    evidence = Evidence.from_landmarks(frame_of(camera), make_landmarks(image, rois))
    upright, turned = evidence.crop_rays
    torch.testing.assert_close(turned, upright.roll(-1, 0))  # clockwise: its left is our top
    torch.testing.assert_close(evidence.ray_map[1], evidence.ray_map[0].mT.flip(1))
    frame = crop_frame(evidence.crop_rays)
    torch.testing.assert_close(frame.axes[0], torch.eye(3), atol=1e-6, rtol=0)
    side = 200 / camera.K[0, 0]
    torch.testing.assert_close(frame.angle, torch.full((2,), side), rtol=0.03, atol=0)


def test_unknown_landmarks_are_finite_and_absent():
    _, image = seen_points(CAMERA)
    image[0, 3], image[1, 5, 2] = np.nan, np.inf
    image[1, 6, :2] = 1e5  # no ray of this lens
    rois = np.array([[320, 240, 200, 0.0], [320, 240, 3000, 0.0]])  # reaches beyond the lens
    folding = replace(CAMERA, D=np.array([-0.3, 0, 0, 0, 0.0]))
    evidence = Evidence.from_landmarks(frame_of(folding), make_landmarks(image, rois))
    for item in fields(evidence):
        assert torch.isfinite(getattr(evidence, item.name)).all(), item.name
    assert evidence.presence[0, 3] == evidence.presence[1, 5] == evidence.presence[1, 6] == 0
    assert evidence.presence.sum() == 2 * 33 - 3
    seen = canonical(evidence)
    assert not seen.seen[0, 3]
    assert all(torch.isfinite(value).all() for value in (seen.plane, seen.world, seen.ray_map))


def test_nobody_gives_empty_evidence():
    landmarks = make_landmarks(np.zeros((0, 33, 3)), np.zeros((0, 4)))
    evidence = Evidence.from_landmarks(frame_of(CAMERA), landmarks)
    assert len(evidence) == 0
    assert evidence.ray_map.shape == (0, 3, RAY_MAP_SIZE, RAY_MAP_SIZE)


def test_selects_people():
    _, image = seen_points(CAMERA)
    rois = np.array([[320, 240, 200, 0.0], [300, 200, 100, 0.0]])
    evidence = Evidence.from_landmarks(frame_of(CAMERA), make_landmarks(image, rois))
    torch.testing.assert_close(evidence[[1, 0]].rays, evidence.rays.flip(0))
    assert len(evidence[:1].to('cpu')) == 1
