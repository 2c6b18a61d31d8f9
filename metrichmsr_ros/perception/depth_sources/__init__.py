"""Where a depth image comes from before the people correct it."""

from metrichmsr_ros.perception.depth_sources.base import DepthSource
from metrichmsr_ros.perception.depth_sources.ground_plane import GroundPlane
from metrichmsr_ros.perception.depth_sources.topic import TopicDepth

__all__ = ['DepthSource', 'GroundPlane', 'TopicDepth']
