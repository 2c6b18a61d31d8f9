"""What both kinds of network are held to."""

from dataclasses import fields, replace

import torch
from torch import Tensor

from metrichmsr_ros.models.prediction import Prediction


def assert_same(found: Prediction, wanted: Prediction, *, atol: float = 1e-4) -> None:
    for item in fields(Prediction):
        torch.testing.assert_close(
            getattr(found, item.name), getattr(wanted, item.name), atol=atol, rtol=1e-4
        )


def turned_people(people: Prediction, R: Tensor) -> Prediction:
    """Return the same people in the axes of a camera that ``R`` (3, 3) turned about its centre."""
    root = R @ people.rotations[:, 0]
    return replace(
        people,
        rotations=torch.cat([root[:, None], people.rotations[:, 1:]], dim=1),
        pelvis=people.pelvis @ R.T,
        pelvis_axes=R @ people.pelvis_axes,
        joints=people.joints @ R.T,
        landmarks=people.landmarks @ R.T,
        landmark_rays=people.landmark_rays @ R.T,
    )
