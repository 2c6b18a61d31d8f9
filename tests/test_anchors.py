"""Which pixels of people count as anchors: how far inside their outlines."""

from __future__ import annotations

from dataclasses import replace

from made_floor import CAMERA, make_people
import numpy as np
import pytest

from metrichmsr_ros.geometry.mesh_depth import MeshDepth
from metrichmsr_ros.perception.anchors import outline_margins, people_anchors, surface_anchors
from metrichmsr_ros.structures import DepthImage


def squares(*sides: int) -> MeshDepth:
    """Return people who are squares side by side, touching each other, at 2 m."""
    person = np.full((240, 320), -1, np.int16)
    left = 10
    for i, side in enumerate(sides):
        person[20 : 20 + side, left : left + side] = i
        left += side
    return MeshDepth(np.where(person >= 0, np.float32(2), np.float32(np.nan)), person)


def test_margins_are_each_person_s_own_and_also_between_people():
    mesh = squares(100, 60)
    prior = np.ones((240, 320), np.float32)
    anchors = surface_anchors(prior, mesh, np.full(2, 0.05), edge=np.array([8.0, 3.0]))
    assert (anchors.person == 0).sum() == (100 - 16) ** 2
    assert (anchors.person == 1).sum() == (60 - 6) ** 2
    first = anchors.select(anchors.person == 0)
    assert (first.column.min(), first.column.max()) == (18, 101)
    assert (first.row.min(), first.row.max()) == (28, 111)


def test_the_middle_of_an_unsure_person_remains():
    mesh = squares(100, 5, 4)
    prior = np.ones((240, 320), np.float32)
    anchors = surface_anchors(prior, mesh, np.full(3, 0.05), edge=np.full(3, 1000.0))
    counts = np.bincount(anchors.person, minlength=3)
    # Half of the 49 pixels from the outline to the middle; of the narrow ones what 2 px leave.
    assert counts[0] == pytest.approx(50**2, rel=0.05)
    assert counts[1:].tolist() == [1, 0]


def test_an_outline_is_as_unsure_as_the_place_across_the_view():
    people = make_people(np.array([[0.0, 0.0, 1.5], [0.0, 0.0, 2.5], [0.5, 0.0, 2.0]]))
    along = people.pelvis / np.linalg.norm(people.pelvis, axis=1, keepdims=True)
    covariance = 0.03**2 * np.eye(3) + 0.4**2 * along[:, :, None] * along[:, None]
    people = replace(people, pelvis_covariance=covariance.astype(np.float32))
    focal = CAMERA.K[0, 0]
    np.testing.assert_allclose(
        outline_margins(people, CAMERA), 0.03 * focal / people.pelvis[:, 2], rtol=1e-3
    )


def test_who_is_unsure_has_fewer_anchors():
    prior = DepthImage(np.ones((240, 320), np.float32), CAMERA, metric=False, source='made')
    counts = []
    for sigma in (0.001, 0.05, np.nan):
        covariance = np.full((1, 3, 3), sigma**2 * np.eye(3), np.float32)
        people = replace(make_people(np.array([[0, 0, 2.0]])), pelvis_covariance=covariance)
        counts.append(len(people_anchors(prior, people, squares(100))))
    assert counts[0] == counts[2] == 96**2
    pixels = 0.05 * CAMERA.K[0, 0] / people.pelvis[0, 2]
    assert counts[1] == (100 - 2 * np.ceil(pixels)) ** 2
