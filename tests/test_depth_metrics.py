"""Where depth is judged, and by what: on cases that are solved by hand."""

from __future__ import annotations

from dataclasses import replace
import math

import numpy as np
import pytest

from metrichmsr_ros.depth_metrics import (
    distance_regions,
    find_contacts,
    flicker,
    near_surface,
    seam_error,
)
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import MeshDepth
from metrichmsr_ros.metrics import depth_errors
from metrichmsr_ros.perception.depth_sources.ground_plane import floor_depth
from metrichmsr_ros.structures import DepthImage, People

CAMERA = Camera.from_fov(320, 240, np.deg2rad(70))
DOWN, HEIGHT = np.array([0.0, 1.0, 0.0]), 1.2
SHAPE = (240, 320)


def test_rmse_and_all_deltas():
    true, predicted = np.full((1, 4), 2.0), 2.0 * np.array([[1.0, 1.3, 1.6, 2.0]])
    errors = depth_errors(predicted, true)
    assert errors.rmse == pytest.approx(math.sqrt((0.6**2 + 1.2**2 + 2.0**2) / 4))
    assert (errors.delta1, errors.delta2, errors.delta3) == (0.25, 0.5, 0.75)
    assert math.isnan(depth_errors(predicted, true * np.nan).rmse)


def test_each_known_depth_is_in_one_bin():
    true_z = np.array([[0.5, 2.0, 3.9, 4.0, 8.0, 99.0, np.nan]])
    regions = distance_regions(true_z)
    assert list(regions) == ['0-2m', '2-4m', '4-8m', '8m+']
    assert [int(mask.sum()) for mask in regions.values()] == [1, 2, 1, 2]


def test_near_is_within_a_metre_in_space_not_in_the_image():
    points = np.array([[[0.0, 0, 3.0], [0.9, 0, 3.0], [0.8, 0, 3.8], [0, 0, 4.1], [np.nan] * 3]])
    near = near_surface(points, np.array([[0.0, 0, 3.0]]))
    assert near.tolist() == [[True, True, False, False, False]]
    assert not near_surface(points, np.empty((0, 3))).any()


def standing(*pelvis_xz: tuple[float, float], height: float = HEIGHT) -> People:
    """People whose soles are 11 by 11 points about a place on a floor."""
    x, z = np.meshgrid(np.linspace(-0.1, 0.1, 11), np.linspace(-0.1, 0.1, 11))
    soles = np.stack([x, np.full_like(x, height), z], -1).reshape(-1, 3)
    vertices = [soles + np.array([x, 0, z]) for x, z in pelvis_xz]
    n = len(vertices)
    return replace(
        People.empty(len(soles)),
        ids=('',) * n,
        vertices=np.array(vertices, np.float32),
        joints=np.array([[[x, 0.3, z]] * 24 for x, z in pelvis_xz], np.float32),
        pelvis_covariance=np.full((n, 3, 3), np.nan, np.float32),
    )


@pytest.fixture
def floor() -> np.ndarray:
    return floor_depth(CAMERA.pixel_rays(), down=DOWN, height=HEIGHT)


def contacts_of(people: People, floor: np.ndarray, mesh: MeshDepth | None = None):
    nobody = MeshDepth(np.full(SHAPE, np.nan, np.float32), np.full(SHAPE, -1, np.int16))
    plane = DepthImage(floor, CAMERA, sees_people=False)
    return find_contacts(people, mesh or nobody, plane, np.isfinite(floor))


def test_floor_depth_is_height_over_the_ray(floor):
    row = 200
    assert floor[row, 7] == pytest.approx(HEIGHT * CAMERA.K[1, 1] / (row - CAMERA.K[1, 2]))
    assert np.isnan(floor[:120]).all()


def test_there_is_no_seam_where_floor_and_soles_agree(floor):
    contacts = contacts_of(standing((0.0, 3.0)), floor)
    assert len(contacts.row) > 50
    assert seam_error(floor, contacts) < 0.03


def test_the_seam_is_how_far_the_floor_is_from_the_soles(floor):
    contacts = contacts_of(standing((-0.5, 3.0), (0.7, 4.0)), floor)
    assert set(contacts.person) == {0, 1}
    # Shifted depth is off by the shift; scaled depth by what it adds at 3 and at 4 metres.
    assert seam_error(floor + 0.4, contacts) == pytest.approx(0.4, abs=0.03)
    assert seam_error(1.1 * floor, contacts) == pytest.approx((0.3 + 0.4) / 2, abs=0.04)
    assert math.isnan(seam_error(np.full_like(floor, np.nan), contacts))


def test_a_seam_is_measured_beside_the_people_only(floor):
    person = np.full(SHAPE, -1, np.int16)
    person[:, 100:200] = 0
    mesh = MeshDepth(np.where(person == 0, 3.0, np.nan).astype(np.float32), person)
    contacts = contacts_of(standing((0.0, 3.0)), floor, mesh)
    assert not len(contacts.row)
    assert math.isnan(seam_error(floor, contacts))
    assert not len(contacts_of(People.empty(121), floor).row)


def test_flicker_is_the_change_that_is_not_the_truths():
    true_before = np.array([[1.0, 2.0, 3.0, np.nan]])
    true = np.array([[1.0, 2.2, 3.0, 5.0]])
    before, now = 1.3 * true_before, 1.3 * true * np.array([[1.1, 1.0, 1.5, 1.0]])
    static = np.array([[True, True, False, True]])
    change = flicker(before, now, true_before_z=true_before, true_z=true, static=static)
    assert change == pytest.approx(math.log(1.1) / 2)
    nothing = flicker(
        before, now, true_before_z=true_before, true_z=true, static=np.zeros((1, 4), bool)
    )
    assert math.isnan(nothing)
