"""Metric people in a metric scene from one live camera. Importable without ROS."""
