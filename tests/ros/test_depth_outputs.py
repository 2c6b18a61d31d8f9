"""Depth images, clouds and the depth's state, as ROS sees them."""

import cv2
from fakes import BACKGROUND, PERSON
from graph import Graph, HEIGHT, make_info, running, set_parameter, WIDTH
from metrichmsr_msgs.msg import PersonArray
import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from sensor_msgs_py.point_cloud2 import read_points

from metrichmsr_ros.data.image_messages import decode_depth
from metrichmsr_ros.geometry.mesh_depth import MeshDepth
from metrichmsr_ros.ros.cdr import image_bytes
from metrichmsr_ros.ros.depth_outputs import cut_people, encode_depth
from metrichmsr_ros.structures import DepthState

pytestmark = pytest.mark.ros

IMAGE, INFO, POINTS = 'depth/image_rect', 'depth/camera_info', 'points'
KINDS = {IMAGE: Image, INFO: CameraInfo, POINTS: PointCloud2}


def received(graph: Graph) -> dict[str, object]:
    """Send an image; return what came of it on the topics that are listened to."""
    topics = {name: f'metrichmsr/{name}' for name in KINDS}
    boxes = {n: graph.received[topic] for n, topic in topics.items() if topic in graph.received}
    for box in boxes.values():
        box.clear()
    sent = graph.send()
    graph.spin_until(lambda: all(boxes.values()))
    got = {name: box[-1] for name, box in boxes.items()}
    assert all(message.header == sent.header for message in got.values())
    return got


def listen(graph: Graph, *names: str) -> None:
    for name in names:
        graph.listen(KINDS[name], f'metrichmsr/{name}')
    graph.start()


def test_millimetres_of_all_kinds_of_depth() -> None:
    metres = [1.2344, 1.2346, np.nan, np.inf, -np.inf, 65.534, 65.536, 1e6, -1.0, 0.0, 4e-4]
    pixels = encode_depth(np.array([metres], np.float32), '16UC1')
    assert pixels.dtype == np.uint16
    assert pixels[0].tolist() == [1234, 1235, 0, 0, 0, 65534, 65535, 65535, 0, 0, 0]
    same = np.array([metres], np.float32)
    assert encode_depth(same, '32FC1') is same


def test_millimetres_are_read_back_to_half_a_millimetre() -> None:
    depth_z = np.random.default_rng(0).uniform(0.3, 60, (30, 40)).astype(np.float32)
    depth_z[3:5] = np.nan
    data = image_bytes(encode_depth(depth_z, '16UC1'), encoding='16UC1', stamp=0, frame_id='c')
    message = deserialize_message(data, Image)
    assert (message.step, message.is_bigendian, len(message.data)) == (80, 0, 2400)
    np.testing.assert_allclose(decode_depth(message), depth_z, atol=5.1e-4)


def test_a_sensors_millimetres_come_out_as_they_went_in() -> None:
    sent = np.arange(1, 65536, dtype=np.uint16).reshape(1, -1)
    message = Image(height=1, width=sent.size, encoding='16UC1', step=2 * sent.size)
    message.data = sent.tobytes()
    np.testing.assert_array_equal(encode_depth(decode_depth(message), '16UC1'), sent)


@pytest.mark.parametrize('encoding', ['32FC1', '16UC1'])
def test_image_and_camera_are_what_depth_image_proc_expects(context: None, encoding: str) -> None:
    with running(depth_source='ground', depth_encoding=encoding) as graph:
        listen(graph, IMAGE, INFO, POINTS)
        got = received(graph)
    image, info, cloud = got[IMAGE], got[INFO], got[POINTS]
    assert image.encoding == encoding
    assert (image.width, image.height) == (info.width, info.height) == (WIDTH, HEIGHT)
    assert (cloud.width, cloud.height) == (WIDTH, HEIGHT)
    assert image.header == info.header == cloud.header
    assert not np.any(info.d)
    np.testing.assert_array_equal(info.r, np.eye(3).ravel())
    # As convert() of depth_image_proc has it, from P and the pixels alone.
    fx, cx, fy, cy = info.p[0], info.p[2], info.p[5], info.p[6]
    unit = {'32FC1': 1.0, '16UC1': 0.001}[encoding]
    kind = {'32FC1': np.float32, '16UC1': np.uint16}[encoding]
    z = np.frombuffer(image.data, kind).reshape(HEIGHT, WIDTH) * unit
    valid = np.isfinite(z) if encoding == '32FC1' else z != 0
    assert valid.sum() == WIDTH * HEIGHT - 1
    u, v = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    expected = np.stack([(u - cx) * z / fx, (v - cy) * z / fy, z], -1)[valid]
    points = read_points(cloud).reshape(HEIGHT, WIDTH)
    ours = np.stack([points[axis] for axis in 'xyz'], -1)
    np.testing.assert_allclose(ours[valid], expected, atol=1e-5)
    assert np.isnan(ours[~valid]).all()


def test_rectified_depth_lies_on_image_procs_pixels(context: None) -> None:
    """With alpha = 1 ``camera_calibration`` gives P a shorter focal length than K."""
    P = [40.0, 0.0, WIDTH / 2, 0.0, 0.0, 40.0, HEIGHT / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    lens = make_info(d=[-0.2, 0.05, 0.0, 0.0, 0.0], p=P)
    with running(depth_source='ground') as graph:
        for name in (IMAGE, INFO):
            graph.listen(KINDS[name], f'metrichmsr/{name}')
        graph.start(lens)
        got = received(graph)
    image, info = got[IMAGE], got[INFO]
    assert info.p.tolist() == P
    assert info.k.tolist() == [P[i] for i in (0, 1, 2, 4, 5, 6, 8, 9, 10)]
    K, D = np.array(lens.k).reshape(3, 3), np.array(lens.d)
    u, v = cv2.initUndistortRectifyMap(
        K, D, np.eye(3), np.array(info.k).reshape(3, 3), (WIDTH, HEIGHT), cv2.CV_32FC1
    )
    inside = (u > -0.5) & (v > -0.5) & (u < WIDTH - 0.5) & (v < HEIGHT - 0.5)
    depth_z = np.frombuffer(image.data, np.float32).reshape(HEIGHT, WIDTH)
    assert 0.3 < inside.mean() < 0.99
    # But for the one unknown pixel of the fake depth.
    assert (np.isfinite(depth_z) != inside).sum() <= 2


def test_the_encoding_can_be_changed_while_the_node_runs(context: None) -> None:
    with running(depth_source='ground') as graph:
        listen(graph, IMAGE)
        assert received(graph)[IMAGE].encoding == '32FC1'
        assert set_parameter(graph, 'depth_encoding', '16UC1')[0]
        image = received(graph)[IMAGE]
        pixels = np.frombuffer(image.data, np.uint16)
        assert (image.encoding, image.step) == ('16UC1', 2 * WIDTH)
        assert (pixels[0], pixels[1]) == (0, 1000 * BACKGROUND)
        assert not set_parameter(graph, 'depth_encoding', '8UC1')[0]


def test_people_are_in_the_cloud_or_cut_out_of_it(context: None) -> None:
    with running(depth_source='topic') as graph:
        listen(graph, POINTS)
        graph.spin_until(lambda: graph.node._inputs.depth_missing)
        whole = read_points(received(graph)[POINTS])['z'].reshape(HEIGHT, WIDTH)
        assert np.isnan(whole).sum() == 1
        assert graph.pipeline.wants[-1] == (True, False)
        assert set_parameter(graph, 'points_people', 'cut')[0]
        message = received(graph)[POINTS]
        assert graph.pipeline.wants[-1] == (True, True)
    cut = read_points(message)['z'].reshape(HEIGHT, WIDTH)
    assert (message.height, message.width, message.is_dense) == (HEIGHT, WIDTH, False)
    assert np.isnan(cut[PERSON]).all()
    rows, columns = PERSON
    assert np.isnan(cut[rows.start - 2, columns.start])
    assert np.isnan(cut[rows.start, columns.stop + 1])
    assert np.isfinite(cut[rows.start - 3]).all()
    assert np.isfinite(cut[:, columns.stop + 2]).all()
    assert (cut[np.isfinite(cut)] == BACKGROUND).all()


def test_the_cut_grows_with_the_image() -> None:
    for width, reach in ((640, 5), (1280, 10), (64, 2)):
        person = np.full((40, width), -1, np.int16)
        person[20, width // 2] = 0
        mesh = MeshDepth(np.ones(person.shape, np.float32), person)
        gone = np.isnan(cut_people(np.ones(person.shape, np.float32), mesh))
        assert np.flatnonzero(gone[20]).tolist() == list(
            range(width // 2 - reach, width // 2 + reach + 1)
        )
        assert gone.any(axis=1).sum() == 2 * reach + 1


def test_people_say_what_the_depth_rests_on(context: None) -> None:
    with running(depth_source='ground') as graph:
        graph.listen_to_people()
        graph.start(make_info())
        assert graph.expect().depth_state == PersonArray.DEPTH_NONE  # nobody wants any
        graph.listen(Image, f'metrichmsr/{IMAGE}')
        graph.spin_until(lambda: IMAGE in graph.node._outputs.wanted(graph.node._server.read()))
        for state in DepthState:
            if state != DepthState.NONE:
                graph.pipeline.depth_state = state
                assert graph.expect().depth_state == getattr(PersonArray, f'DEPTH_{state.name}')


def test_diagnostics_warn_of_a_scale_without_anchors(context: None) -> None:
    with running(depth_source='ground') as graph:
        graph.listen_to_people()
        listen(graph, IMAGE)
        graph.send()
        graph.spin_until(lambda: shown(graph).get('depth') == 'anchored, fake')
        assert shown(graph)['depth scale'] == '1.100'
        assert shown(graph)['depth shift (m)'] == '0.200'
        assert shown(graph)['depth anchored before (s)'] == '1.2'
        assert 'unanchored' not in graph.status().message
        graph.pipeline.depth_state = DepthState.UNANCHORED
        graph.send()
        graph.spin_until(lambda: 'unanchored' in graph.status().message)
        assert graph.status().level == b'\1'


def shown(graph: Graph) -> dict[str, str]:
    return {item.key: item.value for item in graph.status().values}
