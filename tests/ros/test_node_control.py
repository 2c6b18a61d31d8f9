"""The running node under control: lifecycle, parameters, names, time."""

import time

from graph import (
    call,
    change_state,
    Graph,
    request_transition,
    running,
    set_parameter,
)
import pytest
from rcl_interfaces.srv import DescribeParameters, SetParametersAtomically
import rclpy
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from tf2_msgs.msg import TFMessage

from metrichmsr_ros.ros.messages import to_header

pytestmark = pytest.mark.ros


def test_tf_is_wanted_only_while_it_is_published(context: None) -> None:
    with running(publish_tf=False) as graph:
        graph.listen(TFMessage, '/tf')
        graph.start()
        graph.send()
        graph.spin_until(lambda: graph.node._health.snapshot().idle == 1)
        assert set_parameter(graph, 'publish_tf', True) == (True, '')
        graph.send()
        graph.spin_until(lambda: graph.received['/tf'])


def test_a_transition_out_of_turn_is_refused_and_the_node_lives(context: None) -> None:
    with running() as graph:
        graph.listen_to_people()
        graph.start()
        for number in (1, 3, 5, 250):  # configure and activate again, of another state, unknown
            assert not request_transition(graph, number)
        assert not change_state(graph, 'cleanup')
        graph.expect()
        assert request_transition(graph, 4)
        assert request_transition(graph, 3)
        graph.start()
        graph.expect()


def test_lifecycle_from_start_to_cleanup_and_back(context: None) -> None:
    with running(autostart=False) as graph:
        graph.listen_to_people()
        graph.spin_until(lambda: 'unconfigured' in graph.status().message)
        assert graph.pipelines == []
        assert change_state(graph, 'configure')
        assert graph.image.get_subscription_count() == 0
        assert change_state(graph, 'activate')
        graph.start()
        graph.expect()
        assert change_state(graph, 'deactivate')
        graph.spin_until(lambda: graph.image.get_subscription_count() == 0)
        graph.spin_until(lambda: graph.status().message.startswith('inactive'))
        assert change_state(graph, 'activate')
        graph.start()
        graph.expect()
        assert len(graph.pipelines) == 1
        assert change_state(graph, 'deactivate')
        assert change_state(graph, 'cleanup')
        assert not graph.probe.count_publishers('/metrichmsr/people')
        assert change_state(graph, 'configure')
        assert change_state(graph, 'activate')
        graph.start()
        graph.expect()
        assert len(graph.pipelines) == 2
        assert change_state(graph, 'shutdown')
        assert graph.state == 'finalized'
        assert not graph.probe.count_publishers('/metrichmsr/people')
        graph.spin_until(lambda: graph.status().message.startswith('finalized'))


def test_simulated_time(context: None) -> None:
    with running(use_sim_time=True) as graph:
        graph.listen_to_people()
        clock = graph.probe.create_publisher(Clock, '/clock', 10)
        graph.start()  # autostart and diagnostics do not wait for a clock that stands still
        graph.spin_until(lambda: clock.get_subscription_count() == 1)
        now = to_header(graph.stamp + 90_000_000, '').stamp
        clock.publish(Clock(clock=now))
        graph.spin_until(lambda: graph.node.get_clock().now().to_msg() == now)
        graph.expect()
        assert graph.node._health.snapshot().latency_p50 == pytest.approx(0.04)
        graph.spin_until(lambda: graph.received['/diagnostics'][-1].header.stamp == now)


def test_stamps_far_from_the_clock_are_told(graph: Graph) -> None:
    graph.expect()
    graph.spin_until(lambda: graph.status().message.startswith('active'))
    graph.stamp += 3600 * 10**9
    for _ in range(3):
        graph.expect()
    graph.spin_until(lambda: 'use_sim_time' in graph.status().message)
    assert graph.status().level == b'\x01'
    assert 'results are -3' in graph.status().message


def test_parameters_describe_and_guard_themselves(graph: Graph) -> None:
    request = DescribeParameters.Request(names=['fov', 'depth_source', 'autostart', 'max_people'])
    described = call(graph, DescribeParameters, 'describe_parameters', request).descriptors
    fov, source, autostart, most = described
    assert 'rad' in fov.description
    assert fov.floating_point_range[0].to_value == 3.0
    assert (
        source.additional_constraints
        == 'one of none, topic, ground, mapanything, huggingface; can be set while unconfigured'
    )
    assert autostart.read_only
    assert (most.integer_range[0].from_value, most.integer_range[0].to_value) == (1, 32)
    for name, value, reason in (
        ('fov', 60.0, 'fov out of range'),
        ('fov', float('nan'), 'fov'),
        ('max_people', 0, 'max_people out of range'),
        ('fov', 'wide', 'Wrong parameter type'),
        ('depth_source', 'stereo', "depth_source is 'stereo': it must be one of none, topic"),
        ('camera_height', 2.0, 'camera_height can only be set while unconfigured'),
        ('autostart', False, 'read-only'),
    ):
        done, why = set_parameter(graph, name, value)
        assert not done
        assert reason in why
    assert set_parameter(graph, 'marker_lifetime', 2.0) == (True, '')
    assert graph.node._server.read().fov == 0.0
    graph.expect()


def test_an_atomic_change_is_seen_whole_or_not_at_all(graph: Graph) -> None:
    def change(fov: float) -> bool:
        request = SetParametersAtomically.Request(
            parameters=[
                Parameter('fov', value=fov).to_parameter_msg(),
                Parameter('publish_tf', value=False).to_parameter_msg(),
            ]
        )
        name = 'set_parameters_atomically'
        return call(graph, SetParametersAtomically, name, request).result.successful

    before = graph.node._server.read()
    assert not change(7.0)
    assert graph.node._server.read() is before
    assert change(1.5)
    after = graph.node._server.read()
    assert (after.fov, after.publish_tf) == (1.5, False)
    assert (before.fov, before.publish_tf) == (0.0, True)


def test_a_destroyed_node_leaves_the_graph(context: None) -> None:
    watcher = rclpy.create_node('watcher')
    with running() as graph:
        graph.start()
        # A process that an earlier test killed may seem to be there for a while.
        graph.spin_until(lambda: watcher.count_services('/metrichmsr/get_state'))
        graph.spin_for(0.5)
        there = watcher.count_services('/metrichmsr/get_state')
    end = time.monotonic() + 10
    while watcher.count_services('/metrichmsr/get_state') >= there:
        assert time.monotonic() < end
        time.sleep(0.01)
    watcher.destroy_node()


def test_an_unknown_start_up_parameter_is_named(context: None) -> None:
    from metrichmsr_ros.ros.parameter_server import unknown_overrides

    given = {'fovv': 1.0, 'use_sim_time': False, 'qos_overrides./image.depth': 3}
    with running(autostart=False, **given) as graph:
        assert unknown_overrides(graph.node) == ['fovv', 'qos_overrides./image.depth']


def test_topics_follow_namespace_and_remaps(context: None) -> None:
    assert rclpy.ok()
    from fakes import draw, FakePipeline

    from metrichmsr_ros.ros.node import MetricHmsrNode

    node = MetricHmsrNode(
        build=FakePipeline, draw=draw, namespace='robot', parameter_overrides=[],
        cli_args=['--ros-args', '-r', 'image:=/cam/image_raw', '-r', '~/people:=/crowd'],
    )  # fmt: skip
    try:
        node.trigger_configure()
        node.trigger_activate()
        assert node._inputs.topic('image') == '/cam/image_raw'
        assert node._inputs.topic('camera_info') == '/robot/camera_info'
        names = dict(node.get_publisher_names_and_types_by_node('metrichmsr', '/robot'))
        assert '/crowd' in names
        assert '/robot/metrichmsr/depth/image_rect' in names
    finally:
        node.destroy_node()


def test_a_configure_that_fails_half_way_leaves_no_publisher(
    context: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metrichmsr_ros.ros import outputs

    with running(autostart=False) as graph:
        with monkeypatch.context() as patch:
            patch.setattr(outputs, 'TOPICS', {**outputs.TOPICS, 'broken': (str, '')})
            assert not change_state(graph, 'configure')
        assert not graph.probe.count_publishers('/metrichmsr/people')
        assert change_state(graph, 'configure')
        graph.spin_until(lambda: graph.probe.count_publishers('/metrichmsr/people') == 1)
        graph.spin_for(0.1)
        assert graph.probe.count_publishers('/metrichmsr/people') == 1
