"""The estimators by name, for commands and settings."""

from __future__ import annotations

from collections.abc import Callable

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.models.estimator import Estimator
from metrichmsr_ros.models.landmark_ik import LandmarkIK

METHODS: dict[str, Callable[[BodyModel], Estimator]] = {LandmarkIK.name: LandmarkIK}


def build_method(name: str, body: BodyModel) -> Estimator:
    """Return the estimator called ``name``.

    Raises:
        ValueError: There is none.
    """
    if name not in METHODS:
        raise ValueError(f'unknown method {name!r}; there is {", ".join(METHODS)}')
    return METHODS[name](body)
