import numpy as np
import pytest

from metrichmsr_ros.perception.track_filter import (
    known_covariance,
    measurement_noise,
    PelvisFilter,
)


def test_splitting_a_prediction_changes_nothing():
    def start():
        return PelvisFilter(np.array([1.0, 2, 3]), np.diag([0.1, 0.2, 0.3]))

    one, many = start(), start()
    for f in (one, many):
        f.predict(0.1)
        f.update(np.array([1.1, 2, 3]), 0.01 * np.eye(3))
    one.predict(0.6)
    for _ in range(6):
        many.predict(0.1)
    np.testing.assert_allclose(one.position, many.position)
    np.testing.assert_allclose(one.position_covariance, many.position_covariance)


def test_measurement_noise_is_largest_along_the_ray():
    pelvis = np.array([[2.0, 0, 4], [0, 0, 2]])
    own = np.stack([np.full((3, 3), np.nan), 0.01 * np.eye(3)])
    noise = measurement_noise(pelvis, own)
    values, vectors = np.linalg.eigh(noise[0])
    assert abs(vectors[:, 2] @ pelvis[0]) == pytest.approx(np.linalg.norm(pelvis[0]))
    assert values[2] > 9 * values[1]
    np.testing.assert_allclose(
        noise[1], np.diag([0.01 + 0.04**2, 0.01 + 0.04**2, 0.01 + 0.1**2]), rtol=1e-9
    )


def test_an_estimator_that_knows_nothing_or_all_is_not_believed():
    pelvis = np.tile([[0.0, 0, 4]], (4, 1))
    given = np.stack(
        [np.full((3, 3), np.nan), np.zeros((3, 3)), np.full((3, 3), np.inf), np.eye(3)]
    )
    covariance = known_covariance(pelvis, given)
    np.testing.assert_allclose(covariance[:3], [np.diag([0.08, 0.08, 0.32]) ** 2] * 3)
    np.testing.assert_array_equal(covariance[3], np.eye(3))


def test_a_surprise_across_the_ray_is_followed_and_one_along_it_counts_less():
    noise = np.diag([0.02, 0.02, 0.1]) ** 2
    answers = []
    for moved in ([1.0, 0, 0], [0, 0, 1.0]):
        kalman = PelvisFilter(np.array([0.0, 0, 4]), noise)
        for _ in range(20):
            kalman.predict(0.05)
            kalman.update(np.array([0.0, 0, 4]), noise)
        kalman.predict(0.05)
        kalman.update(np.array([0.0, 0, 4]) + moved, noise)
        answers.append((kalman.position - [0, 0, 4]) @ moved)
    across, along = answers
    assert across > 0.8
    assert along < 0.2
