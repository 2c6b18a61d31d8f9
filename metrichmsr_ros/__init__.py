"""Metric people in a metric scene from one live camera. Importable without ROS.

The names below are imported when first used, so that ``import metrichmsr_ros`` loads no network
library.
"""

from importlib import import_module
from typing import Any

_HOME = {
    'BodyModel': 'metrichmsr_ros.body.body_model',
    'Camera': 'metrichmsr_ros.geometry.camera',
    'Frame': 'metrichmsr_ros.structures',
    'PipelineConfig': 'metrichmsr_ros.perception.config',
    'build_pipeline': 'metrichmsr_ros.perception.pipeline',
}

__all__ = ['BodyModel', 'Camera', 'Frame', 'PipelineConfig', 'build_pipeline']


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(_HOME[name]), name)
