import ast
from collections.abc import Iterable
import configparser
from importlib import metadata, util
from pathlib import Path
import re
import subprocess
import sys
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock
from xml.etree import ElementTree

import pytest

from metrichmsr_ros.ros.parameters import RULES

pytestmark = pytest.mark.smoke

ROOT = Path(__file__).resolve().parents[1]
MANIFESTS = [
    ROOT / 'package.xml',
    ROOT / 'ros2_ws/src/metrichmsr_msgs/package.xml',
    *sorted((ROOT / 'ros2_ws/underlay/src').glob('*/package.xml')),
]
# Not ROS packages: what setup.py names, and what only tests import.
PYTHON_PACKAGES = {
    *('cv2', 'metrichmsr_ros', 'numpy', 'rerun', 'roma', 'rosbags', 'scipy', 'torch', 'yaml'),
    *('pytest', 'smplx', 'warp'),
}
ROS_PACKAGE_OF = {'tf2_ros': 'tf2_ros_py'}
COMMANDS = {'ros2launch'}  # what a user types and nothing imports


def imported_names(path: Path) -> set[str]:
    """Top-level names of all absolute imports of a file, those inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split('.')[0])
    return names


def test_versions_are_equal():
    versions = {ElementTree.parse(path).findtext('version') for path in MANIFESTS[:2]}

    assert len(versions) == 1
    assert versions == {metadata.version('metrichmsr_ros')}


@pytest.mark.parametrize('path', MANIFESTS, ids=lambda path: path.parent.name)
def test_manifests_are_valid(path: Path):
    # colcon takes an invalid manifest for a plain Python package and says nothing
    package = pytest.importorskip('catkin_pkg.package')
    warnings: list[str] = []

    manifest = package.parse_package(str(path), warnings=warnings)

    assert not warnings
    assert manifest.get_build_type() in ('ament_python', 'ament_cmake')


def ros_packages(files: Iterable[Path]) -> set[str]:
    """The ROS packages that files import."""
    names = set().union(*map(imported_names, files))
    names -= sys.stdlib_module_names | PYTHON_PACKAGES | {path.stem for path in files}
    return {ROS_PACKAGE_OF.get(name, name) for name in names}


def test_manifest_names_exactly_the_ros_packages_that_are_imported():
    files = [*(ROOT / 'metrichmsr_ros/ros').rglob('*.py'), *(ROOT / 'launch').glob('*.py')]
    manifest = ElementTree.parse(ROOT / 'package.xml')

    declared = {item.text for item in manifest.findall('exec_depend')}

    assert declared == ros_packages(files) | COMMANDS
    tests = ros_packages(list((ROOT / 'tests/ros').glob('*.py')))
    tests -= {path.stem for path in (ROOT / 'tests').glob('*.py')}
    assert tests <= declared | {item.text for item in manifest.findall('test_depend')}


def test_every_message_file_is_compiled():
    text = (ROOT / 'ros2_ws/src/metrichmsr_msgs/CMakeLists.txt').read_text()

    assert all(f':msg/{path.name}"' in text for path in (ROOT / 'msg').iterdir())


def test_commands_exist():
    scripts = metadata.distribution('metrichmsr_ros').entry_points

    assert {'metrichmsr', 'metrichmsr_node', 'camera_node', 'monitor'} <= scripts.names
    for script in scripts:
        source = ROOT / (script.module.replace('.', '/') + '.py')
        functions = [node for node in ast.parse(source.read_text()).body
                     if isinstance(node, ast.FunctionDef)]  # fmt: skip
        assert script.attr in {function.name for function in functions}, script.value


def test_executables_are_installed_where_ros2_run_looks():
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')

    assert config['install']['install_scripts'] == '$base/lib/metrichmsr_ros'
    assert config['build_scripts']['executable'] == '/usr/bin/env python3'


@pytest.mark.skipif(util.find_spec('colcon_ros') is None, reason='needs colcon')
def test_colcon_sees_two_packages_and_no_stand_in(tmp_path: Path):
    command = ['colcon', '--log-base', str(tmp_path), 'list', '--names-only']
    result = subprocess.run(
        [sys.executable, '-m', *command], cwd=ROOT / 'ros2_ws', capture_output=True, text=True
    )

    assert sorted(result.stdout.split()) == ['metrichmsr_msgs', 'metrichmsr_ros']


def test_stand_ins_are_invisible_to_a_plain_build():
    assert (ROOT / 'ros2_ws/underlay/COLCON_IGNORE').is_file()


@pytest.fixture
def bringup(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The launch file as a module, whether launch_ros is installed or, as from PyPI, is not."""
    for name in ('launch', 'launch.actions', 'launch.substitutions', 'launch_ros.actions'):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    installed = SimpleNamespace(
        get_package_share_directory=lambda _: str(ROOT), PackageNotFoundError=LookupError
    )
    monkeypatch.setitem(sys.modules, 'ament_index_python.packages', installed)
    path = ROOT / 'launch' / 'bringup.launch.py'
    spec = util.spec_from_file_location('bringup', path)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_launch_argument_has_default_text_and_choices(bringup: ModuleType) -> None:
    for name, (default, text, choices) in bringup.ARGUMENTS.items():
        assert isinstance(default, str), name
        assert text, name
        assert choices is None or default in choices, name


def test_launch_arguments_that_are_passed_on_have_the_parameters_choices(
    bringup: ModuleType,
) -> None:
    parameters = set(bringup.ARGUMENTS) & set(RULES) - {'autostart'}
    assert set(bringup.CHOSEN) == parameters
    for name in parameters:
        default, text, choices = bringup.ARGUMENTS[name]
        assert default == '', name  # as the parameter file, the preset or the node says
        assert RULES[name].text in text, name
        assert choices == (['', *RULES[name].choices] if RULES[name].choices else None), name


def test_a_launcher_does_not_load_torch() -> None:
    modules = re.findall(
        r'^from (metrichmsr_ros\S+) import',
        '\n'.join(path.read_text() for path in (ROOT / 'launch').glob('*.py')),
        re.MULTILINE,
    )
    assert 'metrichmsr_ros.ros.parameters' in modules
    program = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, '-c', program], cwd=ROOT, check=True)
