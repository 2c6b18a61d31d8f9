import numpy as np
import pytest

from metrichmsr_ros.perception.person_scale import HEIGHT_SIGMA, PersonScale, TILT_SIGMA

VARIANCE = 0.08**2
EXACT = 1e-8
TILT = 3.0  # how much a floor's reading changes with the camera's tilt
FLOOR = np.array([1.0, 1.0, TILT, 1.0])
MOUNTING = TILT_SIGMA**2 * TILT**2 + HEIGHT_SIGMA**2


def measure(scale, value, variance, causes=None):
    """Tell a scale what it should be."""
    before = scale.value
    scale.update(value - before, variance, causes)


def seen(scale, seconds=0.05, variance=VARIANCE):
    scale.predict(seconds)
    scale.limit(variance)


def test_without_a_reading_it_is_what_the_estimator_says():
    scale = PersonScale(VARIANCE)
    for _ in range(400):
        seen(scale)
    assert (scale.value, scale.build) == (0, 0)
    assert scale.variance == pytest.approx(VARIANCE, rel=0.01)


def test_a_sensor_is_weighed_against_the_estimate():
    scale = PersonScale(0.04)
    scale.update(0.1, 0.04)
    assert (scale.value, scale.variance) == pytest.approx((0.05, 0.02))


def test_a_sensor_says_what_stays_and_what_a_pose_does():
    rng = np.random.default_rng(0)
    scale, errors = PersonScale(VARIANCE), []
    for k in range(400):
        seen(scale)
        value = -0.3 + 0.02 * np.sin(0.1 * k) + 0.005 * rng.standard_normal()
        measure(scale, value, 0.01**2)
        errors.append(scale.value - value)
    assert scale.build == pytest.approx(-0.3, abs=0.015)
    assert np.abs(errors[20:]).mean() < 0.008


def test_what_stays_is_known_when_nothing_is_measured_and_the_pose_is_not():
    scale = PersonScale(VARIANCE)
    for _ in range(100):
        seen(scale)
        measure(scale, -0.3, 0.01**2)
    known = scale.variance
    for _ in range(100):  # 5 s
        seen(scale)
    assert scale.value == pytest.approx(scale.build, abs=1e-3)
    assert scale.value == pytest.approx(-0.3, abs=0.02)
    assert known < scale.variance < 0.5 * VARIANCE


def test_a_better_frame_makes_it_surer_and_a_worse_one_only_for_its_own_time():
    scale = PersonScale(0.5**2)
    seen(scale, variance=VARIANCE)
    assert scale.variance == pytest.approx(VARIANCE, rel=0.05)
    for _ in range(100):
        seen(scale, variance=0.3**2)
    assert scale.variance == pytest.approx(0.3**2, rel=0.05)
    for _ in range(100):
        seen(scale)
    assert scale.variance == pytest.approx(VARIANCE, rel=0.05)


def test_a_floor_that_errs_alike_in_all_frames_never_makes_it_sure():
    scale = PersonScale(0.2**2)
    for _ in range(1000):
        seen(scale, variance=0.2**2)
        measure(scale, 0.1, 0.03**2, FLOOR)
    assert np.sqrt(scale.variance) > 0.8 * np.sqrt(MOUNTING)
    assert scale.value == pytest.approx(0.1, abs=0.02)


def test_splitting_a_prediction_changes_nothing():
    one, many = PersonScale(VARIANCE), PersonScale(VARIANCE)
    for scale in (one, many):
        scale.update(0.1, EXACT)
        scale.update(-0.1, 0.02, FLOOR)
    one.predict(0.5)
    for part in (0.2, 0.0, 0.3):
        many.predict(part)
    for name in ('value', 'variance', 'build'):
        assert getattr(one, name) == pytest.approx(getattr(many, name), abs=1e-12)


def test_the_covariance_stays_sound_over_hours():
    scale = PersonScale(VARIANCE)
    for k in range(20_000):
        seen(scale)
        measure(scale, -0.1, EXACT, FLOOR if k % 2 else None)
        assert 0 < scale.variance < VARIANCE
    assert scale.value == pytest.approx(-0.1, abs=1e-3)


def test_a_child_who_was_taken_for_an_adult_is_believed_to_be_one():
    scale = PersonScale(VARIANCE)
    for _ in range(200):
        seen(scale)
        measure(scale, -0.4, 0.03**2, FLOOR)
    assert scale.build == pytest.approx(-0.4, abs=0.03)
    for _ in range(100):  # 5 s with the feet out of view
        seen(scale)
    assert scale.build == pytest.approx(-0.4, abs=0.04)
    assert np.sqrt(scale.variance) < 0.2


def test_what_is_odd_for_a_moment_changes_nothing():
    scale = PersonScale(VARIANCE)
    for k in range(100):
        seen(scale)
        measure(scale, -0.4 if 50 <= k < 54 else 0.0, 0.03**2, FLOOR)
        assert abs(scale.value) < 0.01


def test_a_child_that_was_none_is_an_adult_again():
    scale = PersonScale(VARIANCE)
    for k in range(300):
        seen(scale)
        measure(scale, -0.4 if k < 40 else 0.0, 0.03**2, FLOOR)
    assert abs(scale.value) < 0.03


def test_who_seems_to_be_a_giant_stands_on_something():
    scale = PersonScale(VARIANCE)
    for _ in range(40):
        seen(scale)
        measure(scale, 0.4, 0.03**2, FLOOR)
    assert scale.value == 0
    sensor = PersonScale(VARIANCE)
    sensor.update(0.4, 0.02**2)
    assert sensor.value == pytest.approx(0.4, abs=0.03)


def test_a_known_size_stays_when_the_estimate_of_it_changes():
    known, unknown = PersonScale(VARIANCE), PersonScale(VARIANCE)
    for _ in range(200):
        seen(known)
        measure(known, -0.4, 0.01**2)
    before = known.build
    for scale in (known, unknown):
        scale.resize(-0.3)
    assert known.build - before == pytest.approx(0.3, abs=0.02)
    assert unknown.build == 0
