"""Start this package's camera and the perception node on it.

ros2 launch metrichmsr_ros demo.launch.py source:=synthetic
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from metrichmsr_ros.ros.presets import preset_of_source

SHARE = Path(get_package_share_directory('metrichmsr_ros'))
BRINGUP = SHARE / 'launch' / 'bringup.launch.py'
CAMERAS = SHARE / 'config' / 'cameras'
ARGUMENTS = {
    'source': ('synthetic', 'synthetic, a video, a photograph, a folder, /dev/video0 or a bag'),
    'fov': ('0.0', 'horizontal field of view of a source without calibration, rad; 0 = none'),
    'camera_info': ('', 'camera_calibration YAML of a source without calibration'),
    'namespace': ('', 'namespace of both nodes'),
    'use_sim_time': ('false', "keep the recording's own stamps and publish /clock"),
}


def _start(context):
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    restamp = value['use_sim_time'] != 'true'
    fov, camera_info = float(value['fov']), value['camera_info']
    preset = preset_of_source(value['source'], CAMERAS, fov=fov, camera_info=camera_info)
    camera = Node(
        package='metrichmsr_ros',
        executable='camera_node',
        name='camera',
        namespace=value['namespace'],
        parameters=[
            {
                'source': value['source'],
                'fov': fov,
                'camera_info': camera_info,
                'restamp': restamp,
            }
        ],
        output='screen',
        emulate_tty=True,
    )
    perception = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(BRINGUP)),
        launch_arguments={
            'camera': 'synthetic' if value['source'] == 'synthetic' else 'bag',
            'depth_source': preset.parameters['depth_source'],
            'namespace': value['namespace'],
            'use_sim_time': value['use_sim_time'],
        }.items(),
    )
    return [perception, camera]


def generate_launch_description():
    """Declare the arguments; those of bringup.launch.py can be given as well."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_start)])
