"""The estimators by name, for commands and settings."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.models.estimator import Estimator
from metrichmsr_ros.models.landmark_ik import LandmarkIK
from metrichmsr_ros.perception.blazepose.assets import FULL

_Checkpoint = str | PathLike[str] | None


def _landmark_ik(body: BodyModel, checkpoint: _Checkpoint, _landmark_network: str) -> Estimator:
    if checkpoint is not None:
        raise ValueError(f'checkpoint is {str(checkpoint)!r}: {LandmarkIK.name} has none')
    return LandmarkIK(body)


def _metric_hmr(body: BodyModel, checkpoint: _Checkpoint, landmark_network: str) -> Estimator:
    # Only who asks for the network waits for its modules to load.
    from metrichmsr_ros.models.network_estimator import NetworkEstimator, SHIPPED

    source = SHIPPED[landmark_network] if checkpoint is None else checkpoint
    return NetworkEstimator.from_pretrained(source, body=body)


METHODS: dict[str, Callable[[BodyModel, _Checkpoint, str], Estimator]] = {
    'metrichmr': _metric_hmr,
    LandmarkIK.name: _landmark_ik,
}


def build_method(
    name: str,
    body: BodyModel,
    *,
    checkpoint: _Checkpoint = None,
    landmark_network: str = FULL,
) -> Estimator:
    """Return the estimator called ``name``.

    Args:
        name: One of ``METHODS``.
        body: The body whose parameters it estimates.
        checkpoint: Folder of a network's weights, or the name of one that ships; None = the
            method's own, for ``landmark_network``.
        landmark_network: Who reads the landmarks, one of ``LANDMARK_NETWORKS``.

    Raises:
        ValueError: There is no such method, or its checkpoint is missing or is for another body.
    """
    if name not in METHODS:
        raise ValueError(f'unknown method {name!r}; there is {", ".join(METHODS)}')
    return METHODS[name](body, checkpoint, landmark_network)
