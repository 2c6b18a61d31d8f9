"""The tracker with a body: what is published is what the filters know."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.filtered_people import same_image
from metrichmsr_ros.perception.person_depth import DepthReading
from metrichmsr_ros.perception.tracking import Tracker
from metrichmsr_ros.structures import People, TrackState

CAMERA = Camera.from_fov(640, 480, 1.0)
FRAME = 50_000_000
FACING = np.array([np.pi, 0, 0], np.float32)


@pytest.fixture(scope='module')
def body():
    return BodyModel.load()


def make_people(body, pelvis, *, shape=None, pose=None, sigma=0.06):
    """People facing the camera at ``pelvis`` (N, 3), as an estimator returns them."""
    pelvis = np.asarray(pelvis, np.float32).reshape(-1, 3)
    n = len(pelvis)
    shape = np.zeros((n, 10), np.float32) if shape is None else np.float32(shape).reshape(n, 10)
    if pose is None:
        pose = np.zeros((n, 24, 3), np.float32)
        pose[:, 0] = FACING
    with torch.inference_mode():
        translation = pelvis - body.rest_joints(torch.from_numpy(shape))[:, 0].numpy()
        heights = body.heights(torch.from_numpy(shape)).numpy()
    vertices, joints = body.pose_numpy(pose, shape, translation)
    pixels = CAMERA.project(vertices)
    along = pelvis[:, :, None] * pelvis[:, None]
    return replace(
        People.empty(body.num_vertices, body.name),
        ids=('',) * n,
        states=(TrackState.NEW,) * n,
        scores=np.full(n, 0.9, np.float32),
        boxes=np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1),
        pose=pose,
        shape=shape,
        translation=translation,
        vertices=vertices,
        joints=joints,
        pelvis_covariance=(sigma**2 * along + 0.02**2 * np.eye(3)).astype(np.float32),
        heights=heights,
        velocities=np.full((n, 3), np.nan, np.float32),
    )


def update(tracker, people, k):
    return tracker.update(people, k * FRAME, CAMERA).people


def resized(body, factor):
    """β (10,) of a body that is about ``factor`` times as tall as the mean one."""
    shapes = torch.linspace(-3, 3, 601)[:, None] * torch.eye(10)[:1]
    heights = body.heights(shapes)
    mean = float(body.heights(torch.zeros(1, 10)))
    return shapes[(heights - factor * mean).abs().argmin()].numpy()


def test_the_first_image_and_a_still_person_are_published_as_measured(body):
    people = make_people(body, [[0.3, 0.1, 4]])
    tracker = Tracker(body=body)
    for k in range(10):
        out = update(tracker, people, k)
        np.testing.assert_allclose(out.vertices, people.vertices, atol=2e-5)
        np.testing.assert_allclose(out.joints, people.joints, atol=2e-5)
        np.testing.assert_allclose(out.boxes, people.boxes, atol=0.02)
        np.testing.assert_allclose(out.shape, people.shape)


def test_everything_published_belongs_together(body):
    rng = np.random.default_rng(0)
    tracker = Tracker(body=body)
    for k in range(8):
        pose = 0.1 * rng.standard_normal((2, 24, 3)).astype(np.float32)
        pose[:, 0] += FACING
        place = [[0.05 * k, 0, 4], [-1, 0, 5]] + 0.05 * rng.standard_normal((2, 3))
        shape = 0.3 * rng.standard_normal((2, 10))
        out = update(tracker, make_people(body, place, shape=shape, pose=pose), k)
    vertices, joints = body.pose_numpy(out.pose, out.shape, out.translation)
    np.testing.assert_allclose(out.vertices, vertices, atol=1e-5)
    np.testing.assert_allclose(out.joints, joints, atol=1e-5)
    with torch.inference_mode():
        heights = body.heights(torch.from_numpy(out.shape)).numpy()
    np.testing.assert_allclose(out.heights, heights, rtol=1e-5)
    pixels = CAMERA.project(out.vertices)
    np.testing.assert_allclose(out.boxes[:, :2], pixels.min(axis=1), atol=0.01)
    for name in (
        'pose',
        'shape',
        'translation',
        'joints',
        'pelvis_covariance',
        'heights',
        'boxes',
    ):
        assert getattr(out, name).dtype == np.float32, name
    assert (np.linalg.eigvalsh(out.pelvis_covariance) > 0).all()


def test_another_build_at_another_distance_looks_the_same(body):
    rng = np.random.default_rng(0)
    pose = 0.3 * rng.standard_normal((1, 24, 3)).astype(np.float32)
    pose[:, 0] = FACING
    people = make_people(body, [[0.8, -0.2, 4]], pose=pose)
    for factor in (0.75, 0.9, 1.1):
        shape = resized(body, factor)
        pelvis = same_image(people, shape[None], body)
        assert np.linalg.norm(np.cross(pelvis, people.pelvis)) < 1e-5
        assert pelvis[0, 2] / 4 == pytest.approx(factor, abs=0.06)
        other = make_people(body, pelvis, shape=shape, pose=pose)
        apart = np.linalg.norm(
            CAMERA.project(other.joints) - CAMERA.project(people.joints), axis=-1
        )
        tall = np.ptp(people.boxes.reshape(2, 2), axis=0)[1]
        assert apart.mean() < 0.025 * tall


def test_one_build_and_so_one_distance(body):
    rng = np.random.default_rng(0)
    tracker = Tracker(body=body)
    heights, depths, measured = [], [], []
    for k in range(40):
        # The estimator takes him for larger or smaller, and puts him farther or nearer.
        shape = resized(body, 1 + 0.05 * rng.standard_normal())
        still = make_people(body, [[0.3, 0, 4]])
        pelvis = same_image(still, shape[None], body)
        measured.append(pelvis[0, 2])
        out = update(tracker, make_people(body, pelvis, shape=shape), k)
        heights.append(out.heights[0])
        depths.append(out.pelvis[0, 2])
    assert np.ptp(heights[20:]) < 0.03
    assert np.std(np.diff(depths[10:])) < 0.1 * np.std(np.diff(measured[10:]))
    assert depths[-1] == pytest.approx(4, rel=0.02)


def test_unsure_images_say_less_about_the_build(body):
    tracker = Tracker(body=body)
    for k in range(10):
        update(tracker, make_people(body, [[0, 0, 4]], sigma=0.05), k)
    child = resized(body, 0.8)
    out = update(tracker, make_people(body, [[0, 0, 4]], shape=child, sigma=0.5), 10)
    np.testing.assert_allclose(out.shape[0], child / 1000, atol=2e-3 * np.abs(child).max())


def test_who_is_not_seen_goes_on_and_comes_back(body):
    tracker = Tracker(body=body)
    for k in range(20):
        name = update(tracker, make_people(body, [[-1 + 0.05 * k, 0, 4]]), k).ids
    for k in range(20, 30):
        out = update(tracker, make_people(body, []), k)
        assert (out.ids, out.states) == (name, (TrackState.PREDICTED,))
        assert out.pelvis[0, 0] == pytest.approx(-1 + 0.05 * k, abs=0.05)
        vertices, _ = body.pose_numpy(out.pose, out.shape, out.translation)
        np.testing.assert_allclose(out.vertices, vertices, atol=1e-5)
    assert update(tracker, make_people(body, [[0.5, 0, 4]]), 30).ids == name


def test_after_a_long_gap_a_person_is_new(body):
    tracker = Tracker(body=body)
    update(tracker, make_people(body, [[0, 0, 4]]), 0)
    people = make_people(body, [[0.4, 0, 4.5]], shape=resized(body, 0.8))
    out = update(tracker, people, 100)
    np.testing.assert_allclose(out.vertices, people.vertices, atol=2e-5)
    assert out.states == (TrackState.NEW,)


def test_a_sensor_moves_the_whole_person(body):
    for tracker in (Tracker(body=body), Tracker()):
        people = update(tracker, make_people(body, [[0.3, 0, 4], [-1, 0, 5]]), 0)
        reading = DepthReading(np.array([np.log(0.98), np.nan]), np.array([1e-6, np.nan]))
        out = tracker.correct(people, reading, CAMERA)
        np.testing.assert_allclose(out.pelvis[0], 0.98 * people.pelvis[0], atol=1e-3)
        shift = out.pelvis[0] - people.pelvis[0]
        np.testing.assert_allclose(out.vertices[0], people.vertices[0] + shift, atol=1e-5)
        np.testing.assert_allclose(out.translation[0], people.translation[0] + shift, atol=1e-5)
        np.testing.assert_allclose(
            out.boxes[0, :2], CAMERA.project(out.vertices[0]).min(axis=0), atol=0.01
        )
        before, after = (np.trace(p.pelvis_covariance[0]) for p in (people, out))
        assert after < 0.1 * before
        np.testing.assert_array_equal(out.vertices[1], people.vertices[1])
        np.testing.assert_array_equal(out.pelvis_covariance[1], people.pelvis_covariance[1])


def test_far_from_the_estimate_a_sensor_makes_a_person_smaller(body):
    tracker = Tracker(body=body)
    people = update(tracker, make_people(body, [[0.3, 0, 4]]), 0)
    out = tracker.correct(people, DepthReading(np.log([0.7]), np.full(1, 1e-6)), CAMERA)
    np.testing.assert_allclose(out.pelvis[0], 0.7 * people.pelvis[0], atol=0.02)
    assert out.heights[0] == pytest.approx(0.7 * people.heights[0], rel=0.1)
    before, after = (np.ptp(CAMERA.project(p.vertices[0])[:, 1]) for p in (people, out))
    assert after == pytest.approx(before, rel=0.1)
    np.testing.assert_array_equal(out.ids, people.ids)


def test_two_readings_of_one_image_add_up(body):
    for tracker in (Tracker(body=body), Tracker()):
        for k in range(3):
            people = update(tracker, make_people(body, [[0, 0, 4]]), k)
        for _ in range(2):
            reading = DepthReading(np.log([0.95]), np.full(1, 1e-8))
            people = tracker.correct(people, reading, CAMERA)
        wanted = people.pelvis[0, 2]
        assert wanted < 3.75  # both count
        hidden = update(tracker, make_people(body, []), 3)
        assert hidden.states == (TrackState.PREDICTED,)
        assert hidden.pelvis[0, 2] == pytest.approx(wanted, rel=0.02)


def test_nothing_read_changes_nothing(body):
    for tracker in (Tracker(body=body), Tracker()):
        people = update(tracker, make_people(body, [[0, 0, 4]]), 0)
        nothing = DepthReading(np.full(1, np.nan), np.full(1, np.nan))
        assert tracker.correct(people, nothing, CAMERA) is people


def test_what_a_sensor_said_is_kept_for_a_while(body):
    tracker = Tracker(body=body)
    for k in range(10):
        people = update(tracker, make_people(body, [[0, 0, 4]]), k)
        ratio = np.log(3.6 / people.pelvis[:, 2])
        tracker.correct(people, DepthReading(ratio, np.full(1, 1e-4)), CAMERA)
    for k in range(10, 15):
        people = update(tracker, make_people(body, [[0, 0, 4]]), k)
        assert people.pelvis[0, 2] == pytest.approx(3.6, abs=0.05)


def test_who_is_hidden_stays_where_a_sensor_put_him(body):
    for tracker in (Tracker(body=body), Tracker()):
        for k in range(10):
            people = update(tracker, make_people(body, [[0, 0, 4]]), k)
            ratio = np.log(3.6 / people.pelvis[:, 2])
            tracker.correct(people, DepthReading(ratio, np.full(1, 1e-6)), CAMERA)
        for k in range(10, 13):
            people = update(tracker, make_people(body, []), k)
            assert people.states == (TrackState.PREDICTED,)
            assert people.pelvis[0, 2] == pytest.approx(3.6, abs=0.05)


def test_nobody(body):
    tracker = Tracker(body=body)
    out = update(tracker, make_people(body, []), 0)
    assert len(out) == 0
    empty = DepthReading(np.zeros(0), np.zeros(0))
    assert len(tracker.correct(out, empty, CAMERA)) == 0
