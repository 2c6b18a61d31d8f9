"""What renders scenes for depth, in seconds: few poses, one look."""

from __future__ import annotations

import numpy as np

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.rendered.looks import draw_look

CONFIG = SampleConfig(poses=300, pose_seed=7)


class OneLook:
    """A wardrobe whose looks are all the same: painting one takes a third of a second."""

    def __init__(self, body: BodyModel) -> None:
        self.body = body
        self._look = draw_look(body, np.random.default_rng(0))

    def pick(self, count: int, rng: np.random.Generator) -> list:
        return [self._look] * count
