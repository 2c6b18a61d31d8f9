"""The scene's depth: its source, the correction by people, and what a sensor does not see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metrichmsr_ros.geometry.mesh_depth import MeshDepth, MeshRaycaster
from metrichmsr_ros.models.depth_refiner import DEFAULT_REFINER
from metrichmsr_ros.perception.config import AFFINE, PipelineConfig
from metrichmsr_ros.perception.depth_refinement import FieldEstimator, GlobalAffine
from metrichmsr_ros.perception.depth_sources import build_depth_source, DepthSource, TopicDepth
from metrichmsr_ros.perception.learned_field import LearnedField
from metrichmsr_ros.perception.prior_correction import needs_mesh, PriorCorrection
from metrichmsr_ros.structures import DepthImage, DepthMap, DepthState, Frame, People


class _Sight:
    """What a source knows of the newest frame; it is asked once for each."""

    def __init__(self, source: DepthSource) -> None:
        self.source = source
        self._looked: tuple[Frame, DepthImage | None, Exception | None] | None = None

    def look(self, frame: Frame) -> DepthImage | None:
        """Return its depth of a frame, None where it knows nothing or raises an error."""
        if self._looked is None or self._looked[0] is not frame:
            self._looked = frame, *self._ask(frame)
        return self._looked[1]

    def error_of(self, frame: Frame) -> Exception | None:
        """Return what it raised at a frame; None where nothing, or nobody has looked."""
        if self._looked is None or self._looked[0] is not frame:
            return None
        return self._looked[2]

    def _ask(self, frame: Frame) -> tuple[DepthImage | None, Exception | None]:
        try:
            return self.source.depth(frame), None
        except Exception as error:  # somebody else's network: whatever it is, people go on
            return None, error.with_traceback(None)  # whose frames would keep the network alive


class SceneDepth:
    """Turns a source's depth into the scene's, in the order of time. Not thread-safe.

    What a sensor has measured passes as it is. Any other depth is a prior, brought into the scale
    of the people by ``estimator`` and :class:`FieldMemory`. A source that raises an error knows
    nothing of that frame; what is remembered of earlier ones stays.

    Args:
        source: Where depth comes from.
        raycaster: Casts people of earlier frames.
        estimator: Corrects a prior.
        fill: Another source, never a sensor, of what ``source`` does not know where it measures:
            corrected by the sensor's pixels and the people. None leaves that unknown.
        memory: Time for which a correction is held after the last anchors, seconds.

    Raises:
        ValueError: If ``memory`` is negative.
    """

    def __init__(
        self,
        source: DepthSource,
        raycaster: MeshRaycaster,
        *,
        estimator: FieldEstimator | None = None,
        fill: DepthSource | None = None,
        memory: float = 10.0,
    ) -> None:
        self._sight = _Sight(source)
        self._fill = None if fill is None else _Sight(fill)
        self._prior = PriorCorrection(
            estimator or GlobalAffine(), raycaster=raycaster, hold=memory
        )
        # Not by a network: it has learned from people's pixels, and not from a sensor's.
        self._filling = PriorCorrection(
            GlobalAffine(), raycaster=raycaster, hold=memory, sensor=self._sight.look
        )

    def reset(self) -> None:
        """Forget what time has taught."""
        self._prior.reset()
        self._filling.reset()

    def look(self, frame: Frame) -> DepthImage | None:
        """Return the source's own depth of a frame, None where it knows nothing."""
        return self._sight.look(frame)

    def error_of(self, frame: Frame) -> Exception | None:
        """Return what a source raised at a frame; None where nothing, or nobody has looked."""
        sights = [self._sight] if self._fill is None else [self._sight, self._fill]
        return next(filter(None, (sight.error_of(frame) for sight in sights)), None)

    def needs_mesh(self, frame: Frame, seen: DepthImage | None) -> bool:
        """Whether :meth:`of` makes use of the people's surfaces."""
        if self._measures(seen):
            return self._fill is not None
        return needs_mesh(seen, frame)

    def of(
        self, frame: Frame, people: People, mesh: MeshDepth | None, seen: DepthImage | None
    ) -> DepthMap | None:
        """Return the depth of a frame; None where nothing is known.

        Args:
            frame: The frame.
            people: Who is seen in it.
            mesh: Their visible surfaces, indexing ``people``; may be None where not needed.
            seen: What :meth:`look` gave.
        """
        if not self._measures(seen):
            return self._prior.apply(seen, frame, people, mesh)
        guess = None
        if self._fill is not None:
            guess = self._filling.apply(self._fill.look(frame), frame, people, mesh)
        return guess if seen is None else _filled(_measured(seen), guess)

    def _measures(self, seen: DepthImage | None) -> bool:
        return isinstance(self._sight.source, TopicDepth) if seen is None else seen.measured


def _measured(seen: DepthImage) -> DepthMap:
    return DepthMap(seen.depth_z, seen.depth_z, seen.source, state=DepthState.MEASURED)


def _filled(measured: DepthMap, guess: DepthMap | None) -> DepthMap:
    """Return what was measured, with the holes taken from a prior whose scale is known."""
    if guess is None or guess.state == DepthState.UNANCHORED:
        return measured
    return replace(
        guess,
        depth_z=np.where(np.isnan(measured.depth_z), guess.depth_z, measured.depth_z),
        prior_z=measured.depth_z,
        source=f'{measured.source}, {guess.source}',
        state=DepthState.FILLED,
    )


def build_scene_depth(
    config: PipelineConfig, raycaster: MeshRaycaster, device: str
) -> SceneDepth | None:
    """Return what ``config`` asks for, None where it asks for no depth.

    Args:
        config: Settings.
        raycaster: Casts people of earlier frames.
        device: Where networks run: 'cpu' or 'cuda:<n>'.

    Raises:
        ValueError: A network cannot be loaded; says what mends it.
        CheckpointError: The refiner's weights are missing or do not fit.
    """
    source = build_depth_source(config, device)
    if source is None:
        return None
    fill = None
    if config.depth_source == 'topic' and config.fill == 'prior':
        fill = build_depth_source(replace(config, depth_source=config.fill_source), device)
    return SceneDepth(
        source,
        raycaster,
        estimator=_estimator(config),
        fill=fill,
        memory=config.depth_memory,
    )


def _estimator(config: PipelineConfig) -> FieldEstimator:
    if config.depth_refiner == AFFINE or config.depth_source == 'topic':
        return GlobalAffine()
    return LearnedField.from_pretrained(config.depth_refiner or DEFAULT_REFINER)
