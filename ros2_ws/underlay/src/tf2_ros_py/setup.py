"""Stand-in of tf2_ros_py, see ros2_ws/underlay/README.md."""

from setuptools import setup

setup(
    name='tf2_ros_py',
    version='0.1.0',
    packages=['tf2_ros'],
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/tf2_ros_py']),
        ('share/tf2_ros_py', ['package.xml']),
    ],
    zip_safe=False,
)
