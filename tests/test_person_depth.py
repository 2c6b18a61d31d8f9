from dataclasses import replace

import numpy as np
import pytest

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import MeshRaycaster
from metrichmsr_ros.perception.person_depth import MAX_AGE, PersonDepth
from metrichmsr_ros.structures import DepthImage, People, TrackState

CAMERA = Camera.from_fov(640, 480, 1.2)
WALL = 8.0


def ball(radius=0.5):
    """Vertices (V, 3) and faces (F, 3) of a sphere about the origin."""
    theta, phi = np.meshgrid(np.linspace(0, np.pi, 16), np.linspace(0, 2 * np.pi, 32))
    around = [np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)]
    vertices = radius * np.stack(around, axis=-1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(31), np.arange(15), indexing='ij')
    corner = (i * 16 + j).reshape(-1)
    lower = np.stack([corner, corner + 1, corner + 16], axis=1)
    upper = np.stack([corner + 1, corner + 17, corner + 16], axis=1)
    return vertices, np.concatenate([lower, upper])


VERTICES, FACES = ball()


def make_people(*centres, sigma=0.06):
    """Balls at ``centres``, whose distances are known to ``sigma``."""
    pelvis = np.array(centres, np.float32).reshape(-1, 3)
    n = len(pelvis)
    along = pelvis[:, :, None] * pelvis[:, None]
    return replace(
        People.empty(len(VERTICES)),
        ids=tuple('abcde'[:n]),
        states=(TrackState.TRACKED,) * n,
        vertices=(pelvis[:, None] + VERTICES).astype(np.float32),
        joints=np.repeat(pelvis[:, None], 24, axis=1),
        pelvis_covariance=(sigma**2 * along + 1e-4 * np.eye(3)).astype(np.float32),
        velocities=np.zeros((n, 3), np.float32),
    )


def depth_of(*centres, camera=CAMERA, **options):
    """What an ideal sensor measures of balls at ``centres`` before a wall."""
    vertices = np.array(centres).reshape(-1, 1, 3) + VERTICES
    depth_z = MeshRaycaster(FACES).cast(vertices, camera).depth_z
    depth_z = np.where(np.isfinite(depth_z), depth_z, np.float32(WALL))
    return DepthImage(depth_z, camera, measured=True, **options)


def read(people, depth, stamp=0):
    return PersonDepth(MeshRaycaster(FACES)).read(people, depth, stamp)


def damaged(depth, damage):
    depth_z = depth.depth_z.copy()
    damage(depth_z)
    return replace(depth, depth_z=depth_z)


@pytest.mark.parametrize('factor', [0.9, 1.0, 1.12])
def test_measures_how_much_nearer_or_farther_somebody_is(factor):
    there = np.array([0.4, 0.1, 4.0])
    reading = read(make_people(there), depth_of(factor * there))
    assert np.exp(reading.log_ratio[0]) == pytest.approx(factor, abs=0.01)
    assert 0.005 < np.sqrt(reading.variance[0]) < 0.02


def test_moving_by_it_makes_mesh_and_depth_agree():
    there, estimate = np.array([0.4, 0.1, 4.0]), np.array([0.42, 0.105, 4.2])
    depth = depth_of(there)
    for _ in range(2):
        reading = read(make_people(estimate), depth)
        estimate = estimate * np.exp(reading.log_ratio[0])
    mesh = MeshRaycaster(FACES).cast((estimate + VERTICES)[None], CAMERA)
    apart = (depth.depth_z - mesh.depth_z)[mesh.person == 0]
    assert abs(np.median(apart)) < 0.01
    np.testing.assert_allclose(estimate, there, atol=0.02)


def test_each_has_his_own_and_who_is_hidden_has_none():
    centres = [[-1.0, 0, 3], [1.0, 0, 4], [1.5, 0, 6]]
    people = make_people(*centres)
    depth = depth_of([-0.95, 0, 2.85], [1.05, 0, 4.2], [1.5, 0, 6])
    people = replace(people, states=(*people.states[:2], TrackState.PREDICTED))
    reading = read(people, depth)
    np.testing.assert_allclose(np.exp(reading.log_ratio[:2]), [0.95, 1.05], atol=0.01)
    assert np.isnan(reading.log_ratio[2])
    assert np.isnan(reading.variance[2])


def test_noise_and_holes_do_not_matter():
    rng = np.random.default_rng(0)

    def damage(depth_z):
        depth_z += 0.03 * rng.standard_normal(depth_z.shape).astype(np.float32)
        depth_z[rng.random(depth_z.shape) < 0.4] = np.nan
        depth_z[rng.random(depth_z.shape) < 0.05] = 0.3  # flying pixels

    reading = read(make_people([0, 0, 4]), damaged(depth_of([0, 0, 3.8]), damage))
    assert np.exp(reading.log_ratio[0]) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize('nothing', [np.nan, np.inf])
def test_without_depth_nothing_is_said(nothing):
    depth = damaged(depth_of([0, 0, 3.8]), lambda depth_z: depth_z.fill(nothing))
    assert np.isnan(read(make_people([0, 0, 4]), depth).log_ratio).all()


def test_a_few_pixels_are_not_enough():
    def damage(depth_z):
        depth_z[np.arange(480) % 100 != 0] = np.nan

    reading = read(make_people([0, 0, 4]), damaged(depth_of([0, 0, 3.8]), damage))
    assert np.isnan(reading.log_ratio[0])


@pytest.mark.parametrize('hidden', [0.3, 0.45])
def test_a_table_before_the_person_is_left_out(hidden):
    def damage(depth_z):
        rows = np.flatnonzero((depth_z < WALL).any(axis=1))
        depth_z[rows[int(len(rows) * (1 - hidden))] :] = 3.0

    reading = read(make_people([0, 0, 4]), damaged(depth_of([0, 0, 3.8]), damage))
    assert np.exp(reading.log_ratio[0]) == pytest.approx(0.95, abs=0.02)


def test_a_table_before_most_of_the_person_is_not_taken_for_him():
    def damage(depth_z):
        rows = np.flatnonzero((depth_z < WALL).any(axis=1))
        depth_z[rows[int(len(rows) * 0.4)] :] = 3.2

    reading = read(make_people([0, 0, 4]), damaged(depth_of([0, 0, 3.9]), damage))
    assert np.isnan(reading.log_ratio[0])


def test_depth_beside_the_person_is_the_wall_and_says_nothing():
    reading = read(make_people([0, 0, 4]), depth_of([1.5, 0, 4]))
    assert np.isnan(reading.log_ratio[0])


def test_depth_that_is_shifted_by_half_a_person_says_nothing_wrong():
    reading = read(make_people([0, 0, 4]), depth_of([0.25, 0, 3.8]))
    if np.isfinite(reading.log_ratio[0]):
        assert np.exp(reading.log_ratio[0]) == pytest.approx(0.95, abs=0.05)


def test_who_is_surely_elsewhere_is_not_moved_there():
    people = make_people([0, 0, 4], sigma=0.03)
    assert np.isnan(read(people, depth_of([0, 0, 2.5])).log_ratio[0])


def test_old_depth_counts_less_and_then_not_at_all():
    people = replace(make_people([0, 0, 4]), velocities=np.float32([[1.5, 0, 0]]))
    variances = []
    for age in (0.0, 0.04, 0.08):
        depth = depth_of([0, 0, 4], stamp=10**9)
        variances.append(read(people, depth, 10**9 + round(age * 1e9)).variance[0])
    assert variances[0] < variances[1] < variances[2]
    assert np.sqrt(variances[2]) == pytest.approx(
        np.hypot(0.12 / 4, variances[0] ** 0.5), rel=0.01
    )
    late = read(people, depth_of([0, 0, 4], stamp=10**9), 10**9 + round(1.1e9 * MAX_AGE))
    assert np.isnan(late.log_ratio[0])
    unknown = replace(people, velocities=np.full((1, 3), np.nan, np.float32))
    assert read(unknown, depth_of([0, 0, 4], stamp=0), 50_000_000).variance[0] > variances[0]


def test_a_wide_lens_with_distortion():
    D = np.array([-0.25, 0.07, 0.001, -0.001, 0])
    camera = Camera(640, 480, np.array([[400.0, 0, 310], [0, 405, 250], [0, 0, 1]]), D)
    there = np.array([1.6, 0.5, 3.0])
    reading = read(make_people(there), depth_of(0.93 * there, camera=camera))
    assert np.exp(reading.log_ratio[0]) == pytest.approx(0.93, abs=0.01)


def test_nobody():
    reading = read(make_people(), depth_of([0, 0, 4]))
    assert reading.log_ratio.shape == (0,)


def test_a_limb_that_is_posed_wrong_does_not_move_the_pelvis():
    centre, limb = np.array([0.3, 0, 4.0]), np.array([-0.75, 0, 3.6])
    person = make_people(centre)
    both = np.concatenate([VERTICES, VERTICES + limb - centre])
    faces = np.concatenate([FACES, FACES + len(VERTICES)])
    person = replace(person, vertices=(centre + both)[None].astype(np.float32))
    # The body is 0.1 m behind its estimate, the limb at 0.25 m before its own.
    true = centre + np.array([0, 0, 0.1]), limb - np.array([0, 0, 0.25])
    reading = PersonDepth(MeshRaycaster(faces)).read(person, depth_of(*true), 0)
    assert np.exp(reading.log_ratio[0]) == pytest.approx(1 + 0.1 / 4.0, abs=2e-3)


def test_where_the_trunk_is_not_seen_the_rest_tells():
    centre = np.array([0, 0, 4.0])
    person = make_people(centre)
    limb = centre + np.array([0, 1.5, 0])
    person = replace(person, vertices=(limb + VERTICES)[None].astype(np.float32))
    reading = read(person, depth_of(limb + np.array([0, 0, 0.1])))
    assert np.exp(reading.log_ratio[0]) == pytest.approx(1 + 0.1 / 4.0, abs=3e-3)
