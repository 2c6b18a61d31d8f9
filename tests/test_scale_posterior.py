"""A metric prior's scale and shift: the mean over who the people may be."""

from dataclasses import replace
import math

from made_floor import made_anchors
import numpy as np
import pytest

from metrichmsr_ros.perception.anchors import LEAST_SIGMA
from metrichmsr_ros.perception.scale_posterior import (
    BEND_SIGMA,
    CHILD_RATIO,
    CHILD_SIGMA,
    CHILDREN,
    mean_correction,
    MISREAD,
)

KNOWN = {'scale_sigma': 0.2, 'shift_sigma': 1e-6}


def people_at(prior_z, ratio, sigma=None):
    """One pixel each: how far they are by the prior, and by themselves over that."""
    prior_z = np.array(prior_z, float)
    anchors = made_anchors(prior_z, prior_z * ratio, np.arange(len(prior_z)))
    return anchors if sigma is None else replace(anchors, sigma=np.full(len(prior_z), sigma))


@pytest.mark.parametrize('ratio', [0.8, 1.0, 1.25])
def test_whose_size_is_known_is_weighed_against_the_prior(ratio):
    scale, shift = mean_correction(people_at([3.0], ratio, LEAST_SIGMA), **KNOWN)
    share = 0.2**2 / (0.2**2 + LEAST_SIGMA**2 + BEND_SIGMA**2)
    assert math.log(scale) == pytest.approx(share * math.log(ratio), abs=2e-3)
    assert shift == pytest.approx(0, abs=1e-5)


def test_a_person_who_seems_far_may_be_a_child_and_one_who_seems_near_is_not_taller():
    farther, _ = mean_correction(people_at([3.0], 1.25), **KNOWN)
    nearer, _ = mean_correction(people_at([3.0], 0.8), **KNOWN)
    assert 0.16 < math.log(farther) < 0.18
    assert -0.21 < math.log(nearer) < -0.19
    known, _ = mean_correction(people_at([3.0], 1.25, LEAST_SIGMA), **KNOWN)
    assert math.log(known) > 0.2


def test_adults_agree_on_who_is_the_child():
    """Two adults by whom the prior is right, and a child who looks 1.3 times farther."""
    scale, _ = mean_correction(people_at([2.0, 3.0, 4.0], np.array([1.0, 1.0, 1.3])), **KNOWN)
    assert scale == pytest.approx(1.0, abs=0.03)
    far, _ = mean_correction(people_at([2.0, 3.0, 4.0], np.array([1.3, 1.3, 1.3])), **KNOWN)
    assert far > 1.2


def test_people_at_two_distances_tell_shift_from_scale():
    prior_z = np.array([1.5, 2.0, 6.0, 7.0])
    anchors = people_at(prior_z, (1.1 * prior_z + 0.5) / prior_z, LEAST_SIGMA)
    scale, shift = mean_correction(anchors, scale_sigma=0.2, shift_sigma=0.6)
    assert scale == pytest.approx(1.1, abs=0.02)
    assert shift == pytest.approx(0.5, abs=0.08)


def test_many_who_agree_are_believed_to_a_thousandth():
    """The posterior is narrower than the first grid's cells."""
    scale, _ = mean_correction(people_at(np.linspace(2, 8, 400), 1.137, LEAST_SIGMA), **KNOWN)
    assert scale == pytest.approx(1.137, rel=1e-3)


@pytest.mark.parametrize('shift_sigma', [0.5, 2.0, 6.0])
@pytest.mark.parametrize('count', [1, 3, 12])
def test_refined_grids_find_what_a_fine_one_does(count, shift_sigma):
    """Also in far scenes, where shift and scale of near people are nearly one."""
    rng = np.random.default_rng(count)
    prior_z = rng.uniform(1.5, 8, count)
    anchors = people_at(prior_z, np.exp(rng.normal(0, 0.15, count)))
    scale, shift = mean_correction(anchors, scale_sigma=0.2, shift_sigma=shift_sigma)
    log_scale, wanted_shift = fine_mean(anchors, 0.2, shift_sigma)
    there = np.array([prior_z.min(), prior_z.max(), 10.0])
    wanted = math.exp(log_scale) * there + wanted_shift
    np.testing.assert_allclose(scale * there + shift, wanted, rtol=0.006)


def fine_mean(anchors, scale_sigma, shift_sigma):
    """On a grid of the scale's logarithm and of the depth in the people's middle."""
    middle = np.median(anchors.prior_z)
    log_scale = np.linspace(-0.9, 0.9, 361)[:, None]
    depth_z = np.linspace(0.3, 3.0, 541)[None] * middle
    shift = depth_z - np.exp(log_scale) * middle
    weight = np.exp(-0.5 * ((log_scale / scale_sigma) ** 2 + (shift / shift_sigma) ** 2))
    for prior_z, mesh_z, sigma in zip(anchors.prior_z, anchors.mesh_z, anchors.sigma, strict=True):
        ratio = np.log(np.maximum(np.exp(log_scale) * prior_z + shift, 0.05) / mesh_z)
        density = MISREAD
        for share, mean, spread in ((1 - CHILDREN, 0, 0), (CHILDREN, CHILD_RATIO, CHILD_SIGMA)):
            deviation = math.sqrt(sigma**2 + BEND_SIGMA**2 + spread**2)
            bell = np.exp(-0.5 * ((ratio - mean) / deviation) ** 2)
            density = density + share * bell / (math.sqrt(2 * math.pi) * deviation)
        weight = weight * density
    weight /= weight.sum()
    return (weight * log_scale).sum(), (weight * shift).sum()


def test_one_person_who_agrees_is_hardly_moved():
    """By his being a child, and because a mean of factors and one of shifts are not its middle."""
    for shift_sigma in (0.3, 1.0):
        scale, shift = mean_correction(
            people_at([3.0], 1.0), scale_sigma=0.2, shift_sigma=shift_sigma
        )
        assert 0.975 < scale + shift / 3 < 0.995


def test_a_shift_of_which_nothing_is_known_is_one_of_some_people_distances():
    scale, shift = mean_correction(
        people_at([2.0, 3.0, 5.0], 1.1), scale_sigma=0.2, shift_sigma=math.inf
    )
    assert scale + shift / 3 == pytest.approx(1.1, abs=0.04)


def test_what_hides_part_of_a_person_does_not_move_him():
    rng = np.random.default_rng(0)
    prior_z = np.linspace(2.8, 3.2, 500)
    mesh_z = 1.1 * prior_z
    prior_z[rng.random(500) < 0.3] *= 0.4
    anchors = made_anchors(prior_z, mesh_z, np.zeros(500, int))
    alone, _ = mean_correction(people_at([3.0], 1.1), **KNOWN)
    assert mean_correction(anchors, **KNOWN)[0] == pytest.approx(alone, abs=0.01)


def test_somebody_who_is_anywhere_moves_little():
    """A reading at five times the prior's distance is a misreading."""
    scale, _ = mean_correction(people_at([3.0], 5.0, LEAST_SIGMA), **KNOWN)
    assert scale == pytest.approx(1.0, abs=0.02)
