"""The pipeline's depth: what is made of it, and how a sensor's corrects people."""

from made_world import CAMERA, make_frame, make_pipeline, World
import numpy as np
import pytest

from metrichmsr_ros.perception.depth_sources import GroundPlane, TopicDepth
from metrichmsr_ros.structures import DepthImage, DepthState, TrackState


@pytest.fixture
def world():
    return World()


def test_depth_is_made_only_on_demand(world):
    world.place([0, 0, 4])
    pipeline = make_pipeline(world, depth_source=GroundPlane(1.0))
    scene = pipeline.process(make_frame(), want_depth=False)
    assert scene.depth is None
    assert scene.mesh is None
    assert 'mesh' not in scene.timings
    scene = pipeline.process(make_frame(1))
    assert scene.depth.source == 'ground'
    assert scene.mesh is not None


def test_predicted_people_are_not_in_the_depth(world):
    pipeline = make_pipeline(world, depth_source=GroundPlane(1.0))
    world.place([-1, 0, 4], [1, 0, 3])
    for k in range(5):
        scene = pipeline.process(make_frame(k))
    assert set(np.unique(scene.mesh.person)) == {-1, 0, 1}
    world.place([1, 0, 3])
    scene = pipeline.process(make_frame(5))
    assert scene.people.states == (TrackState.TRACKED, TrackState.PREDICTED)
    assert set(np.unique(scene.mesh.person)) == {-1, 0}
    np.testing.assert_allclose(scene.depth.depth_z[scene.mesh.person == 0], 3.0, rtol=1e-5)


def test_a_sensors_depth_passes_and_costs_no_mesh(world):
    world.place([0, 0, 4])
    depth_z = np.full((240, 320), 2.5, np.float32)
    depth_z[:50] = 0
    pipeline = make_pipeline(world, depth_source=TopicDepth())
    scene = pipeline.process(make_frame(depth=DepthImage(depth_z, CAMERA)))
    assert scene.depth.source == 'topic'
    assert np.isnan(scene.depth.depth_z[:50]).all()
    np.testing.assert_array_equal(scene.depth.depth_z[50:], 2.5)
    assert scene.mesh is None
    assert pipeline.process(make_frame(1)).depth is None


def seen_at(z, camera=CAMERA):
    """Depth of a wall at 9 m with a card of a person's size at ``z``, off by nothing."""
    depth_z = np.full((240, 320), 9.0, np.float32)
    low, high = np.rint(camera.project(np.array([[-0.3, -0.8, z], [0.3, 0.9, z]]))).astype(int)
    depth_z[low[1] : high[1] + 1, low[0] : high[0] + 1] = z
    return DepthImage(depth_z, camera, measured=True)


def test_people_and_a_sensors_depth_agree(world):
    world.place([0, 0, 4])
    pipeline = make_pipeline(world, depth_source=TopicDepth())
    for want_depth in (True, False):
        scene = pipeline.process(
            make_frame(0, depth=seen_at(3.8)), want_depth=want_depth, want_mesh=True
        )
        assert (scene.depth is None) is not want_depth
        assert scene.people.pelvis[0, 2] == pytest.approx(3.8, abs=0.02)
        on = scene.mesh.person == 0
        np.testing.assert_allclose(scene.mesh.depth_z[on], 3.8, atol=0.02)
        np.testing.assert_allclose(scene.people.vertices[0, :, 2], 3.8, atol=0.02)
        along = scene.people.pelvis_covariance[0, 2, 2]
        assert np.sqrt(along) < 0.1  # 0.32 before
    assert pipeline.process(make_frame(1)).people.pelvis[0, 2] == pytest.approx(4.0)


def test_a_sensor_that_sees_nothing_of_the_person_leaves_him_where_he_is(world):
    world.place([0, 0, 4])
    pipeline = make_pipeline(world, depth_source=TopicDepth())
    for k, depth_z in enumerate((0.0, np.nan, 9.0)):
        depth = DepthImage(np.full((240, 320), depth_z, np.float32), CAMERA, measured=True)
        people = pipeline.process(make_frame(k, depth=depth)).people
        np.testing.assert_allclose(people.pelvis, [[0, 0, 4]], atol=1e-6)


def test_a_floor_does_not_move_people(world):
    world.place([0, 0, 4])
    scene = make_pipeline(world, depth_source=GroundPlane(1.0)).process(make_frame())
    np.testing.assert_allclose(scene.people.pelvis, [[0, 0, 4]], atol=1e-6)
    assert 'person depth' not in scene.timings


def test_people_can_be_found_in_a_sensors_depth_and_leave_it_as_it_is(world):
    world.place([0, 0, 4], [1, 0, 5])
    pipeline = make_pipeline(world, depth_source=TopicDepth())
    sent = seen_at(3.8).depth_z
    sent[::7, ::5] = np.nan
    scene = pipeline.process(
        make_frame(depth=DepthImage(sent, CAMERA, measured=True)), want_mesh=True
    )
    np.testing.assert_allclose(scene.depth.depth_z, sent, rtol=1e-3)
    assert scene.depth_state == DepthState.MEASURED
    assert set(np.unique(scene.mesh.person)) == {-1, 0, 1}


class Wall:
    """A network that sees everything at 3.6 m."""

    def depth(self, frame):
        depth_z = np.full(frame.image.shape[:2], 3.6, np.float32)
        return DepthImage(depth_z, frame.camera, source='wall')


def test_the_scale_outlives_the_people_until_the_pipeline_is_reset(world):
    world.place([0.0, -0.1, 4.0])
    pipeline = make_pipeline(world, depth_source=Wall())
    states = []
    for k in range(40):
        if k == 10:
            world.place()
        states.append(pipeline.process(make_frame(k)).depth_state)
    assert states[5:10] == [DepthState.ANCHORED] * 5
    assert states[10:] == [DepthState.REMEMBERED] * 30
    pipeline.reset()
    assert pipeline.process(make_frame(41)).depth_state == DepthState.UNANCHORED


class Failing:
    """A source that fails at some frames, and knows the floor else."""

    def __init__(self, *stamps):
        self.stamps, self.floor = stamps, GroundPlane(1.0)

    def depth(self, frame):
        if frame.stamp in self.stamps:
            raise RuntimeError('out of memory')
        return self.floor.depth(frame)


def test_a_source_that_fails_costs_the_depth_and_nobody_s_track(world):
    world.place([0, 0, 4])
    stamps = [make_frame(k).stamp for k in range(4)]
    pipeline = make_pipeline(world, depth_source=Failing(*stamps[1:3]))
    scenes = [pipeline.process(make_frame(k)) for k in range(4)]
    assert [scene.depth is None for scene in scenes] == [False, True, True, False]
    assert [str(scene.depth_error or '') for scene in scenes] == [
        '', 'out of memory', 'out of memory', ''
    ]  # fmt: skip
    assert len({scene.people.ids for scene in scenes}) == 1
    failing = make_pipeline(world, depth_source=Failing(*stamps))
    assert failing.process(make_frame(0), want_depth=False).depth_error is None


def test_a_sensor_that_fails_is_told_also_where_only_people_need_it(world):
    world.place([0, 0, 4])
    stamps = [make_frame(k).stamp for k in range(2)]
    pipeline = make_pipeline(world, depth_source=Failing(stamps[0]))
    sensor = seen_at(3.8)
    scene = pipeline.process(make_frame(0, depth=sensor), want_depth=False)
    assert str(scene.depth_error) == 'out of memory'
    assert pipeline.process(make_frame(1), want_depth=False).depth_error is None
