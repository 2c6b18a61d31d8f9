from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from metrichmsr_ros.ros import middleware
from metrichmsr_ros.ros.middleware import (
    BusyError,
    own_graph,
    profile_environment,
    PROFILE_VARIABLES,
    share_path,
)

pytestmark = pytest.mark.ros

SCRIPT = Path(__file__).with_name('transport_process.py')
LIKED_HERE = profile_environment({}).values()
NAMESPACE = '{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}'


@contextmanager
def process(role: str, profile: Path | None) -> Iterator[subprocess.Popen]:
    """Run one side; without a profile it is a stock process."""
    environment = {k: v for k, v in os.environ.items() if k not in PROFILE_VARIABLES}
    if profile is not None:
        environment |= dict.fromkeys(PROFILE_VARIABLES, str(profile))
    child = subprocess.Popen(
        [sys.executable, str(SCRIPT), role], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield child
    finally:
        child.terminate()
        child.communicate()


def result(child: subprocess.Popen) -> str:
    output, errors = child.communicate(timeout=40)
    assert child.returncode == 0, errors
    return output.strip()


@pytest.fixture(params=['fastdds.xml', 'fastdds_small_shm.xml'])
def profile(request: pytest.FixtureRequest) -> Path:
    if request.param == 'fastdds.xml' and request.param not in ''.join(LIKED_HERE):
        pytest.skip('too little room in /dev/shm for the large profile')
    return share_path(f'config/{request.param}')


def test_best_effort_camera_images_arrive(profile: Path):
    with process('camera', profile), process('viewer', profile) as viewer:
        assert result(viewer) == '30 images of 1280x720'


def test_a_stock_process_hears_ours_and_calls_its_services(profile: Path):
    with process('server', profile), process('client', None) as client:
        assert result(client) == 'heard: text, answered: switched'


def test_we_hear_a_stock_process_and_call_its_services(profile: Path):
    with process('server', None), process('client', profile) as client:
        assert result(client) == 'heard: text, answered: switched'


def test_the_profile_fits_the_room_in_shared_memory(tmp_path: Path, monkeypatch):
    usage = type(middleware.shutil.disk_usage(tmp_path))
    for free, name in ((2**30, 'fastdds.xml'), (2**26, 'fastdds_small_shm.xml')):
        monkeypatch.setattr(middleware.shutil, 'disk_usage', lambda _, f=free: usage(f, 0, f))
        paths = profile_environment({}, shared_memory=tmp_path)
        assert paths.keys() == set(PROFILE_VARIABLES)
        assert {Path(path).name for path in paths.values()} == {name}


def test_without_shared_memory_the_small_profile_is_chosen(tmp_path: Path):
    paths = profile_environment({}, shared_memory=tmp_path / 'nowhere')

    assert all(path.endswith('fastdds_small_shm.xml') for path in paths.values())


@pytest.mark.parametrize('variable', PROFILE_VARIABLES)
def test_the_users_own_profile_stays(variable: str):
    assert profile_environment({variable: '/somewhere/mine.xml'}) == {}
    assert profile_environment({variable: ''}) != {}


def test_this_process_and_its_children_get_the_profile(monkeypatch: pytest.MonkeyPatch):
    for variable in PROFILE_VARIABLES:
        monkeypatch.setenv(variable, '')  # restored after the test

    middleware.use_fastdds_profile()

    assert all(Path(os.environ[variable]).is_file() for variable in PROFILE_VARIABLES)


def test_four_processes_fit_where_the_large_profile_is_chosen():
    tree = ElementTree.parse(share_path('config/fastdds.xml'))
    segment = int(tree.findtext(f'.//{NAMESPACE}segment_size'))

    assert 4 * segment < middleware.ROOM_FOR_LARGE_SEGMENTS


def test_a_missing_file_is_named():
    with pytest.raises(FileNotFoundError, match=r'config/nothing\.yaml'):
        share_path('config/nothing.yaml')


def test_demonstrations_at_once_have_domains_of_their_own(tmp_path: Path) -> None:
    with own_graph({}, folder=tmp_path) as first, own_graph({}, folder=tmp_path) as second:
        assert first['ROS_DOMAIN_ID'] == '0'
        assert second['ROS_DOMAIN_ID'] == '1'
    with own_graph({}, folder=tmp_path) as third:
        assert third['ROS_DOMAIN_ID'] == '0'


def test_a_demonstration_keeps_what_the_user_chose(tmp_path: Path) -> None:
    chosen = {'ROS_DOMAIN_ID': '42', 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'}
    with own_graph(chosen, folder=tmp_path) as variables:
        assert variables == chosen
    with own_graph({}, folder=tmp_path) as variables:
        assert variables['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'


def test_too_many_demonstrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, 'MOST_DEMONSTRATIONS', 1)
    with (
        own_graph({}, folder=tmp_path),
        pytest.raises(BusyError, match='end one'),
        own_graph({}, folder=tmp_path),
    ):
        pass
