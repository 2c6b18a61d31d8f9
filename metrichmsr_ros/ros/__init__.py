"""The ROS 2 adapter: the only folder that imports ROS."""
