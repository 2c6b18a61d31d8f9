"""Where a depth image comes from before the people correct it."""

from metrichmsr_ros.perception.depth_sources.background import Background
from metrichmsr_ros.perception.depth_sources.base import DepthSource
from metrichmsr_ros.perception.depth_sources.build import build_depth_source
from metrichmsr_ros.perception.depth_sources.ground_plane import GroundPlane
from metrichmsr_ros.perception.depth_sources.topic import TopicDepth

__all__ = ['Background', 'DepthSource', 'GroundPlane', 'TopicDepth', 'build_depth_source']
