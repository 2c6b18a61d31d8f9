"""The synthetic world as a live camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from metrichmsr_ros.data.source_frame import FRAME_ID, repeat, SourceFrame
from metrichmsr_ros.data.synthetic.world import SyntheticWorld, WorldConfig
from metrichmsr_ros.stamps import NS_PER_S


class SyntheticSource:
    """Plays the loop of a ``SyntheticWorld``; rendered when made, so that playing only copies.

    A colour camera: its depth is ``truth_depth_z``, to measure with, and not a sensor's ``depth``.

    Attributes:
        world: Has ``camera_height`` and ``camera_tilt`` in its ``config``.
    """

    name = 'synthetic'
    frame_id = FRAME_ID

    def __init__(
        self,
        config: WorldConfig | None = None,
        *,
        loop: bool = True,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        config = config or WorldConfig()
        self.loop = loop
        self.rate = config.rate
        self.world = SyntheticWorld(config)
        self._rendered = self.world.render(progress=progress)

    def __iter__(self) -> Iterator[SourceFrame]:
        return repeat(self._one_pass, loop=self.loop, rate=self.rate)

    def _one_pass(self) -> Iterator[SourceFrame]:
        for t, image in enumerate(self._rendered.images):
            yield SourceFrame(
                image,
                self.world.camera,
                round(t * NS_PER_S / self.rate),
                self.frame_id,
                truth=self._rendered.people(t),
                truth_depth_z=self._rendered.depth_z(t),
            )
