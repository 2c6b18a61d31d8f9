"""Start the perception node on a camera's topics, and RViz where there is a display.

ros2 launch metrichmsr_ros bringup.launch.py camera:=realsense
"""

import os
from pathlib import Path

from ament_index_python.packages import get_package_share_directory, PackageNotFoundError
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from metrichmsr_ros.ros.middleware import profile_environment
from metrichmsr_ros.ros.parameters import RULES
from metrichmsr_ros.ros.presets import load_preset, parameter_arguments, preset_names, TOPICS

SHARE = Path(get_package_share_directory('metrichmsr_ros'))
CAMERAS = SHARE / 'config' / 'cameras'
BOOL = ['true', 'false']
# Node parameters that are passed on if given.
CHOSEN = (
    'image_transport', 'depth_source', 'depth_model', 'depth_refiner', 'fill', 'fill_source',
    'depth_encoding', 'points_people', 'device', 'estimator', 'checkpoint', 'body_model',
    'landmark_network',
)  # fmt: skip


def _passed_on(rule):
    choices = ['', *rule.choices] if rule.choices else None
    return '', f'passed on if given: {rule.text}', choices


# name: (default, description, choices); an empty default means "as params_file says, else the
# camera preset, else the node's own default".
ARGUMENTS = {
    'camera': ('usb', f'camera preset ({", ".join(preset_names(CAMERAS))}) or YAML file', None),
    'namespace': ('', 'namespace of the node', None),
    'params_file': ('', 'YAML with parameters of the node, as config/metrichmsr.yaml', None),
    'autostart': ('true', 'configure and activate the node by itself', BOOL),
    'use_sim_time': ('false', 'take the time from /clock', BOOL),
    'log_level': ('info', 'log level of the node', None),
    'image_topic': ('', 'colour image', None),
    'camera_info_topic': ('', 'CameraInfo of the colour image', None),
    'depth_topic': ('', 'depth image', None),
    'depth_camera_info_topic': ('', 'CameraInfo of the depth image', None),
    **{name: _passed_on(RULES[name]) for name in CHOSEN},
    'respawn': ('false', 'start the node again when it dies', BOOL),
    'rviz': ('auto', 'start RViz; auto = where it is installed and a display exists',
             ['auto', *BOOL]),
    'rviz_config': (str(SHARE / 'rviz' / 'metrichmsr.rviz'), 'RViz configuration', None),
}  # fmt: skip


def _wants_rviz(choice):
    if choice != 'auto':
        return choice == 'true'
    if not (os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
        return False
    try:
        get_package_share_directory('rviz2')
    except PackageNotFoundError:
        return False
    return True


def _perception(value, preset):
    topics = dict(preset.topics)
    topics.update({name: value[f'{name}_topic'] for name in TOPICS if value[f'{name}_topic']})
    chosen = {name: value[name] for name in CHOSEN if value[name]}
    switches = {name: value[name] == 'true' for name in ('autostart', 'use_sim_time')}
    # Not through Node(parameters=...): it writes the node's full name above dictionaries, which
    # then win over the wildcard of a user's file. As plain arguments the later one wins.
    params_file = ['--params-file', value['params_file']] if value['params_file'] else []
    return Node(
        package='metrichmsr_ros',
        executable='metrichmsr_node',
        name='metrichmsr',
        namespace=value['namespace'],
        remappings=list(topics.items()),
        ros_arguments=[
            *parameter_arguments(preset.parameters),
            *params_file,
            *parameter_arguments(chosen | switches),
            '--log-level',
            value['log_level'],
        ],
        respawn=value['respawn'] == 'true',
        respawn_delay=2.0,
        output='screen',
        emulate_tty=True,
    )


def _rviz(value, preset):
    outputs = ('markers', 'overlay', 'depth/image_rect', 'points')
    prefix = f'/{value["namespace"].strip("/")}' if value['namespace'].strip('/') else ''
    return Node(
        package='rviz2',
        executable='rviz2',
        arguments=['-d', value['rviz_config'], '-f', preset.frame],
        remappings=[(f'/metrichmsr/{name}', f'{prefix}/metrichmsr/{name}') for name in outputs],
        parameters=[{'use_sim_time': value['use_sim_time'] == 'true'}],
    )


def _start(context):
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    preset = load_preset(value['camera'], CAMERAS)
    actions = [SetEnvironmentVariable(name, path) for name, path in profile_environment().items()]
    actions.append(_perception(value, preset))
    if _wants_rviz(value['rviz']):
        actions.append(_rviz(value, preset))
    return actions


def generate_launch_description():
    """Declare the arguments and start what they ask for."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text, choices=choices)
        for name, (default, text, choices) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_start)])
