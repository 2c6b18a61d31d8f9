"""A depth prior in the scale of what is known: anchored on its own frame, then kept over time.

A slow source delivers its prior some frames late. It is compared with the people of the frame that
it shows, not with where they have walked meanwhile, and only once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from metrichmsr_ros.geometry.mesh_depth import MeshDepth, MeshRaycaster
from metrichmsr_ros.perception.affine_field import AffineField
from metrichmsr_ros.perception.anchors import people_anchors, sensor_anchors
from metrichmsr_ros.perception.depth_refinement import FieldEstimator
from metrichmsr_ros.perception.disparity_shift import at_prior, DisparityShift
from metrichmsr_ros.perception.field_memory import FieldMemory
from metrichmsr_ros.perception.past_people import PastPeople
from metrichmsr_ros.structures import DepthImage, DepthMap, Frame, People


class _Fit(NamedTuple):
    """A prior, straightened where it needs it, the number of its anchors, and what they ask for.

    The number is 0 where they say nothing sound.
    """

    prior: DepthImage
    anchors: int
    field: AffineField | None


class PriorCorrection:
    """Corrects the priors of one source, in the order of time. Not thread-safe.

    Args:
        estimator: Fits a prior to its anchors.
        raycaster: Casts the people of a late prior's frame.
        hold: As for :class:`FieldMemory`.
        sensor: Measures a frame's depth, which the prior is anchored on too; None = people alone.
    """

    def __init__(
        self,
        estimator: FieldEstimator,
        *,
        raycaster: MeshRaycaster,
        hold: float,
        sensor: Callable[[Frame], DepthImage | None] | None = None,
    ) -> None:
        self._estimator = estimator
        self._raycaster = raycaster
        self._sensor = sensor
        self._memory = FieldMemory(hold)
        self._disparity = DisparityShift()
        self.reset()

    def reset(self) -> None:
        """Forget everything, as before the first frame."""
        self._memory.reset()
        self._disparity.reset()
        self._past = PastPeople(self._raycaster)
        self._late_fit: tuple[int, _Fit] | None = None

    def apply(
        self, prior: DepthImage | None, frame: Frame, people: People, mesh: MeshDepth | None
    ) -> DepthMap | None:
        """Return the depth of a frame.

        Args:
            prior: The source's newest, maybe of an earlier frame; None while it has none.
            frame: The frame to be published.
            people: Who is seen in it.
            mesh: Their visible surfaces; may be None where :func:`needs_mesh` says so.
        """
        if prior is None or is_late(prior, frame):
            self._past.keep(frame.stamp, people)
        if prior is None:
            return None
        if is_late(prior, frame):
            prior, number, field = self._fit_late(prior, frame)
        else:
            assert mesh is not None
            prior, number, field = self._fit(prior, frame, people, mesh)
        shows = frame.stamp if prior.stamp is None else prior.stamp
        correction = self._memory.update(frame.stamp, prior, field, prior_stamp=shows)
        scale, shift = 1.0, 0.0
        depth_z = np.full_like(prior.depth_z, np.nan)
        if correction.field is not None:
            scale, shift = correction.field.mean
            depth_z = correction.field.apply(prior.depth_z)
        if not prior.sees_people and mesh is not None:
            depth_z = np.where(mesh.person >= 0, mesh.depth_z, depth_z)
        return DepthMap(
            depth_z, prior.depth_z, prior.source, scale=scale, shift=shift, num_anchors=number,
            state=correction.state, anchor_age=correction.anchor_age,
        )  # fmt: skip

    def _fit_late(self, prior: DepthImage, frame: Frame) -> _Fit:
        """Return what :meth:`_fit` finds for a prior of an earlier frame; once for each."""
        assert prior.stamp is not None
        if self._late_fit is None or self._late_fit[0] != prior.stamp:
            people, mesh = self._past.at(prior.stamp, prior.camera)
            shown = frame if prior.frame is None else prior.frame
            self._late_fit = (prior.stamp, self._fit(prior, shown, people, mesh))
        return self._late_fit[1]

    def _fit(self, prior: DepthImage, frame: Frame, people: People, mesh: MeshDepth) -> _Fit:
        anchors = people_anchors(prior, people, mesh)
        measured = None if self._sensor is None else self._sensor(frame)
        if measured is not None:
            anchors = anchors.concatenate(sensor_anchors(prior, measured.depth_z))
        if prior.inverse:
            shown = frame.stamp if prior.stamp is None else prior.stamp
            prior = self._disparity.straighten(prior, anchors, shown)
            anchors = at_prior(anchors, prior)
        field = self._estimator.estimate(frame, prior, anchors, people)
        return _Fit(prior, 0 if field is None else len(anchors), field)


def is_late(prior: DepthImage, frame: Frame) -> bool:
    """Whether a prior shows an earlier frame than this one."""
    return prior.stamp is not None and prior.stamp < frame.stamp


def needs_mesh(prior: DepthImage | None, frame: Frame) -> bool:
    """Whether a prior is compared with the people of this very frame, or they hide some of it."""
    return prior is not None and not (is_late(prior, frame) and prior.sees_people)
