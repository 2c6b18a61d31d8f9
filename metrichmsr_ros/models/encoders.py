"""The encoders that a config names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metrichmsr_ros.models.blazepose_encoder import BlazePoseEncoder
from metrichmsr_ros.models.network_config import BLAZEPOSE, MetricHMRConfig
from metrichmsr_ros.models.ray_encoder import RayEncoder

if TYPE_CHECKING:
    from metrichmsr_ros.models.vit_ray_encoder import VitRayEncoder
    from metrichmsr_ros.models.vitpose_encoder import VitPoseEncoder


def build_encoders(
    config: MetricHMRConfig,
) -> tuple[BlazePoseEncoder | VitPoseEncoder, RayEncoder | VitRayEncoder]:
    """Return an ``ImageEncoder`` and a ray encoder with random weights.

    Raises:
        ValueError: It has ViTPose, and ``transformers`` is not installed.
    """
    if config.image_encoder == BLAZEPOSE:
        return (
            BlazePoseEncoder(
                config.dim,
                person_tokens=config.person_tokens,
                person_hidden=config.person_hidden,
            ),
            RayEncoder(config.dim, heads=config.heads, patch=config.ray_patch),
        )
    # Only who has ViTPose waits for its modules to load.
    from metrichmsr_ros.models.vit_ray_encoder import VitRayEncoder
    from metrichmsr_ros.models.vitpose_encoder import VitPoseEncoder

    return (
        VitPoseEncoder(
            config.dim,
            person_tokens=config.person_tokens,
            width=config.image_width,
            layers=config.image_layers,
            heads=config.image_heads,
            hidden=config.head_hidden,
        ),
        VitRayEncoder(
            config.dim,
            width=config.ray_width,
            layers=config.ray_layers,
            heads=config.ray_heads,
        ),
    )
