"""A metric prior's scale and shift: the mean over who the people may be."""

import math

from made_floor import made_anchors
import numpy as np
import pytest

from metrichmsr_ros.perception.anchors import Anchors, LEAST_SIGMA
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
    if sigma is None:
        return anchors
    rest = (getattr(anchors, name) for name in ('prior_z', 'mesh_z', 'person', 'row', 'column'))
    return Anchors(*rest, np.full(len(prior_z), sigma))


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


@pytest.mark.parametrize('seed', range(4))
def test_refined_grids_find_what_a_fine_one_does(seed):
    rng = np.random.default_rng(seed)
    prior_z = rng.uniform(1, 8, 3)
    ratio = np.exp(rng.normal(0, 0.2, 3))
    anchors = people_at(prior_z, ratio)
    scale, shift = mean_correction(anchors, scale_sigma=0.2, shift_sigma=0.5)
    log_scale, wanted_shift = fine_mean(anchors, 0.2, 0.5)
    assert math.log(scale) == pytest.approx(log_scale, abs=4e-3)
    assert shift == pytest.approx(wanted_shift, abs=0.015)


def fine_mean(anchors, scale_sigma, shift_sigma):
    log_scale = np.linspace(-0.8, 0.8, 401)[:, None]
    shift = shift_sigma * np.linspace(-4, 4, 401)[None]
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


def test_somebody_who_is_anywhere_moves_little():
    """A reading at five times the prior's distance is a misreading."""
    scale, _ = mean_correction(people_at([3.0], 5.0, LEAST_SIGMA), **KNOWN)
    assert scale == pytest.approx(1.0, abs=0.02)
