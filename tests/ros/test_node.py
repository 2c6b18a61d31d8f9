"""The running node with its usual inputs; bad ones are in test_faults.py."""

import cv2
from graph import Graph, HEIGHT, make_depth, make_image, make_info, running, WIDTH
import numpy as np
import pytest
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from sensor_msgs_py.point_cloud2 import read_points
from visualization_msgs.msg import MarkerArray

from metrichmsr_ros.ros import outputs
from metrichmsr_ros.ros.messages import to_header

pytestmark = pytest.mark.ros


def test_people_and_tf_agree_and_keep_the_header(graph: Graph) -> None:
    graph.pipeline.ids = ('abcde', 'fghij')
    sent = graph.send()
    graph.spin_until(lambda: graph.people and graph.received['/tf'])
    people, tf = graph.people[-1], graph.received['/tf'][-1]
    assert people.header == sent.header
    assert people.calibrated
    assert people.body_model == 'fake'
    assert [person.id for person in people.people] == ['abcde', 'fghij']
    for person, transform in zip(people.people, tf.transforms, strict=True):
        assert transform.header == sent.header
        assert transform.child_frame_id == f'pelvis_{person.id}'
        assert transform.transform.translation.x == person.pelvis.pose.position.x
        assert transform.transform.translation.z == person.joints[0].z == 2.0
        assert transform.transform.rotation == person.pelvis.pose.orientation
    second = people.people[1]
    turn = second.pelvis.pose.orientation
    np.testing.assert_allclose(
        [turn.x, turn.y, turn.z, turn.w],
        [np.sin((np.pi - 0.1) / 2), 0, 0, np.cos((np.pi - 0.1) / 2)],
        atol=1e-6,
    )
    covariance = second.pelvis.covariance.reshape(6, 6)
    np.testing.assert_allclose(covariance[:3, :3], np.diag([0.01, 0.02, 0.04]), atol=1e-7)
    assert np.isnan(covariance[3:, 3:]).all()
    np.testing.assert_allclose(second.translation, [0.5, 0.3, 2.0], atol=1e-6)
    assert second.pose[0] == pytest.approx(np.pi - 0.1)
    assert second.height == 1.75
    assert np.isnan(second.velocity.x)


def test_transforms_are_sent_before_the_people_they_belong_to(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    outputs = graph.node._outputs
    for owner, method in ((outputs._broadcaster, 'sendTransform'), (outputs, '_send')):
        original = getattr(owner, method)

        def remember(*args: object, method: str = method, original: object = original) -> None:
            sent.append(method)
            original(*args)

        monkeypatch.setattr(owner, method, remember)
    graph.expect()
    assert sent == ['sendTransform', '_send']


def test_nobody_in_the_image_is_an_empty_list(graph: Graph) -> None:
    graph.pipeline.ids = ()
    assert graph.expect().people == []
    assert not graph.received['/tf']


def test_the_pipeline_gets_the_pixels_and_the_camera(graph: Graph) -> None:
    image = graph.send()
    graph.spin_until(lambda: graph.pipeline.frames)
    frame = graph.pipeline.frames[-1]
    assert frame.stamp == graph.stamp
    assert frame.image.tobytes() == bytes(image.data)
    assert (frame.camera.width, frame.camera.height) == (WIDTH, HEIGHT)
    np.testing.assert_array_equal(frame.camera.K, [[50, 0, 32], [0, 50, 24], [0, 0, 1]])
    assert graph.pipeline.wants == [(False, False)]


def test_diagnostics_tell_rates_latency_people_and_camera(graph: Graph) -> None:
    for _ in range(3):
        stamp = graph.node.get_clock().now().nanoseconds
        graph.expect(make_image(stamp=stamp))
    graph.spin_until(lambda: 'active' in graph.status().message)
    graph.spin_until(lambda: '1 people' in graph.status().message)
    values = {item.key: item.value for item in graph.status().values}
    assert graph.status().level == b'\0'
    assert graph.status().name == 'metrichmsr: perception'
    assert graph.status().hardware_id == '/image'
    assert values['results out (Hz)'] == '0.6'
    assert 0 <= int(values['latency p50 (ms)']) <= int(values['latency p99 (ms)']) < 5000
    assert values['dropped images'] == '0'
    assert values['camera'] == '64x48, fx 50.0, plumb_bob, calibrated'
    assert float(values['process memory (MB)']) > 10


def test_the_newest_image_wins_and_drops_are_counted(graph: Graph) -> None:
    graph.expect()
    graph.pipeline.gate.clear()
    graph.send()  # occupies the worker
    graph.spin_until(lambda: graph.node._worker._mailbox._item is None and arrived(graph) == 2)
    for count in (3, 4, 5):
        last = graph.send()
        graph.spin_until(lambda count=count: arrived(graph) == count)
    assert graph.node._health.snapshot().drops == 2
    graph.pipeline.gate.set()
    graph.spin_until(lambda: graph.people[-1].header == last.header)
    assert len(graph.pipeline.frames) == 3
    assert graph.node._health.snapshot().drops == 2


def arrived(graph: Graph) -> int:
    return len(graph.node._health._arrivals)


def test_every_output_equals_the_plain_message(context: None) -> None:
    with running(depth_source='ground') as graph:
        for name, (kind, _) in outputs.TOPICS.items():
            graph.listen(kind, f'metrichmsr/{name}')
        distorted = make_info(d=[-0.2, 0.05, 0.0, 0.0, 0.0])
        graph.start(distorted)
        sent = graph.send()
        got = {name: graph.received[f'metrichmsr/{name}'] for name in outputs.TOPICS}
        graph.spin_until(lambda: all(got.values()))
        last = {name: messages[-1] for name, messages in got.items()}
        assert graph.pipeline.wants == [(True, True)]
    assert all(
        message.header == sent.header for name, message in last.items() if name != 'markers'
    )
    check_depth(last['depth/image'], last['depth/image_rect'], last['depth/camera_info'])
    check_overlay(last['overlay'], sent)
    check_points(last['points'])
    marker = last['markers'].markers[0]
    assert marker.header == sent.header
    assert len(marker.points) == 12
    assert marker.points[0].z == 2.0


def check_depth(aligned: Image, rectified: Image, info: CameraInfo) -> None:
    assert (aligned.encoding, rectified.encoding) == ('32FC1', '32FC1')
    depth = np.frombuffer(aligned.data, np.float32).reshape(HEIGHT, WIDTH)
    assert np.isnan(depth[0, 0])
    assert np.isnan(depth).sum() == 1
    straight = np.frombuffer(rectified.data, np.float32).reshape(HEIGHT, WIDTH)
    # Barrel distortion: the rectified image with the same K shows the middle, all of it known.
    assert np.isfinite(straight).all()
    assert (straight == 3.0).all()
    assert not np.any(info.d)
    np.testing.assert_array_equal(info.k.reshape(3, 3), info.p.reshape(3, 4)[:, :3])
    assert info.k[0] == 50.0


def check_overlay(overlay: Image, sent: Image) -> None:
    assert overlay.encoding == 'rgb8'
    expected = bytes([255, 0, 0]) + bytes(sent.data[3:])
    assert bytes(overlay.data) == expected


def check_points(message: PointCloud2) -> None:
    cloud = read_points(message).reshape(HEIGHT, WIDTH)
    assert np.isnan(cloud['x'][0, 0])
    assert cloud['z'][10, 10] == 3.0
    np.testing.assert_allclose(cloud['x'][24, 32], 0.0, atol=1e-6)
    # Barrel distortion: a corner looks further out than the pinhole ray of its pixel.
    assert cloud['x'][-1, -1] > 3.0 * (63 - 32) / 50 * 1.01


def test_no_work_when_nobody_subscribes(context: None) -> None:
    with running() as graph:
        graph.start()
        graph.send()
        graph.spin_until(lambda: graph.node._health.snapshot().idle == 1)
        assert graph.pipeline.frames == []
        subscription = graph.listen(MarkerArray, 'metrichmsr/markers')
        graph.spin_until(lambda: graph.node._outputs.wanted(graph.node._server.read()))
        graph.send()
        graph.spin_until(lambda: graph.received['metrichmsr/markers'])
        graph.probe.destroy_subscription(subscription)
        graph.spin_until(lambda: not graph.node._outputs.wanted(graph.node._server.read()))
        graph.send()
        graph.spin_until(lambda: graph.node._health.snapshot().idle == 2)
        assert len(graph.pipeline.frames) == 1


@pytest.mark.parametrize('transport', ['png', 'jpeg'])
def test_compressed_images(context: None, transport: str) -> None:
    with running(image_transport='compressed') as graph:
        graph.listen_to_people()
        graph.image = graph.probe.create_publisher(CompressedImage, 'image/compressed', 10)
        graph.start()
        image = np.full((HEIGHT, WIDTH, 3), (10, 120, 240), np.uint8)
        data = cv2.imencode(f'.{transport}', image[..., ::-1])[1].tobytes()
        message = CompressedImage(format=transport, data=data)
        message.header = to_header(graph.next_stamp(), 'camera')
        graph.expect(message)
        np.testing.assert_allclose(graph.pipeline.frames[-1].image, image, atol=3)


def test_depth_is_paired_and_scaled_to_its_own_size(context: None) -> None:
    with running(depth_source='topic', depth_slop=0.03) as graph:
        graph.listen_to_people()
        depth = graph.probe.create_publisher(Image, 'depth', 10)
        graph.start()
        graph.spin_until(lambda: depth.get_subscription_count() == 1)
        pixels = np.full((HEIGHT // 2, WIDTH // 2), 2500, np.uint16)
        pixels[0, 0] = 0
        depth.publish(make_depth(pixels, stamp=graph.next_stamp() + 20_000_000))
        graph.expect(make_image(stamp=graph.stamp))
        got = graph.pipeline.frames[-1].depth
        assert got.measured
        assert (got.camera.width, got.camera.height) == (WIDTH // 2, HEIGHT // 2)
        assert got.camera.K[0, 0] == 25.0
        assert np.isnan(got.depth_z[0, 0])
        assert got.depth_z[1, 1] == np.float32(2.5)


def start_with_depth(graph: Graph) -> tuple[Publisher, Publisher]:
    """Start the graph and return publishers of depth and its CameraInfo that are heard."""
    graph.listen_to_people()
    depth = graph.probe.create_publisher(Image, 'depth', 10)
    info = graph.probe.create_publisher(CameraInfo, 'depth_camera_info', 10)
    graph.start()
    graph.spin_until(lambda: depth.get_subscription_count() == 1)
    graph.spin_until(lambda: info.get_subscription_count() == 1)
    return depth, info


def test_depth_with_a_camera_info_of_its_own(context: None) -> None:
    with running(depth_source='topic') as graph:
        depth, info = start_with_depth(graph)
        info.publish(make_info(width=20, height=30, focal=33.0))
        graph.spin_until(lambda: graph.node._inputs.depth_cameras.seen)
        pixels = np.full((30, 20), 1.5, np.float32)
        depth.publish(make_depth(pixels, stamp=graph.next_stamp()))
        graph.expect(make_image(stamp=graph.stamp))
        assert graph.pipeline.frames[-1].depth.camera.K[0, 0] == 33.0


def test_depth_whose_camera_info_knows_nothing_has_the_camera_of_the_image(
    context: None,
) -> None:
    with running(depth_source='topic') as graph:
        depth, info = start_with_depth(graph)
        info.publish(make_info(focal=0.0))
        graph.spin_until(lambda: graph.node._inputs.depth_cameras.seen)
        pixels = np.full((HEIGHT, WIDTH), 1.5, np.float32)
        depth.publish(make_depth(pixels, stamp=graph.next_stamp()))
        graph.expect(make_image(stamp=graph.stamp))
        frame = graph.pipeline.frames[-1]
        assert frame.depth.camera == frame.camera


@pytest.mark.parametrize(
    'reliability', [ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT]
)
def test_subscribes_as_the_publisher_publishes(
    context: None, reliability: ReliabilityPolicy
) -> None:
    with running() as graph:
        graph.listen_to_people()
        graph.probe.destroy_publisher(graph.image)
        graph.probe.destroy_publisher(graph.info)
        graph.spin_until(lambda: graph.state == 'active')
        qos = QoSProfile(depth=1, reliability=reliability)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        graph.info = graph.probe.create_publisher(CameraInfo, 'camera_info', latched)
        graph.info.publish(make_info())  # once, before anybody listens
        graph.image = graph.probe.create_publisher(Image, 'image', qos)
        graph.spin_until(lambda: graph.node._inputs.cameras.seen)
        subscription = graph.node._inputs._subscriptions['image']
        graph.spin_until(lambda: subscription.qos.reliability == reliability)
        graph.spin_until(lambda: graph.image.get_subscription_count() == 1)
        graph.spin_until(lambda: graph.node._outputs.wanted(graph.node._server.read()))
        graph.expect()
