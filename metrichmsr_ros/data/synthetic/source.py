"""The synthetic world as a live camera."""

from __future__ import annotations

from collections.abc import Iterator

from metrichmsr_ros.data.source_frame import repeat, SourceError, SourceFrame
from metrichmsr_ros.data.synthetic.world import SyntheticWorld, WorldConfig
from metrichmsr_ros.structures import DepthImage

FRAME_ID = 'camera_optical_frame'


class SyntheticSource:
    """Plays the loop of a ``SyntheticWorld``; rendered when made, so that playing only copies.

    Attributes:
        world: Has ``camera_height`` and ``camera_tilt`` in its ``config``.
    """

    name = 'synthetic'
    frame_id = FRAME_ID

    def __init__(
        self, *, people: int | None = None, rate: float | None = None, loop: bool = True
    ) -> None:
        defaults = WorldConfig()
        try:
            config = WorldConfig(people=people or defaults.people, rate=rate or defaults.rate)
        except ValueError as error:
            raise SourceError(str(error)) from None
        self.loop = loop
        self.rate = config.rate
        self.world = SyntheticWorld(config)
        self._rendered = self.world.render()

    def __iter__(self) -> Iterator[SourceFrame]:
        return repeat(self._one_pass, loop=self.loop, rate=self.rate)

    def _one_pass(self) -> Iterator[SourceFrame]:
        camera = self.world.camera
        for t, image in enumerate(self._rendered.images):
            depth_z, people = self._rendered.depth_z(t), self._rendered.people(t)
            stamp = round(t * 1e9 / self.rate)
            yield SourceFrame(
                image, camera, stamp, self.frame_id,
                depth=DepthImage(depth_z, camera, source=self.name, measured=True),
                depth_stamp=stamp, truth=people,
            )  # fmt: skip
