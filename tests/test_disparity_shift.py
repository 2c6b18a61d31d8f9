"""Inverse depth up to a factor and a shift: people undo both, and no depth jumps meanwhile."""

from dataclasses import replace

from made_floor import CAMERA, CASTER, FRAME, HEIGHT, made_anchors, make_people, stand, TILT
import numpy as np
import pytest

from metrichmsr_ros.perception.depth_sources import GroundPlane
from metrichmsr_ros.perception.disparity_shift import fit_disparity_shift
from metrichmsr_ros.perception.field_memory import MAX_RATE
from metrichmsr_ros.perception.scene_depth import SceneDepth
from metrichmsr_ros.structures import DepthImage, DepthState

S = 1_000_000_000
NEAR, FAR = stand(-0.8, 2.5), stand(0.8, 5.0)


class Network:
    """Predicts a / z + b of a room with people, in units of its median."""

    def __init__(self, b, *, inverse=True):
        self.b, self.inverse, self.feet = b, inverse, [NEAR, FAR]

    def look(self):
        people = make_people(self.feet)
        mesh = CASTER.cast(people.vertices, CAMERA)
        floor = GroundPlane(HEIGHT, TILT).depth(FRAME).depth_z
        true_z = np.fmin(np.where(mesh.person >= 0, mesh.depth_z, floor), np.float32(9))
        return people, mesh, true_z

    def depth(self, frame):
        q = 2 / self.look()[2] + self.b
        return DepthImage(
            (np.median(q) / q).astype(np.float32),
            CAMERA,
            metric=False,
            inverse=self.inverse,
            source='network',
        )


def shown(scene, network, seconds):
    """What a frame gives, on what is the truth."""
    frame = replace(FRAME, stamp=round(seconds * S))
    people, mesh, true_z = network.look()
    return scene.of(frame, people, mesh, scene.look(frame)), true_z


@pytest.mark.parametrize('b', [0.15, -0.1, 0.0])
def test_people_at_two_distances_straighten_the_room(b):
    network = Network(b)
    out, true_z = shown(SceneDepth(network, CASTER), network, 1)
    assert out.state == DepthState.ANCHORED
    np.testing.assert_allclose(out.depth_z, true_z, rtol=0.05)  # a large shift is unlikely
    if b:
        bent = Network(b, inverse=False)
        out, _ = shown(SceneDepth(bent, CASTER), bent, 1)
        assert np.nanmax(np.abs(out.depth_z / true_z - 1)) > 0.08


def test_one_person_tells_the_factor_and_no_shift():
    network = Network(0.15)
    network.feet = [NEAR]
    out, true_z = shown(SceneDepth(network, CASTER), network, 1)
    near = np.abs(true_z / 2.5 - 1) < 0.1
    np.testing.assert_allclose(out.depth_z[near], true_z[near], rtol=0.1)


def test_who_enters_straightens_the_room_slowly_and_it_stays_so():
    network = Network(0.15)
    scene = SceneDepth(network, CASTER)
    seen, step, errors = None, 0.1, []
    for k in range(80):
        network.feet = [NEAR] if k < 10 or k >= 70 else [NEAR, FAR]
        out, true_z = shown(scene, network, k * step)
        wall = np.where(true_z == 9, out.depth_z, np.nan)
        assert np.isfinite(out.depth_z).all()
        if seen is not None:
            change = np.nanmax(np.abs(np.log(wall / seen)))
            assert change < 2.5 * MAX_RATE * step  # of the shift, and of the field about it
        seen = wall
        errors.append(np.nanmean(np.abs(wall / 9 - 1)))
    assert errors[9] > 0.2
    assert errors[69] < 0.05
    assert errors[79] < 0.08
    scene.reset()
    network.feet = [NEAR]
    out, _ = shown(scene, network, 100)
    assert np.nanmean(np.abs(out.depth_z[true_z == 9] / 9 - 1)) > 0.2


def test_noise_of_people_hardly_bends_what_is_straight():
    rng = np.random.default_rng(0)
    person = np.repeat([0, 1], 500)
    shifts = []
    for _ in range(100):
        mesh_z = np.repeat([2.0, 4.0] * np.exp(0.06 * rng.normal(size=2)), 500)
        q = 3 / np.repeat([2.0, 4.0], 500)
        found = fit_disparity_shift(made_anchors(1 / q, mesh_z, person))
        shifts.append(found.shift / np.median(q))
        assert 0.5 < found.share < 1
    assert abs(np.mean(shifts)) < 0.05
    assert np.std(shifts) < 0.2


def test_what_says_nothing_of_a_shift():
    mesh_z = np.linspace(2, 4, 1000)
    person = np.arange(1000) // 500
    contrary = made_anchors(mesh_z[::-1], mesh_z, person)
    assert fit_disparity_shift(contrary) is None
    assert fit_disparity_shift(made_anchors(mesh_z[:5], mesh_z[:5], person[:5])) is None
    same = made_anchors(np.full(1000, 2.0), mesh_z, person)
    assert fit_disparity_shift(same) is None
