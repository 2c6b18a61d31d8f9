import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metrichmsr_ros.perception.person_filter import ConstantShape, PersonFilter

PELVIS = np.array([0.5, 0.2, 4.0])
POSE = np.zeros((24, 3))
SHAPE = np.linspace(-1, 1, 10)


def covariance_at(pelvis, along=0.065, across=0.01):
    """Standard deviations as a share of the distance."""
    ray = pelvis / np.linalg.norm(pelvis)
    projection = np.outer(ray, ray)
    share = along**2 * projection + across**2 * (np.eye(3) - projection)
    return share * (pelvis @ pelvis)


def start(pelvis=PELVIS, **sigmas):
    return PersonFilter(pelvis, covariance_at(pelvis, **sigmas), POSE, SHAPE)


def seen(person, pelvis=PELVIS, dt=0.05, **sigmas):
    person.predict(dt)
    person.update(pelvis, covariance_at(pelvis, **sigmas), POSE)


def test_who_does_not_move_stays_and_frames_do_not_make_the_height_known():
    person = start()
    for _ in range(100):
        seen(person)
    np.testing.assert_allclose(person.pelvis, PELVIS, atol=1e-9)
    np.testing.assert_allclose(person.velocity, 0, atol=1e-9)
    ray = PELVIS / np.linalg.norm(PELVIS)
    sigma = np.sqrt(ray @ person.covariance @ ray) / np.linalg.norm(PELVIS)
    assert sigma == pytest.approx(0.065, rel=0.05)


def test_a_clear_view_makes_a_bad_start_good():
    person = start(along=0.5)
    for _ in range(3):
        seen(person, along=0.06)
    ray = PELVIS / np.linalg.norm(PELVIS)
    assert np.sqrt(ray @ person.covariance @ ray) < 0.08 * np.linalg.norm(PELVIS)


def test_splitting_a_prediction_changes_nothing():
    one, many = start(), start()
    for person in (one, many):
        seen(person, PELVIS * 1.02)
        person.scale.update(0.05, 0.01)
    one.predict(0.5)
    for part in (0.2, 0.0, 0.3):
        many.predict(part)
    for name in ('pelvis', 'velocity', 'covariance'):
        np.testing.assert_allclose(getattr(one, name), getattr(many, name), atol=1e-12)
    for person in (one, many):
        person.shape.update(SHAPE + 1, 300.0)
    np.testing.assert_allclose(one.shape.mean, many.shape.mean, atol=1e-12)


def test_another_camera_frame_turns_the_answer_and_nothing_else():
    rng = np.random.default_rng(0)
    R = Rotation.random(rng=rng).as_matrix()
    course = PELVIS + np.cumsum(0.05 * rng.standard_normal((20, 3)), axis=0)
    one = PersonFilter(course[0], covariance_at(course[0]), POSE, SHAPE)
    turned = PersonFilter(R @ course[0], R @ covariance_at(course[0]) @ R.T, POSE, SHAPE)
    for pelvis in course[1:]:
        for person, axes in ((one, np.eye(3)), (turned, R)):
            person.predict(0.05)
            person.update(axes @ pelvis, axes @ covariance_at(pelvis) @ axes.T, POSE)
    one.scale.update(0.1, 0.01)
    turned.scale.update(0.1, 0.01)
    np.testing.assert_allclose(turned.pelvis, R @ one.pelvis, atol=1e-9)
    np.testing.assert_allclose(turned.velocity, R @ one.velocity, atol=1e-9)
    np.testing.assert_allclose(turned.covariance, R @ one.covariance @ R.T, atol=1e-9)


def test_jitter_along_the_ray_becomes_less_and_a_walk_towards_the_camera_is_not_late():
    rng = np.random.default_rng(0)
    person, ahead, jumps, noise = start(np.array([0, 0, 8.0])), [], [], []
    for k in range(1, 100):
        true, sigma = np.array([0, 0, 8.0 - 0.06 * k]), 0.015
        noise.append(true[2] * sigma * rng.standard_normal())
        seen(person, true + np.array([0, 0, noise[-1]]))
        ahead.append(person.pelvis[2] - true[2])
        jumps.append(person.pelvis[2])
    assert abs(np.mean(ahead[20:])) < 0.05 * 1.2  # 50 ms at 1.2 m/s
    assert np.std(ahead[20:]) < 0.7 * np.std(noise[20:])
    assert np.diff(jumps, n=2)[20:].std() < 0.3 * np.diff(noise, n=2)[20:].std()


def test_a_camera_that_suddenly_turns_is_followed():
    person = start(np.array([0, 0, 4.0]))
    for _ in range(20):
        seen(person, np.array([0, 0, 4.0]))
    for k in range(1, 20):
        angle = 1.0 * 0.05 * k  # 1 rad/s
        pelvis = 4 * np.array([np.sin(angle), 0, np.cos(angle)])
        seen(person, pelvis)
        assert np.linalg.norm(person.pelvis - pelvis) < 0.12


def test_one_wrong_distance_hardly_counts():
    person = start()
    for _ in range(20):
        seen(person)
    seen(person, 1.4 * PELVIS)
    assert np.linalg.norm(person.pelvis - PELVIS) < 0.15 * np.linalg.norm(0.4 * PELVIS)


def test_a_depth_sensor_moves_the_person_along_the_ray_and_makes_the_distance_known():
    person = start()
    before = person.covariance
    person.scale.update(np.log(0.9), 0.01**2)
    np.testing.assert_allclose(person.pelvis / PELVIS, np.full(3, 0.9), atol=0.005)
    ray = PELVIS / np.linalg.norm(PELVIS)
    assert ray @ person.covariance @ ray < 0.1 * (ray @ before @ ray)
    # Without the sensor it is still known for long, and then as before.
    for _ in range(100):
        seen(person)
        person.scale.update(np.log(0.9) - person.scale.value, 0.01**2)
    for _ in range(100):
        seen(person)
    assert person.pelvis[2] == pytest.approx(0.9 * PELVIS[2], rel=0.01)
    for _ in range(4000):
        seen(person)
    assert person.pelvis[2] == pytest.approx(PELVIS[2], rel=0.005)


def test_build_is_the_weighted_mean_and_is_forgotten_slowly():
    shape = ConstantShape(np.zeros(10), 1.0)
    shape.update(np.full(10, 4.0), 3.0)
    np.testing.assert_allclose(shape.mean, 3.0)
    shape.predict(1.0)
    shape.update(np.full(10, 3.0), 1.0)
    np.testing.assert_allclose(shape.mean, 3.0)
    shape.predict(600.0)
    shape.update(np.zeros(10), 1.0)
    np.testing.assert_allclose(shape.mean, 0.0, atol=1e-9)


def test_the_same_input_gives_the_same_answer():
    answers = []
    for _ in range(2):
        person = start()
        for k in range(10):
            seen(person, PELVIS * (1 + 0.01 * np.sin(k)))
        answers.append((person.pelvis, person.covariance, person.joints.rotvecs))
    for a, b in zip(*answers, strict=True):
        np.testing.assert_array_equal(a, b)
