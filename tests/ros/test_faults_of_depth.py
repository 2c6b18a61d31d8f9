"""Bad depth through the running node costs the depth, never the people."""

from collections.abc import Iterator

from graph import FRAME, Graph, make_depth, make_image, running
import numpy as np
import pytest
from sensor_msgs.msg import Image

pytestmark = pytest.mark.ros


@pytest.fixture
def depth_graph(context: None) -> Iterator[tuple[Graph, object]]:
    with running(depth_source='topic') as graph:
        graph.listen_to_people()
        depth = graph.probe.create_publisher(Image, 'depth', 10)
        graph.start()
        graph.spin_until(lambda: depth.get_subscription_count() == 1)
        yield graph, depth


@pytest.mark.parametrize(
    ('pixels', 'changes', 'text'),
    [
        (np.ones((48, 48), np.float32), {}, 'depth is 48x48, the image 64x48'),
        (np.ones((48, 64), np.float32), {'encoding': 'rgb8'}, 'neither 16UC1'),
        (np.ones((48, 64), np.float32), {'data': b''}, 'data has 0 bytes'),
        (np.ones((48, 64), np.float32), {'frame': 'elsewhere'}, "depth is of frame 'elsewhere'"),
    ],
)
def test_bad_depth_costs_the_depth_only(
    depth_graph: tuple[Graph, object], pixels: np.ndarray, changes: dict, text: str
) -> None:
    graph, depth = depth_graph
    stamp = graph.next_stamp()
    message = make_depth(pixels, stamp=stamp, frame=changes.pop('frame', FRAME))
    for name, value in changes.items():
        setattr(message, name, value)
    depth.publish(message)
    assert len(graph.expect(make_image(stamp=stamp)).people) == 1
    assert graph.pipeline.frames[-1].depth is None
    assert text in graph.errors()['depth'][1]
    stamp = graph.next_stamp()
    depth.publish(make_depth(np.ones((48, 64), np.float32), stamp=stamp))
    graph.expect(make_image(stamp=stamp))
    assert graph.pipeline.frames[-1].depth is not None


@pytest.mark.parametrize('lost', ['depth', 'image'])
def test_one_lost_message_does_not_shift_all_later_pairs(context: None, lost: str) -> None:
    # Whoever comes first waits, finds no partner and would take the next one's, and so on.
    with running(depth_source='topic', depth_slop=0.08) as graph:
        graph.listen_to_people()
        depth = graph.probe.create_publisher(Image, 'depth', 10)
        graph.start()
        graph.spin_until(lambda: depth.get_subscription_count() == 1)
        pixels = np.ones((48, 64), np.float32)
        sends = {
            'image': lambda stamp: graph.send(make_image(stamp=stamp)),
            'depth': lambda stamp: depth.publish(make_depth(pixels, stamp=stamp)),
        }
        for k in range(16):
            stamp = graph.next_stamp()
            for name in ('image', 'depth') if lost == 'depth' else ('depth', 'image'):
                if not (k == 8 and name == lost):
                    sends[name](stamp)
                graph.spin_for(0.02)
            if k != 8:
                graph.spin_until(lambda stamp=stamp: graph._people_at(stamp))
                frame = graph.pipeline.frames[-1]
                assert frame.depth.stamp == frame.stamp == stamp
        graph.spin_until(lambda: 'depth after image (ms)' in str(graph.status().values))


def test_depth_that_is_all_unknown(depth_graph: tuple[Graph, object]) -> None:
    graph, depth = depth_graph
    pixels = np.full((48, 64), np.nan, np.float32)
    pixels[::2] = 0
    depth.publish(make_depth(pixels, stamp=graph.next_stamp()))
    graph.expect(make_image(stamp=graph.stamp))
    depth_of_frame = graph.pipeline.frames[-1].depth
    assert np.isnan(depth_of_frame.depth_z).all()
    assert depth_of_frame.stamp == graph.stamp


def test_images_go_on_when_depth_stops_and_pair_again_after_a_jump_back(
    depth_graph: tuple[Graph, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from metrichmsr_ros.ros import inputs

    graph, depth = depth_graph
    for _ in range(12):  # fill the synchroniser with times that will be in the future
        depth.publish(make_depth(np.ones((48, 64), np.float32), stamp=graph.next_stamp()))
        graph.expect(make_image(stamp=graph.stamp))
    monkeypatch.setattr(inputs, '_PAIR_PATIENCE', 0.2)
    graph.spin_until(lambda: 'no depth' in graph.status().message)
    graph.expect()
    assert graph.pipeline.frames[-1].depth is None
    monkeypatch.setattr(inputs, '_PAIR_PATIENCE', 5.0)
    graph.stamp -= 30_000_000_000
    graph.send()  # shows the jump
    for _ in range(2):
        stamp = graph.next_stamp()
        graph.send(make_image(stamp=stamp))
        graph.spin_for(0.05)
        depth.publish(make_depth(np.ones((48, 64), np.float32), stamp=stamp))
        graph.spin_until(lambda stamp=stamp: graph._people_at(stamp))
        assert graph.pipeline.frames[-1].depth is not None


def test_depth_pairs_again_after_its_own_time_jumps_back(
    depth_graph: tuple[Graph, object],
) -> None:
    graph, depth = depth_graph
    pixels = np.ones((48, 64), np.float32)
    for k in range(12):  # a wrong clock of the depth camera fills the synchroniser
        depth.publish(make_depth(pixels, stamp=graph.stamp + (1000 + k) * 10**9))
        graph.spin_for(0.02)
    for _ in range(2):
        stamp = graph.next_stamp()
        depth.publish(make_depth(pixels, stamp=stamp))
        graph.spin_for(0.05)
        graph.expect(make_image(stamp=stamp))
        assert graph.pipeline.frames[-1].depth is not None


def test_images_whose_stamps_go_back_and_forth_do_not_wait_for_depth_for_ever(
    depth_graph: tuple[Graph, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from metrichmsr_ros.ros import inputs

    graph, _ = depth_graph
    monkeypatch.setattr(inputs, '_PAIR_PATIENCE', 0.2)
    for k in range(10):
        graph.send(make_image(stamp=graph.next_stamp() - (k % 2) * 10**9))
        graph.spin_for(0.05)
    graph.spin_until(lambda: graph.people)
    graph.spin_until(lambda: 'no depth' in graph.status().message)


@pytest.mark.parametrize('sec', [-5, -(2**31)])
def test_stamps_before_time_began_do_not_end_the_node(
    depth_graph: tuple[Graph, object], sec: int
) -> None:
    graph, depth = depth_graph
    pixels = np.ones((48, 64), np.float32)
    depth.publish(make_depth(pixels, stamp=sec * 10**9))
    image = make_image(stamp=sec * 10**9)
    assert f'the stamp of the image is {sec}.000 s' in graph.expect_nothing(image, 'image')
    stamp = graph.next_stamp()
    depth.publish(make_depth(pixels, stamp=stamp))
    graph.expect(make_image(stamp=stamp))
    assert graph.pipeline.frames[-1].depth is not None


def test_depth_that_returns_with_an_older_image_does_not_turn_time_back(
    depth_graph: tuple[Graph, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from metrichmsr_ros.ros import inputs

    graph, depth = depth_graph
    pixels = np.ones((48, 64), np.float32)
    monkeypatch.setattr(inputs, '_PAIR_PATIENCE', 0.2)
    graph.spin_until(lambda: 'no depth' in graph.status().message)
    stamps = [graph.next_stamp() for _ in range(3)]
    for stamp in stamps:
        graph.expect(make_image(stamp=stamp))
    monkeypatch.setattr(inputs, '_PAIR_PATIENCE', 5.0)
    resets = graph.pipeline.resets
    depth.publish(make_depth(pixels, stamp=stamps[1]))  # of an image that went on without it
    graph.spin_until(lambda: not graph.node._inputs.depth_missing)
    depth.publish(make_depth(pixels, stamp=graph.next_stamp()))
    graph.expect(make_image(stamp=graph.stamp))
    assert graph.pipeline.frames[-1].depth is not None
    assert graph.pipeline.resets == resets
    assert 'stamp' not in graph.errors()


def test_a_depth_source_that_fails_is_told_and_costs_nobody(context: None) -> None:
    with running(depth_source='ground') as graph:
        graph.listen_to_people()
        graph.listen(Image, 'metrichmsr/depth/image_rect')
        graph.start()
        graph.pipeline.depth_error = RuntimeError('out of memory')
        assert len(graph.expect().people) == 1
        assert 'RuntimeError: out of memory' in graph.errors()['depth source'][1]
        assert graph.pipeline.resets == 1  # at the start, and not since
