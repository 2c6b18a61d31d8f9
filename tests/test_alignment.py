"""Alignment recovers transforms, is the least-squares optimum, and refuses what has none."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metrichmsr_ros.geometry.alignment import rigid_align, similarity_align

RNG = np.random.default_rng(0)


def cloud(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(*shape, 3))


def test_recovers_a_similarity():
    source = cloud(17)
    R, t = Rotation.from_rotvec([0.4, -2.0, 1.1]).as_matrix(), np.array([1.0, -2.0, 5.0])
    found = similarity_align(source, 1.7 * source @ R.T + t)
    assert float(found.scale) == pytest.approx(1.7)
    np.testing.assert_allclose(found.R, R, atol=1e-12)
    np.testing.assert_allclose(found.t, t, atol=1e-12)
    np.testing.assert_allclose(found.apply(source), 1.7 * source @ R.T + t, atol=1e-12)


def test_rigid_keeps_the_scale():
    source = cloud(17)
    R = Rotation.from_rotvec([0.4, -2.0, 1.1]).as_matrix()
    found = rigid_align(source, 1.7 * source @ R.T)
    assert float(found.scale) == 1
    np.testing.assert_allclose(found.R, R, atol=1e-12)


def test_batches_are_independent():
    source, target = cloud(4, 2, 9), RNG.normal(size=(4, 2, 9, 3))
    together = similarity_align(source, target)
    assert together.scale.shape == (4, 2)
    alone = similarity_align(source[3, 1], target[3, 1])
    np.testing.assert_allclose(together.R[3, 1], alone.R)
    np.testing.assert_allclose(together.apply(source)[3, 1], alone.apply(source[3, 1]))


def test_one_target_for_many_sources():
    source, target = cloud(6, 9), RNG.normal(size=(9, 3))
    assert similarity_align(source, target).apply(source).shape == (6, 9, 3)


def test_never_a_reflection():
    source = cloud(12)
    found = similarity_align(source, source * (1, 1, -1))
    assert np.linalg.det(found.R) == pytest.approx(1)


def test_points_in_a_plane():
    source = cloud(8) * (1, 1, 0)
    R = Rotation.from_rotvec([1.0, 0.5, -0.3]).as_matrix()
    found = rigid_align(source, source @ R.T)
    np.testing.assert_allclose(found.R, R, atol=1e-9)


@pytest.mark.parametrize('align', [similarity_align, rigid_align])
def test_is_the_least_squares_optimum(align):
    source, target = cloud(20), RNG.normal(size=(20, 3)) + cloud(20)
    found = align(source, target)
    best = ((found.apply(source) - target) ** 2).sum()
    for _ in range(50):
        turn = Rotation.from_rotvec(RNG.normal(size=3) * 0.01).as_matrix()
        scale = found.scale * (np.exp(RNG.normal() * 0.01) if align is similarity_align else 1)
        moved = scale * source @ (turn @ found.R).T
        t = found.t + RNG.normal(size=3) * 0.01
        assert ((moved + t - target) ** 2).sum() >= best


@pytest.mark.parametrize(
    ('source', 'target', 'message'),
    [
        (np.ones((2, 3)), np.ones((2, 3)), 'at least 3 points, got 2'),
        (np.ones((5, 2)), np.ones((5, 2)), r'must be \(\.\.\., n, 3\)'),
        (np.ones((5, 3)), np.ones((4, 3)), r'must be \(\.\.\., n, 3\)'),
        (np.full((5, 3), np.nan), np.ones((5, 3)), 'must be finite'),
        (np.ones((5, 3)), cloud(5), 'must not all coincide'),
    ],
)
def test_rejects_bad_input(source, target, message):
    with pytest.raises(ValueError, match=message):
        similarity_align(source, target)
