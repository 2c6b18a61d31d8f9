"""Bad input and faults through the running node: told once, nothing wrong published, recovered."""

from pathlib import Path

from fakes import FakePipeline
from graph import (
    change_state,
    Graph,
    HEIGHT,
    make_image,
    make_info,
    running,
    set_parameter,
    WIDTH,
)
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, Image

pytestmark = pytest.mark.ros

WARN = b'\x01'


def recovers(graph: Graph) -> None:
    """A good image gives people again, and after a while diagnostics are content."""
    graph.expect()
    graph.spin_until(lambda: not graph.node._health.snapshot().recent)


@pytest.fixture(autouse=True)
def _short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    from metrichmsr_ros.ros import diagnostics, worker

    monkeypatch.setattr(diagnostics, 'RECENT', 0.5)
    monkeypatch.setattr(worker, '_CAMERA_INFO_PATIENCE', 0.0)


@pytest.mark.parametrize(
    ('fault', 'text'),
    [
        ({'step': 3 * WIDTH - 1}, 'step 191 is less than the 192 bytes'),
        ({'step': 3 * WIDTH + 1}, 'data has 9216 bytes'),
        ({'data': b'123'}, 'data has 3 bytes'),
        ({'data': b''}, 'data has 0 bytes'),
        ({'encoding': 'purple'}, "'purple'"),
        ({'encoding': '16UC1'}, 'is depth'),
        ({'width': 0}, '0x48'),
        ({'width': 0, 'height': 0, 'step': 0, 'data': b''}, '0x0'),
    ],
)
def test_bad_image(graph: Graph, fault: dict, text: str) -> None:
    image = make_image(stamp=graph.next_stamp())
    for name, value in fault.items():
        setattr(image, name, value)
    assert text in graph.expect_nothing(image, 'image')
    recovers(graph)


def test_a_stamp_beyond_what_messages_carry_is_refused(graph: Graph) -> None:
    image = make_image(stamp=0)
    image.header.stamp.sec, image.header.stamp.nanosec = 2**31 - 1, 2**32 - 1
    assert 'it must be 0 to 2^31 s' in graph.expect_nothing(image, 'image')
    recovers(graph)


def test_errors_do_not_repeat_megabytes(graph: Graph, capfd: pytest.CaptureFixture[str]) -> None:
    image = make_image(stamp=graph.next_stamp(), frame='long' * 250_000)
    assert len(graph.expect_nothing(image, 'camera info')) <= 400
    lines: list[str] = []
    # The error counts before its line is written.
    graph.spin_until(lambda: lines.extend(capfd.readouterr().err.splitlines()) or lines)
    assert max(map(len, lines)) < 500


def test_errors_are_logged_once_in_a_while(
    graph: Graph, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(5):
        image = make_image(stamp=graph.next_stamp())
        image.encoding = 'purple'
        count = graph.errors().get('image', (0, ''))[0]
        graph.send(image)
        graph.spin_until(lambda count=count: graph.errors().get('image', (0, ''))[0] > count)

    def told() -> str:
        return {item.key: item.value for item in graph.status().values}.get('error: image', '')

    # An older report may be the newest that has come.
    graph.spin_until(lambda: told().startswith('5 times, last: '))
    assert 'purple' in told()
    assert 'purple' in graph.status().message
    lines = capfd.readouterr().err.splitlines()
    assert sum('purple' in line for line in lines) == 1


def test_no_camera_info_then_one(context: None) -> None:
    with running() as graph:
        graph.listen_to_people()
        graph.spin_until(lambda: graph.state == 'active')
        graph.spin_until(graph._settled)
        assert 'no CameraInfo' in graph.expect_nothing(None, 'no camera info')
        graph.spin_until(lambda: 'no CameraInfo on /camera_info' in graph.status().message)
        graph.info.publish(make_info())
        graph.spin_until(lambda: graph.node._inputs.cameras.seen)
        recovers(graph)


def test_fov_stands_in_for_a_camera_info(context: None) -> None:
    with running() as graph:
        graph.listen_to_people()
        graph.spin_until(lambda: graph.state == 'active')
        graph.spin_until(graph._settled)
        graph.expect_nothing(None, 'no camera info')
        assert set_parameter(graph, 'fov', 2 * np.arctan(0.5)) == (True, '')
        assert graph.expect().calibrated
        assert graph.pipeline.frames[-1].camera.K[0, 0] == pytest.approx(WIDTH)


@pytest.mark.parametrize(
    ('bad', 'text'),
    [
        (
            make_info(frame='elsewhere'),
            "CameraInfo is of frame 'elsewhere', the image of 'camera'",
        ),
        (make_info(width=WIDTH, height=2 * HEIGHT), '64'),
        (make_info(focal=float('nan')), 'finite'),
        (make_info(distortion_model='magic', d=[0.1] * 5), 'magic'),
        (make_info(d=[float('nan')] * 5), 'nan'),
    ],
)
def test_contradictory_camera_info(graph: Graph, bad: CameraInfo, text: str) -> None:
    graph.expect()
    publish_info(graph, bad)
    assert text in graph.expect_nothing(None, 'camera info')
    publish_info(graph, make_info())
    recovers(graph)


def publish_info(graph: Graph, info: CameraInfo) -> None:
    before = graph.node._inputs.cameras._infos
    graph.info.publish(info)
    graph.spin_until(lambda: graph.node._inputs.cameras._infos is not before)


def test_camera_info_of_a_scaled_image(graph: Graph) -> None:
    publish_info(graph, make_info(width=2 * WIDTH, height=2 * HEIGHT, focal=100.0))
    graph.expect()
    assert graph.pipeline.frames[-1].camera.K[0, 0] == pytest.approx(50.0)


def test_uncalibrated_camera_is_published_with_a_warning(graph: Graph) -> None:
    publish_info(graph, make_info(k=[0.0] * 9, p=[0.0] * 12))
    people = graph.expect()
    assert not people.calibrated
    assert len(people.people) == 1
    assert graph.pipeline.frames[-1].camera.K[0, 0] == WIDTH
    graph.spin_until(lambda: 'not calibrated' in graph.status().message)
    assert graph.status().level == WARN
    publish_info(graph, make_info())
    assert graph.expect().calibrated
    graph.spin_until(lambda: graph.status().level == b'\0')


def test_resolution_and_intrinsics_change_in_flight(graph: Graph) -> None:
    graph.expect()
    # The image is ahead of its CameraInfo: a uniform scaling is understood, another aspect not.
    graph.expect(make_image(stamp=graph.next_stamp(), width=2 * WIDTH, height=2 * HEIGHT))
    assert graph.pipeline.frames[-1].camera.K[0, 0] == pytest.approx(100.0)
    wide = make_image(stamp=graph.next_stamp(), width=2 * WIDTH)
    assert '128x48' in graph.expect_nothing(wide, 'camera info')
    publish_info(graph, make_info(width=2 * WIDTH, focal=70.0))
    graph.expect(make_image(stamp=graph.next_stamp(), width=2 * WIDTH))
    assert graph.pipeline.frames[-1].camera.K[0, 0] == 70.0
    publish_info(graph, make_info(width=2 * WIDTH, focal=90.0))
    graph.expect(make_image(stamp=graph.next_stamp(), width=2 * WIDTH))
    assert graph.pipeline.frames[-1].camera.K[0, 0] == 90.0


def test_stamps_that_jump_back_start_the_tracks_anew(graph: Graph) -> None:
    graph.expect()
    resets = graph.pipeline.resets
    graph.stamp -= 30_000_000_000
    graph.expect()
    assert graph.pipeline.resets == resets + 1
    assert 'jumps back by 29.950 s' in graph.errors()['stamp'][1]
    graph.expect()
    assert graph.pipeline.resets == resets + 1


def test_a_stamp_that_stands_still_is_left_out(graph: Graph) -> None:
    graph.expect()
    again = make_image(stamp=graph.stamp)
    assert 'two images have the stamp' in graph.expect_nothing(again, 'stamp')
    recovers(graph)


def test_another_camera_starts_the_tracks_anew(graph: Graph) -> None:
    # A multiplexer switches from the front camera to the rear one: nobody moves along.
    graph.expect()
    resets = graph.pipeline.resets
    publish_info(graph, make_info(frame='rear'))
    graph.expect(make_image(stamp=graph.next_stamp(), frame='rear'))
    assert graph.pipeline.resets == resets + 1
    assert "images are of 'rear'" in graph.errors()['frame'][1]
    graph.expect(make_image(stamp=graph.next_stamp(), frame='rear'))
    assert graph.pipeline.resets == resets + 1


def test_an_empty_frame_costs_the_transforms_only(graph: Graph) -> None:
    publish_info(graph, make_info(frame=''))
    assert len(graph.expect(make_image(stamp=graph.next_stamp(), frame='')).people) == 1
    assert not graph.received['/tf']
    assert 'empty frame_id' in graph.errors()['frame'][1]


def test_a_camera_that_stops_and_returns(graph: Graph) -> None:
    graph.expect()
    graph.spin_until(lambda: '/image has a publisher but no image' in graph.status().message)
    assert graph.status().level == WARN
    assert 'fastdds.xml' in graph.status().message
    graph.probe.destroy_publisher(graph.image)
    graph.spin_until(lambda: graph.status().message.startswith('nobody publishes /image'))
    graph.image = graph.probe.create_publisher(Image, 'image', 10)
    graph.spin_until(lambda: graph.image.get_subscription_count() == 1)
    graph.expect()
    graph.spin_until(lambda: graph.status().level == b'\0')


def test_a_failing_pipeline_is_reset_and_goes_on(graph: Graph) -> None:
    graph.pipeline.fail_with = RuntimeError('out of\nmemory')
    resets = graph.pipeline.resets
    assert 'RuntimeError: out of memory' in graph.expect_nothing(None, 'pipeline')
    assert graph.pipeline.resets == resets + 1
    recovers(graph)


def test_configure_fails_with_the_reason_and_works_after_the_mend(
    context: None, tmp_path: Path
) -> None:
    path = tmp_path / 'body.npz'
    with running(body_model=str(path)) as graph:
        graph.listen_to_people()
        graph.spin_until(lambda: 'does not exist' in graph.status().message)
        assert graph.status().level == b'\x02'
        assert str(path) in graph.status().message
        assert graph.state == 'unconfigured'
        assert not change_state(graph, 'configure')
        path.write_bytes(b'')
        assert change_state(graph, 'configure')
        assert change_state(graph, 'activate')
        graph.start()
        graph.expect()
        graph.spin_until(lambda: graph.status().level == b'\0')


def test_the_real_files_are_missed_and_mended(
    context: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from metrichmsr_ros.cache import cache_dir
    from metrichmsr_ros.perception.blazepose.assets import AssetError, CACHE, find_assets
    from metrichmsr_ros.perception.pipeline import build_pipeline

    cached = cache_dir(CACHE)
    body = tmp_path / 'body.npz'
    body.write_bytes(b'rubbish')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    with running(build=build_pipeline, body_model=str(body), device='cpu') as graph:
        graph.spin_until(lambda: str(body) in graph.status().message)
        assert set_parameter(graph, 'body_model', '') == (True, '')
        assert not change_state(graph, 'configure')
        graph.spin_until(lambda: 'pose_detection.tflite' in graph.status().message)
        assert graph.state == 'unconfigured'
        try:
            find_assets(cached)
        except AssetError:
            pytest.skip('the BlazePose files are not cached, so nothing can be mended')
        cache_dir(CACHE).parent.mkdir(parents=True)
        cache_dir(CACHE).symlink_to(cached)
        assert change_state(graph, 'configure')
        graph.spin_until(lambda: graph.status().message.startswith('inactive'))


def test_a_parameter_mends_a_failed_configure(context: None) -> None:
    with running(body_model='/nowhere/SMPL.pkl') as graph:
        graph.spin_until(lambda: 'does not exist' in graph.status().message)
        assert set_parameter(graph, 'body_model', '') == (True, '')
        assert change_state(graph, 'configure')
        assert graph.pipeline.config.body_model is None


def test_an_unexpected_failure_of_configure_is_told(
    context: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(self: FakePipeline, config: object) -> None:
        raise MemoryError

    monkeypatch.setattr(FakePipeline, '__init__', explode)
    with running() as graph:
        graph.spin_until(lambda: 'configure failed: MemoryError' in graph.status().message)
        assert graph.state == 'unconfigured'
