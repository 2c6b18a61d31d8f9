import numpy as np
import pytest

from metrichmsr_ros.perception.track_filter import measurement_noise, PelvisFilter


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
