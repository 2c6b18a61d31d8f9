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

BRINGUP = Path(get_package_share_directory('metrichmsr_ros')) / 'launch' / 'bringup.launch.py'
ARGUMENTS = {
    'source': ('synthetic', 'synthetic, a video, a photograph, a folder, /dev/video0 or a bag'),
    'fov': ('0.0', 'horizontal field of view of a source without calibration, degrees; 0 = none'),
    'camera_info': ('', 'camera_calibration YAML of a source without calibration'),
    'namespace': ('', 'namespace of both nodes'),
    'use_sim_time': ('false', "keep the recording's own stamps and publish /clock"),
}


def _start(context):
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    restamp = value['use_sim_time'] != 'true'
    camera = Node(
        package='metrichmsr_ros',
        executable='camera_node',
        name='camera',
        namespace=value['namespace'],
        parameters=[
            {
                'source': value['source'],
                'fov': float(value['fov']),
                'camera_info': value['camera_info'],
                'restamp': restamp,
            }
        ],
        output='screen',
        emulate_tty=True,
    )
    preset = 'synthetic' if value['source'] == 'synthetic' else 'bag'
    perception = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(BRINGUP)),
        launch_arguments={
            'camera': preset,
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
