"""The launch files under the true upstream launch and launch_ros, which PyPI lacks."""

import importlib.util
from pathlib import Path

import pytest

if importlib.util.find_spec('launch_ros') is None:
    pytest.skip('launch_ros is not installed (PyPI lacks it)', allow_module_level=True)

from ament_index_python.packages import get_package_prefix, PackageNotFoundError
from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LocalSubstitution
from launch.utilities import perform_substitutions
from launch_ros.actions import Node

pytestmark = pytest.mark.ros
LAUNCH = Path(__file__).parents[2] / 'launch'

try:
    get_package_prefix('metrichmsr_ros')
except PackageNotFoundError:
    pytest.skip('metrichmsr_ros is not in a sourced workspace', allow_module_level=True)


def start(name: str, **arguments: str) -> list:
    """Return the actions that a launch file starts with these arguments."""
    context = LaunchContext()
    context.launch_configurations.update(arguments)
    description = PythonLaunchDescriptionSource(str(LAUNCH / name)).get_launch_description(context)
    for entity in description.entities:
        if isinstance(entity, DeclareLaunchArgument):
            entity.execute(context)
    (opaque,) = [item for item in description.entities if isinstance(item, OpaqueFunction)]
    return opaque.execute(context)


def command(node: Node) -> str:
    """Return the words that the launch file itself put on a node's command line."""
    context = LaunchContext()
    words = [word for word in node.cmd if not isinstance(word[0], LocalSubstitution)]
    return ' '.join(perform_substitutions(context, word) for word in words)


def expanded(node: Node) -> Node:
    """Return the node with its names and remappings resolved."""
    node._perform_substitutions(LaunchContext())
    return node


def perception(**arguments: str) -> Node:
    (node,) = [item for item in start('bringup.launch.py', **arguments) if isinstance(item, Node)]
    return node


def test_bringup_starts_the_node_on_the_presets_topics():
    node = perception(camera='realsense', rviz='false')
    remappings = dict(expanded(node).expanded_remapping_rules)
    assert remappings['image'] == '/camera/camera/color/image_raw'
    assert remappings['depth'] == '/camera/camera/aligned_depth_to_color/image_raw'
    line = command(node)
    assert 'metrichmsr_node' in line
    assert "depth_source:='topic'" in line
    assert 'autostart:=true' in line


def test_arguments_win_over_the_file_and_the_file_over_the_preset(tmp_path):
    file = tmp_path / 'mine.yaml'
    file.write_text('/**:\n  ros__parameters:\n    depth_source: none\n')
    node = perception(
        camera='realsense', params_file=str(file), device='cpu', image_topic='/x', rviz='false'
    )
    line = command(node)
    assert dict(expanded(node).expanded_remapping_rules)['image'] == '/x'
    assert line.index("depth_source:='topic'") < line.index(str(file)) < line.index('device:=')


def test_namespace_respawn_and_log_level():
    node = perception(namespace='robot', respawn='true', log_level='debug', rviz='false')
    assert expanded(node).expanded_node_namespace == '/robot'
    assert '--log-level debug' in command(node)


def test_rviz_is_started_when_asked_for():
    actions = start('bringup.launch.py', camera='usb', rviz='true')
    nodes = [item for item in actions if isinstance(item, Node)]
    assert [node.node_package for node in nodes] == ['metrichmsr_ros', 'rviz2']


def test_unknown_camera_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r'kinect.*realsense'):
        start('bringup.launch.py', camera='kinect')


def test_unknown_switch_is_refused():
    with pytest.raises(RuntimeError, match='respawn'):
        start('bringup.launch.py', respawn='maybe')


def test_demo_adds_the_camera():
    actions = start('demo.launch.py', source='synthetic')
    (camera,) = [item for item in actions if isinstance(item, Node)]
    assert camera.node_executable == 'camera_node'
