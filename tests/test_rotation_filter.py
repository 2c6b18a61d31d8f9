import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metrichmsr_ros.perception.rotation_filter import RotationFilter


def random_rotvecs(seed, count=24):
    return Rotation.random(count, rng=np.random.default_rng(seed)).as_rotvec()


def angles(a, b):
    """Degrees between rotations (J, 3)."""
    return np.degrees((Rotation.from_rotvec(a).inv() * Rotation.from_rotvec(b)).magnitude())


def follow(rotvecs, dt):
    """Filter a course (T, J, 3); return the answers (T, J, 3)."""
    joints = RotationFilter(rotvecs[0])
    answers = [joints.rotvecs]
    for measured in rotvecs[1:]:
        joints.predict(dt)
        joints.update(measured)
        answers.append(joints.rotvecs)
    return np.stack(answers)


def test_splitting_a_prediction_changes_nothing():
    one, many = (RotationFilter(random_rotvecs(0)) for _ in range(2))
    for joints in (one, many):
        joints.predict(0.05)
        joints.update(random_rotvecs(0) + 0.1)
    one.predict(0.6)
    for part in (0.1, 0.0, 0.02, 0.38, 0.1):
        many.predict(part)
    np.testing.assert_allclose(angles(one.rotvecs, many.rotvecs), 0, atol=1e-5)
    np.testing.assert_allclose(one.velocities, many.velocities, atol=1e-12)
    for joints in (one, many):
        joints.update(random_rotvecs(1))  # the same gain: the covariances are the same
    np.testing.assert_allclose(angles(one.rotvecs, many.rotvecs), 0, atol=1e-5)


def test_who_does_not_move_stays():
    pose = random_rotvecs(0)
    answers = follow(np.repeat(pose[None], 30, axis=0), 0.03)
    for answer in answers:
        np.testing.assert_allclose(angles(answer, pose), 0, atol=1e-5)


def test_other_axes_turn_the_answer_and_nothing_else():
    rng = np.random.default_rng(0)
    course = np.stack([random_rotvecs(0) + 0.1 * rng.standard_normal((24, 3)) for _ in range(20)])
    R_b_a = Rotation.random(rng=rng)
    turned = np.stack([(R_b_a * Rotation.from_rotvec(pose)).as_rotvec() for pose in course])
    for one, other in zip(follow(course, 0.05), follow(turned, 0.05), strict=True):
        expected = (R_b_a * Rotation.from_rotvec(one)).as_rotvec()
        np.testing.assert_allclose(angles(other, expected), 0, atol=1e-5)


@pytest.mark.parametrize('rate', [10.0, 20.0, 30.0])
def test_noise_becomes_less_and_a_steady_turn_is_not_late(rate):
    rng = np.random.default_rng(0)
    times = np.arange(0, 4, 1 / rate)
    true = np.zeros((len(times), 24, 3))
    true[..., 1] = 1.5 * times[:, None]  # rad/s
    noisy = true + 0.05 * rng.standard_normal(true.shape)
    answers = follow(noisy, 1 / rate)
    settled = slice(int(rate), None)
    before = np.linalg.norm(noisy - true, axis=-1)[settled].mean()
    offsets = np.stack([angles(a, t) for a, t in zip(answers, true, strict=True)])[settled]
    assert np.radians(offsets).mean() < 0.85 * before
    ahead = [
        (Rotation.from_rotvec(t).inv() * Rotation.from_rotvec(a)).as_rotvec()[:, 1].mean()
        for a, t in zip(answers, true, strict=True)
    ]
    assert abs(np.mean(ahead[int(rate) :])) < 1.5 * 0.03  # less than 30 ms


def test_a_sudden_movement_is_followed_at_once():
    still = np.zeros((40, 1, 3))
    still[20:, 0, 0] = 1.5  # from one frame to the next
    answers = follow(still, 0.05)
    assert angles(answers[20], still[20])[0] < 20
    assert angles(answers[30], still[30])[0] < 3


def test_after_a_long_gap_what_is_seen_counts():
    joints = RotationFilter(np.zeros((24, 3)))
    for _ in range(20):
        joints.predict(0.05)
        joints.update(np.zeros((24, 3)))
    joints.predict(1.5)
    joints.update(np.full((24, 3), 0.3))
    np.testing.assert_allclose(joints.rotvecs, 0.3, atol=0.01)


def test_a_limb_that_is_not_seen_comes_to_rest():
    joints = RotationFilter(np.zeros((1, 3)))
    for k in range(1, 20):
        joints.predict(0.05)
        joints.update(np.array([[0.1 * k, 0, 0]]))
    joints.predict(5.0)
    there = joints.rotvecs.copy()
    joints.predict(5.0)
    np.testing.assert_allclose(joints.rotvecs, there, atol=1e-3)
    assert there[0, 0] < 1.9 + 2.0 * 0.6


def test_half_a_turn_away_is_no_trouble():
    joints = RotationFilter(np.array([[0.0, 0, 0]]))
    for _ in range(5):
        joints.predict(0.05)
        joints.update(np.array([[np.pi, 0, 0]]))
    assert np.isfinite(joints.rotvecs).all()
    assert angles(joints.rotvecs, np.array([[np.pi, 0, 0]]))[0] < 5
