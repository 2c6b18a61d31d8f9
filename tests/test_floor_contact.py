"""Distances and sizes from where people stand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.depth_sources.ground_plane import down_vector
from metrichmsr_ros.perception.floor_contact import FloorContact, PITCH_SIGMA
from metrichmsr_ros.perception.tracking import Tracker
from metrichmsr_ros.structures import Landmarks, People, TrackState

CAMERA = Camera.from_fov(640, 480, 1.2)
HEIGHT, TILT = 1.2, 0.15
DOWN, FORWARD = down_vector(TILT), np.array([0, -np.sin(TILT), np.cos(TILT)])
FACING = np.array([np.pi + TILT, 0, 0], np.float32)  # upright, towards the camera
FRAME = 50_000_000
CHILD = 1.2


@pytest.fixture(scope='module')
def body():
    return BodyModel.load()


def standing(body, distance, *, scale=1.0, height=1.75, lift=0.0, pose=None, ids=('',)):
    """Somebody of a height on the floor; at `scale` times that size and distance, as he looks."""
    pose = np.zeros((1, 24, 3), np.float32) if pose is None else pose
    pose[:, 0] = FACING
    shape = body.of_height(torch.zeros(1, 10), torch.tensor([height])).numpy()
    vertices, joints = body.pose_numpy(pose, shape, np.zeros((1, 3)))
    foot = (HEIGHT - lift - (vertices[0] @ DOWN).max()) * DOWN + distance * FORWARD
    vertices, joints = (scale * (x + foot).astype(np.float32) for x in (vertices, joints))
    pixels, pelvis = CAMERA.project(vertices), joints[:, 0]
    return replace(
        People.empty(body.num_vertices, body.name),
        ids=ids,
        states=(TrackState.TRACKED,),
        scores=np.full(1, 0.9, np.float32),
        boxes=np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1),
        pose=pose,
        shape=shape,
        translation=pelvis - body.rest_joints(torch.from_numpy(shape))[:, 0].numpy(),
        vertices=vertices,
        joints=joints,
        pelvis_covariance=(
            0.08**2 * pelvis[:, :, None] * pelvis[:, None] + 0.02**2 * np.eye(3)
        ).astype(np.float32),
        heights=np.array([scale * height], np.float32),
        velocities=np.full((1, 3), np.nan, np.float32),
    )


def landmarks(count=1, visibility=0.9):
    """Landmarks of which only the visibility matters."""
    points = np.zeros((count, 33, 3), np.float32)
    seen = np.full((count, 33), visibility, np.float32)
    nothing, boxes = np.ones(count, np.float32), np.zeros((count, 4), np.float32)
    return Landmarks(points, points, seen, seen, nothing, boxes, boxes, boxes)


def read(people, *, height=HEIGHT, tilt=TILT, seen=None):
    return FloorContact(height, tilt).read(people, seen or landmarks(len(people)), CAMERA)


def test_who_stands_where_he_is_taken_to_be_is_right(body):
    reading = read(standing(body, 4.0))
    assert reading.log_ratio[0] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize('scale', [1.4, 1.1, 0.9])
def test_size_and_distance_come_from_the_floor(body, scale):
    reading = read(standing(body, 4.0, scale=scale))
    assert reading.log_ratio[0] == pytest.approx(-np.log(scale), abs=1e-4)


def test_a_wrong_mounting_changes_it_as_is_said(body):
    people, delta = standing(body, 4.0), 1e-3
    right = read(people)
    wrong = read(people, tilt=TILT - delta), read(people, height=HEIGHT * np.exp(delta))
    tilt, height = ((reading.log_ratio[0] - right.log_ratio[0]) / delta for reading in wrong)
    assert tilt == pytest.approx(right.causes[0, 2], rel=0.05)  # the pelvis is not above the toes
    assert height == pytest.approx(1, rel=0.01)
    assert right.causes[0, 3] >= 1  # shoes


def test_far_and_low_is_less_sure(body):
    near, far = (read(standing(body, distance)).variance[0] for distance in (3.0, 8.0))
    assert near < far
    assert far == pytest.approx((PITCH_SIGMA * 8 / HEIGHT) ** 2, rel=0.3)
    high, low = (FloorContact(height, 0.0)._height_share for height in (1.5, 0.2))
    assert high < 1.2 < 3 < low


def test_without_a_calibration_nothing_is_known(body):
    camera = replace(CAMERA, calibrated=False)
    reading = FloorContact(HEIGHT, TILT).read(standing(body, 4.0), landmarks(), camera)
    assert np.isnan(reading.log_ratio).all()


def test_a_foot_of_unknown_visibility_is_not_seen(body):
    unknown = landmarks(visibility=np.nan)
    assert np.isnan(read(standing(body, 4.0), seen=unknown).log_ratio).all()


def test_a_foot_that_is_not_seen_says_nothing(body):
    people = standing(body, 4.0)
    unseen = landmarks()
    unseen.visibility[:, [27, 28, 29, 30, 31, 32]] = 0.2
    assert np.isnan(read(people, seen=unseen).log_ratio).all()
    assert np.isnan(read(standing(body, 1.0)).log_ratio).all()  # below the image
    predicted = read(people.concatenate(people), seen=landmarks(1))
    assert np.isfinite(predicted.log_ratio).tolist() == [True, False]


def test_only_the_lower_foot_must_be_seen(body):
    pose = np.zeros((1, 24, 3), np.float32)
    pose[0, 2, 0], pose[0, 5, 0] = -0.8, 1.4  # the right leg is lifted
    people, seen = standing(body, 4.0, pose=pose, scale=1.2), landmarks()
    seen.visibility[:, [28, 30, 32]] = 0.0
    assert read(people, seen=seen).log_ratio[0] == pytest.approx(-np.log(1.2), abs=1e-4)
    seen.visibility[:, [27, 29, 31]] = 0.0
    assert np.isnan(read(people, seen=seen).log_ratio[0])


def test_who_does_not_stand_on_feet_or_on_the_floor_says_nothing(body):
    lying = standing(body, 4.0)
    turned = lying.vertices - lying.joints[:, :1]
    turned = np.stack([turned[..., 1], turned[..., 0], turned[..., 2]], -1) + lying.joints[:, :1]
    knees = replace(lying, joints=lying.joints - np.float32([0, 0.5, 0]))
    assert np.isnan(read(knees).log_ratio[0])
    assert np.isnan(read(standing(body, 4.0, lift=0.5)).log_ratio[0])  # of 3 m
    assert np.isnan(read(replace(lying, vertices=turned)).log_ratio[0])


def test_a_camera_that_sees_no_floor_there_says_nothing(body):
    people = standing(body, 6.0)
    assert np.isnan(read(people, tilt=-0.15).log_ratio[0])


def test_a_robot_that_pitches_for_half_a_minute_makes_nobody_small(body):
    rng = np.random.default_rng(0)
    tracker, floor, true = Tracker(body=body), FloorContact(HEIGHT, TILT), standing(body, 4.0)
    distances = []
    for k in range(600):
        turn = Rotation.from_rotvec([PITCH_SIGMA * rng.standard_normal(), 0, 0])
        pose = true.pose.copy()
        pose[0, 0] = (turn * Rotation.from_rotvec(pose[0, 0])).as_rotvec()
        vertices, joints = (
            turn.apply(x[0])[None].astype(np.float32) for x in (true.vertices, true.joints)
        )
        shift = joints[:, 0] - true.pelvis
        looks = replace(
            true, pose=pose, vertices=vertices, joints=joints, translation=true.translation + shift
        )
        people = tracker.update(looks, k * FRAME, CAMERA).people
        people = tracker.correct(people, floor.read(people, landmarks(), CAMERA), CAMERA)
        distances.append(np.linalg.norm(people.pelvis[0]) / np.linalg.norm(true.pelvis[0]))
    assert np.mean(distances[300:]) == pytest.approx(1, abs=0.03)
    assert people.heights[0] == pytest.approx(1.75, rel=0.05)


def test_a_child_who_looks_like_an_adult_becomes_a_child(body):
    """The mesh grows smaller with the distance: its image stays."""
    tracker, floor = Tracker(body=body), FloorContact(HEIGHT, TILT)
    true = standing(body, 3.0, height=CHILD)
    adult = standing(body, 3.0 * 1.75 / CHILD, height=1.75)
    ratio = np.linalg.norm(adult.pelvis[0]) / np.linalg.norm(true.pelvis[0])
    shift = ratio * true.pelvis - adult.pelvis
    looks = replace(
        adult,
        translation=adult.translation + shift,
        vertices=adult.vertices + shift,
        joints=adult.joints + shift,
    )
    for k in range(40):
        people = tracker.update(looks, k * FRAME, CAMERA).people
        people = tracker.correct(people, floor.read(people, landmarks(), CAMERA), CAMERA)
    distance, wanted = np.linalg.norm(people.pelvis[0]), np.linalg.norm(true.pelvis[0])
    assert distance == pytest.approx(wanted, rel=0.06)
    assert people.heights[0] == pytest.approx(CHILD, rel=0.06)
    extent = CAMERA.project(people.vertices[0])
    assert np.ptp(extent[:, 1]) == pytest.approx(
        np.ptp(CAMERA.project(true.vertices[0])[:, 1]), rel=0.04
    )
    # The feet are cut off as the child comes near: who it is stays known.
    for k in range(40, 80):
        people = tracker.update(looks, k * FRAME, CAMERA).people
    assert np.linalg.norm(people.pelvis[0]) == pytest.approx(wanted, rel=0.08)
