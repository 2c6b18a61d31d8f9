"""The scene's depth while people come and go, late priors, and what a sensor does not see."""

from dataclasses import replace
import gc
import weakref

from made_floor import CAMERA, CASTER, FRAME, HEIGHT, make_people, make_scene, stand, TILT
import numpy as np
import pytest

from metrichmsr_ros.perception.affine_field import AffineField
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.perception.depth_sources import GroundPlane, TopicDepth
from metrichmsr_ros.perception.field_memory import MAX_RATE
from metrichmsr_ros.perception.scene_depth import build_scene_depth, SceneDepth
from metrichmsr_ros.structures import DepthImage, DepthState, Frame

S = 1_000_000_000
SPOILT = [(1.25, 0.0), (0.8, 0.3), (1.1, -0.4)]


def frame_at(seconds, depth=None):
    return replace(FRAME, stamp=round(seconds * S), depth=depth)


def room():
    """A floor, a wall behind at 7 m, and a box at the right."""
    depth_z = GroundPlane(HEIGHT, TILT).depth(FRAME).depth_z
    depth_z = np.fmin(depth_z, np.float32(7.0))
    depth_z[100:200, 260:] = 3.0
    return depth_z


def with_people(depth_z, mesh):
    return np.where(mesh.person >= 0, mesh.depth_z, depth_z)


class Fixed:
    """A source that says what it was told to say."""

    def __init__(self, image=None):
        self.image = image

    def depth(self, frame):
        return self.image


def seeing(depth_z, **more):
    settings = {'source': 'network', **more}
    return DepthImage(np.asarray(depth_z, np.float32), CAMERA, **settings)


class Failing(Fixed):
    """A source that raises an error."""

    def depth(self, frame):
        raise RuntimeError('out of memory')


@pytest.mark.parametrize('kind', [Fixed, Failing])
def test_who_drops_it_is_rid_of_the_networks_at_once(kind):
    # A second network would be loaded beside the first, for which a small GPU has no room.
    source, fill = kind(), kind()
    alive = [weakref.ref(source), weakref.ref(fill)]
    scene = SceneDepth(source, CASTER, fill=fill)
    del source, fill
    gc.disable()
    try:
        scene.of(FRAME, *make_scene([])[1:], scene.look(FRAME))
        del scene
        assert [reference() for reference in alive] == [None, None]
    finally:
        gc.enable()


def test_who_enters_and_leaves_moves_the_floor_slowly():
    rng = np.random.default_rng(0)
    scene = SceneDepth(GroundPlane(1.15 * HEIGHT, TILT), CASTER, memory=1.0)
    casts = {}
    for name, feet in {
        'nobody': [],
        'one': [1.2 * stand(0, 3.0)],
        'two': [1.2 * stand(-0.8, 3.0), 0.85 * stand(0.8, 4.5)],
    }.items():
        people = make_people(feet)
        casts[name] = people, CASTER.cast(people.vertices, CAMERA)
    seen, states, seconds, moved = None, set(), 0.0, 0.0
    for name in ['one'] * 10 + ['two'] * 20 + ['one'] * 20 + ['nobody'] * 30 + ['two'] * 20:
        step = rng.uniform(0.02, 0.2)
        seconds += step
        frame, (people, mesh) = frame_at(seconds), casts[name]
        out = scene.of(frame, people, mesh, scene.look(frame))
        states.add(out.state)
        floor = np.where(mesh.person < 0, out.depth_z, np.nan)
        if seen is not None:
            both = np.isfinite(floor) & np.isfinite(seen)
            change = np.abs(np.log(floor[both] / seen[both])).max()
            assert change <= 1.02 * MAX_RATE * step
            moved += change
        seen = floor
    assert states == {DepthState.ANCHORED, DepthState.REMEMBERED, DepthState.UNANCHORED}
    assert moved > 0.05


def test_reset_forgets_the_scale():
    prior, people, mesh = make_scene([stand(0, 3.0)], prior_height=1.2 * HEIGHT)
    _, nobody, empty = make_scene([])
    scene = SceneDepth(Fixed(prior), CASTER)
    assert scene.of(frame_at(0), people, mesh, prior).scale < 0.95
    assert scene.of(frame_at(1), nobody, empty, prior).state == DepthState.REMEMBERED
    scene.reset()
    out = scene.of(frame_at(2), nobody, empty, prior)
    assert (out.state, out.scale) == (DepthState.UNANCHORED, 1.0)


class Counted:
    """An estimator that notes what it was asked."""

    def __init__(self):
        self.asked = []

    def estimate(self, frame, prior, anchors, people):
        self.asked.append((frame, prior, anchors, people))
        if not len(anchors):
            return None
        return AffineField.constant(float(np.median(anchors.mesh_z / anchors.prior_z)))


def test_a_late_prior_is_anchored_once_and_on_the_people_of_its_own_moment():
    source, estimator = Fixed(), Counted()
    scene = SceneDepth(source, CASTER, estimator=estimator)
    late, first, scales = 4, None, []
    for k in range(12):
        _, people, mesh = make_scene([stand(-1.5 + 0.3 * k, 3.0 + 0.2 * k)])
        frame = frame_at(0.1 * k)
        if k == 0:
            first = with_people(room(), mesh)
        if k == late:
            source.image = seeing(first / 1.3, stamp=0, frame=frame_at(0))
            assert not scene.needs_mesh(frame, source.image)
        out = scene.of(frame, people, mesh, scene.look(frame))
        assert (out is None) == (k < late)
        if out is not None:
            scales.append(out.scale)
            assert out.state == DepthState.ANCHORED
            assert out.anchor_age == pytest.approx(0.1 * k)
    np.testing.assert_allclose(scales, 1.3, rtol=1e-5)
    ((frame, prior, anchors, people),) = estimator.asked
    assert (frame.stamp, prior.stamp) == (0, 0)
    assert len(people) == 1
    assert set(anchors.person) == {0}


def test_a_prior_of_a_moment_that_nobody_remembers_is_not_anchored():
    _, people, mesh = make_scene([stand(0, 3.0)])
    old = seeing(with_people(room(), mesh) / 1.3, stamp=0)
    out = SceneDepth(Fixed(old), CASTER).of(frame_at(1.0), people, mesh, old)
    assert (out.state, out.num_anchors, out.scale) == (DepthState.UNANCHORED, 0, 1.0)


def holed(truth):
    """The truth as a sensor of short range with a blind spot in a person sees it."""
    sensor = np.where(truth < 5.0, truth, np.nan)
    sensor[90:110, 100:180] = np.nan
    return sensor.astype(np.float32)


@pytest.mark.parametrize('fill', [None, Fixed()])
def test_a_sensor_passes_untouched_and_nothing_is_filled_in_silence(fill):
    _, people, mesh = make_scene([1.3 * stand(0, 3.0)])  # people who disagree with it
    _, _, true_mesh = make_scene([stand(0, 3.0)])
    sensor = DepthImage(holed(with_people(room(), true_mesh)), CAMERA, measured=True)
    frame = frame_at(0, sensor)
    scene = SceneDepth(TopicDepth(), CASTER, fill=fill)
    out = scene.of(frame, people, mesh, scene.look(frame))
    np.testing.assert_array_equal(out.depth_z, sensor.depth_z)
    assert (out.state, out.scale, out.num_anchors) == (DepthState.MEASURED, 1.0, 0)
    assert scene.of(frame_at(1), people, mesh, None) is None


@pytest.mark.parametrize(('scale', 'shift'), SPOILT)
def test_holes_come_from_a_prior_that_is_fitted_to_the_sensor(scale, shift):
    _, people, mesh = make_scene([stand(0, 3.0)])
    truth = with_people(room(), mesh)
    sensor = DepthImage(holed(truth), CAMERA, measured=True)
    scene = SceneDepth(TopicDepth(), CASTER, fill=Fixed(seeing((truth - shift) / scale)))
    frame = frame_at(0, sensor)
    assert scene.needs_mesh(frame, sensor)
    out = scene.of(frame, people, mesh, scene.look(frame))
    known = np.isfinite(sensor.depth_z)
    np.testing.assert_allclose(out.depth_z[known], sensor.depth_z[known], rtol=1e-3)
    holes = ~known & np.isfinite(truth)
    assert holes.sum() > 5000
    error = np.abs(out.depth_z[holes] / truth[holes] - 1)
    assert np.isfinite(out.depth_z[holes]).all()
    assert error.mean() < 0.03
    assert (out.state, out.source) == (DepthState.FILLED, 'topic, network')
    # The frame after, the sensor is silent: the prior goes on in the scale that it gave.
    silent = scene.of(frame_at(0.1), *scene_of_nobody(), None)
    assert silent.state == DepthState.REMEMBERED
    np.testing.assert_allclose(silent.depth_z[holes], truth[holes], rtol=0.1)


def scene_of_nobody():
    return make_scene([])[1:]


@pytest.mark.parametrize('height', [0.85, 1.2])
def test_a_floor_fills_in_the_height_that_the_sensor_sees_and_people_before_it(height):
    _, people, mesh = make_scene([stand(0, 3.0)])
    truth = with_people(room(), mesh)
    sensor = DepthImage(holed(truth), CAMERA, measured=True)
    scene = SceneDepth(TopicDepth(), CASTER, fill=GroundPlane(height * HEIGHT, TILT))
    out = scene.of(frame_at(0, sensor), people, mesh, sensor)
    assert out.state == DepthState.FILLED
    floor = GroundPlane(HEIGHT, TILT).depth(FRAME).depth_z
    holes = np.isnan(sensor.depth_z) & np.isfinite(floor) & (floor < 7) & (mesh.person < 0)
    assert np.abs(out.depth_z[holes] / floor[holes] - 1).mean() < 0.04
    inside = np.isnan(sensor.depth_z) & (mesh.person >= 0)
    np.testing.assert_array_equal(out.depth_z[inside], mesh.depth_z[inside])


def test_people_alone_anchor_the_prior_while_the_sensor_is_silent():
    _, people, mesh = make_scene([stand(0, 3.0), stand(1, 5.0)])
    people = replace(people, pelvis_covariance=np.tile(0.01 * np.eye(3), (2, 1, 1)))
    truth = with_people(room(), mesh)
    scene = SceneDepth(TopicDepth(), CASTER, fill=Fixed(seeing(truth / 1.2)))
    out = scene.of(frame_at(0), people, mesh, None)
    assert out.state == DepthState.ANCHORED
    assert out.scale == pytest.approx(1.2, abs=0.08)


def test_a_prior_that_nothing_anchors_fills_no_hole():
    _, people, mesh = make_scene([])
    sensor = DepthImage(np.full((240, 320), np.nan, np.float32), CAMERA, measured=True)
    scene = SceneDepth(TopicDepth(), CASTER, fill=Fixed(seeing(room())))
    out = scene.of(frame_at(0, sensor), people, mesh, sensor)
    assert out.state == DepthState.MEASURED
    assert np.isnan(out.depth_z).all()


def test_what_the_settings_ask_for():
    def build(**settings):
        return build_scene_depth(PipelineConfig(**settings), CASTER, 'cpu')

    assert build(depth_source='none') is None
    silent = Frame(FRAME.image, CAMERA, 0)
    scene = build(depth_source='topic')
    assert not scene.needs_mesh(silent, scene.look(silent))
    scene = build(depth_source='topic', fill='prior')
    assert scene.needs_mesh(silent, scene.look(silent))
    scene = build(depth_source='ground', depth_memory=0.0)
    assert scene.look(silent).source == 'ground'
