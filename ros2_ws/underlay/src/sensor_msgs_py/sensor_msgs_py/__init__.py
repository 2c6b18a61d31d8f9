"""Helpers of sensor_msgs, after the API of ros2/common_interfaces."""
