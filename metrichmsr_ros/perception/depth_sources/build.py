"""The depth source that a configuration names."""

from __future__ import annotations

from collections.abc import Callable

from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.perception.depth_sources.background import Background
from metrichmsr_ros.perception.depth_sources.base import DepthSource
from metrichmsr_ros.perception.depth_sources.ground_plane import GroundPlane
from metrichmsr_ros.perception.depth_sources.topic import TopicDepth

# Both under the Apache licence; their larger or better siblings are not all for every use.
DEFAULT_MODELS = {
    'huggingface': 'hub:depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf',
    'mapanything': 'hub:facebook/map-anything-apache',
}


def build_depth_source(config: PipelineConfig, device: str) -> DepthSource | None:
    """Return the source of ``config.depth_source``; None for 'none'.

    A network works in the background of a stream; on single images, which have all the time there
    is (no ``detector_budget_ms``), it works in place.

    Args:
        config: Settings.
        device: Where a network runs: 'cpu' or 'cuda:<n>'.

    Raises:
        ValueError: The network cannot be loaded; says what mends it.
    """
    name = config.depth_source
    if name == 'topic':
        return TopicDepth()
    if name == 'ground':
        return GroundPlane(config.camera_height, config.camera_tilt)
    if name == 'none':
        return None
    source = _network(name)(config.depth_model or DEFAULT_MODELS[name], device=device)
    if config.detector_budget_ms is None:
        return source
    return Background(source, max_age=config.depth_max_age)


def _network(name: str) -> Callable[..., DepthSource]:
    # Here, because they bring torch, which who only draws a floor can do without.
    if name == 'mapanything':
        from metrichmsr_ros.perception.depth_sources.map_anything import MapAnythingDepth

        return MapAnythingDepth
    from metrichmsr_ros.perception.depth_sources.hugging_face import HuggingFaceDepth

    return HuggingFaceDepth
