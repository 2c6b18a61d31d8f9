import gc
from threading import Event, Semaphore
import time
import weakref

from made_world import CAMERA as WORLD_CAMERA
from made_world import make_frame as world_frame
from made_world import make_pipeline, World
import numpy as np
import pytest

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.depth_sources import Background
from metrichmsr_ros.structures import DepthImage, Frame

CAMERA = Camera.from_fov(16, 12, np.deg2rad(70))
S = 1_000_000_000


class Slow:
    """Depth = the frame's stamp; finishes a frame for each ``go``."""

    def __init__(self):
        self.started, self.finish = Event(), Event()
        self.seen, self.fail_with = [], None

    def depth(self, frame):
        self.seen.append(frame.stamp)
        self.started.set()
        assert self.finish.wait(10)
        self.finish.clear()
        if self.fail_with is not None:
            error, self.fail_with = self.fail_with, None
            raise error
        return DepthImage(np.full(frame.image.shape[:2], frame.stamp, np.float32), frame.camera)

    def go(self):
        """Let it finish the frame it is at, and wait until it has begun the next one."""
        self.started.clear()
        self.finish.set()
        assert self.started.wait(10)


def make_frame(stamp, camera=CAMERA):
    return Frame(np.zeros((camera.height, camera.width, 3), np.uint8), camera, stamp)


@pytest.fixture
def slow():
    return Slow()


@pytest.fixture
def background(slow):
    background = Background(slow, max_age=2.0)
    yield background
    slow.finish.set()
    background.close()


def test_the_newest_frame_is_next_and_nobody_waits(slow, background):
    assert background.depth(make_frame(1)) is None
    assert slow.started.wait(10)
    for stamp in range(2, 10):
        assert background.depth(make_frame(stamp)) is None
    slow.go()
    assert slow.seen == [1, 9]
    for stamp in (10, 11):
        found = background.depth(make_frame(stamp))
        assert (found.stamp, found.frame.stamp) == (1, 1)
        assert (found.depth_z == 1).all()
    slow.go()
    assert slow.seen == [1, 9, 11]
    assert background.depth(make_frame(12)).stamp == 9


def test_what_is_too_old_or_from_the_future_is_not_given(slow, background):
    background.depth(make_frame(10 * S))
    assert slow.started.wait(10)
    background.depth(make_frame(10 * S))
    slow.go()
    assert background.depth(make_frame(12 * S)).stamp == 10 * S
    assert background.depth(make_frame(12 * S + 1)) is None
    assert background.depth(make_frame(9 * S)) is None


def test_another_camera_is_not_given_the_depth_of_the_last(slow, background):
    other = Camera.from_fov(16, 12, np.deg2rad(60))
    background.depth(make_frame(1))
    assert slow.started.wait(10)
    background.depth(make_frame(2, other))
    slow.go()
    assert background.depth(make_frame(3, other)) is None
    slow.go()
    assert background.depth(make_frame(4, other)).camera == other
    assert background.depth(make_frame(5)) is None


def test_an_error_is_raised_once_and_the_source_goes_on(slow, background):
    background.depth(make_frame(1))
    assert slow.started.wait(10)
    slow.fail_with = RuntimeError('out of memory')
    background.depth(make_frame(2))
    slow.go()
    with pytest.raises(RuntimeError, match='out of memory'):
        background.depth(make_frame(3))
    assert background.depth(make_frame(4)) is None
    slow.go()
    assert background.depth(make_frame(5)).stamp == 2


def test_an_error_is_not_lost_in_the_next_success(slow, background):
    background.depth(make_frame(1))
    assert slow.started.wait(10)
    slow.fail_with = RuntimeError('once')
    background.depth(make_frame(2))
    slow.go()
    background._mailbox._frame = make_frame(3)  # as if handed in; nobody has asked since
    slow.go()
    with pytest.raises(RuntimeError, match='once'):
        background.depth(make_frame(4))
    assert background.depth(make_frame(5)).stamp == 2


def test_a_source_that_says_nothing():
    class Nothing:
        def depth(self, frame):
            done.set()

    done = Event()
    background = Background(Nothing(), max_age=1.0)
    assert background.depth(make_frame(1)) is None
    assert done.wait(10)
    assert background.depth(make_frame(2)) is None
    background.close()


def test_close_ends_the_thread(slow):
    background = Background(slow, max_age=1.0)
    background.depth(make_frame(1))
    assert slow.started.wait(10)
    slow.finish.set()
    background.close()
    assert not background._thread.is_alive()
    assert background.depth(make_frame(2)) is None
    background.close()


def test_who_drops_it_is_rid_of_thread_and_source():
    slow = Slow()
    background = Background(slow, max_age=1.0)
    thread, source = background._thread, weakref.ref(slow)
    del background, slow
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
    assert source() is None


@pytest.mark.parametrize('max_age', [0.0, -1.0, float('nan')])
def test_a_bad_age_is_refused(max_age):
    with pytest.raises(ValueError, match='max_age is'):
        Background(Slow(), max_age=max_age)


# Of 1.25: the prior counts too, and he may be a child.
IN_SCALE = 1.17


class Wall:
    """A room with the people of ``world`` as cards, 1.25 times too near; waits for ``go``."""

    def __init__(self, world):
        self.world, self.go, self.begun = world, Semaphore(0), Semaphore(0)

    def depth(self, frame):
        vertices = self.world._vertices()  # as the camera sees them when the work begins
        self.begun.release()
        assert self.go.acquire(timeout=10)
        depth_z = np.full((240, 320), 6.0, np.float32)
        for card in vertices:
            low, high = np.rint(WORLD_CAMERA.project(card[[0, 3]])).astype(int)
            depth_z[low[1] : high[1] + 1, low[0] : high[0] + 1] = card[0, 2]
        return DepthImage(depth_z / 1.25, WORLD_CAMERA, source='wall', scale_sigma=0.2)


def wait_for_depth(pipeline, first):
    for k in range(first, first + 100):
        scene = pipeline.process(world_frame(k))
        if scene.depth is not None:
            return scene
        time.sleep(0.01)
    raise AssertionError('no depth')


@pytest.fixture
def wall():
    world = World()
    world.place([-1, 0, 4])
    return Wall(world)


def test_people_keep_the_cameras_rate_and_late_depth_is_in_their_scale(wall):
    background = Background(wall, max_age=5.0)
    pipeline = make_pipeline(wall.world, depth_source=background)
    for k in range(3):
        scene = pipeline.process(world_frame(k), want_mesh=True)
        assert len(scene.people) == 1
        assert scene.depth is None
        assert scene.mesh is not None
    wall.go.release()
    scene = wait_for_depth(pipeline, 3)
    assert scene.depth.source == 'wall'
    assert scene.depth.num_anchors > 0
    assert scene.depth.scale == pytest.approx(IN_SCALE, abs=0.01)
    assert scene.mesh is None
    wall.go.release(5)
    background.close()


def test_late_depth_is_anchored_where_people_were(wall):
    background = Background(wall, max_age=5.0)
    pipeline = make_pipeline(wall.world, depth_source=background)
    assert pipeline.process(world_frame(0)).depth is None
    assert wall.begun.acquire(timeout=10)
    for k in range(1, 11):
        wall.world.place([-1 + 0.1 * k, 0, 4])
        pipeline.process(world_frame(k))
    wall.go.release()
    scene = wait_for_depth(pipeline, 11)
    assert scene.people.pelvis[0, 0] == pytest.approx(0.0, abs=0.15)
    assert scene.depth.num_anchors > 0
    # By the wall that is behind him now it would be 0.8.
    assert scene.depth.scale == pytest.approx(IN_SCALE, abs=0.01)
    wall.go.release(5)
    background.close()
