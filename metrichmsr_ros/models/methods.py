"""The estimators by name, for commands and settings."""

from __future__ import annotations

from collections.abc import Callable

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.models.estimator import Estimator
from metrichmsr_ros.models.landmark_ik import LandmarkIK


def _metric_hmr(body: BodyModel) -> Estimator:
    # Only who asks for the network waits for its modules to load.
    from metrichmsr_ros.models.network_estimator import NetworkEstimator

    return NetworkEstimator.from_pretrained(body=body)


METHODS: dict[str, Callable[[BodyModel], Estimator]] = {
    LandmarkIK.name: LandmarkIK,
    'metrichmr': _metric_hmr,
}


def build_method(name: str, body: BodyModel) -> Estimator:
    """Return the estimator called ``name``.

    Raises:
        ValueError: There is none, or its checkpoint is missing or is for another body.
    """
    if name not in METHODS:
        raise ValueError(f'unknown method {name!r}; there is {", ".join(METHODS)}')
    return METHODS[name](body)
