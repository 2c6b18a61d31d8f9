"""The values that flow through the pipeline, one frozen dataclass per arrow.

``Frame`` → ``Detections`` → ``Landmarks`` → ``People`` → ``DepthMap``; a ``Scene`` is what one
frame gives in the end. All lengths are metres in the camera optical frame (x right, y down, z
forward), all pixels are those of ``Frame.image`` with integer coordinates at pixel centres.

Letters: N people, V vertices, J = 24 SMPL joints, L = 33 BlazePose landmarks, H, W image size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from itertools import chain
import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from metrichmsr_ros.body.joints import NUM_JOINTS, NUM_SHAPE
from metrichmsr_ros.geometry.camera import Camera

if TYPE_CHECKING:  # importing it starts Warp
    from metrichmsr_ros.geometry.mesh_depth import MeshDepth

NUM_LANDMARKS = 33

_Batch = TypeVar('_Batch', bound='PersonBatch')


class TrackState(IntEnum):
    """How a person of this frame is known; the values are those of ``metrichmsr_msgs/Person``."""

    NEW = 0
    TRACKED = 1
    PREDICTED = 2


class DepthState(IntEnum):
    """What a depth's scale rests on; the values are those of ``metrichmsr_msgs/PersonArray``."""

    NONE = 0  # there is no depth
    MEASURED = 1  # a sensor's, untouched, unknown where the sensor is blind
    FILLED = 2  # the same, and where the sensor is blind a prior that was fitted to it
    ANCHORED = 3  # a prior in the scale of what is in view
    REMEMBERED = 4  # a prior in the scale of what was in view not long ago
    UNANCHORED = 5  # a prior whose scale nothing vouches for


@dataclass(frozen=True)
class DepthImage:
    """A measured or predicted depth image before it is brought into the people's scale.

    Attributes:
        depth_z: Depth along the optical axis, (H, W) float32, metres, NaN where unknown or where
            the source itself gives it no confidence.
        camera: Camera of this image; need not be the colour camera's size or intrinsics.
        metric: Whether the values are metres (else relative: affine in metres).
        inverse: Whether it was predicted as inverse depth up to a factor and a shift, and turned;
            then it is affine in metres only once that shift is known.
        source: Name of what made it, for diagnostics.
        measured: Whether a sensor measured it; a measurement is never rescaled to the people.
        sees_people: Whether a person's pixels show the person; a floor shows what is behind.
        stamp: Time of the measurement, integer nanoseconds; None = that of its frame.
        frame: The frame that a slow source made it of, if that is an earlier one.
        scale_sigma: One sigma of what is known beforehand of a metric prior's scale, a fraction.
        shift_sigma: The same of a shift that is added to all of it, over its median.
    """

    depth_z: np.ndarray
    camera: Camera
    metric: bool = True
    source: str = ''
    measured: bool = False
    sees_people: bool = True
    stamp: int | None = None
    frame: Frame | None = None
    scale_sigma: float = 0.1
    shift_sigma: float = 0.05
    inverse: bool = False


@dataclass(frozen=True)
class Frame:
    """One image with its camera and time.

    Attributes:
        image: (H, W, 3) uint8, RGB, not rectified unless ``camera`` is.
        camera: Camera with ``camera.width, camera.height == W, H``.
        stamp: Acquisition time, integer nanoseconds.
        depth: Sensor depth of the same instant, or None.
    """

    image: np.ndarray
    camera: Camera
    stamp: int
    depth: DepthImage | None = None


@dataclass(frozen=True)
class PersonBatch:
    """Base of the per-person structs: each array or tuple field has N as first axis."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def select(self: _Batch, index: Sequence[int] | np.ndarray) -> _Batch:
        """Return the people at ``index`` (integers, or a mask of length N), in that order."""
        index = np.asarray(index)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(int)
        picked = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, np.ndarray):
                picked[item.name] = value[index]
            elif isinstance(value, tuple):
                picked[item.name] = tuple(value[i] for i in index)
        return replace(self, **picked)

    def concatenate(self: _Batch, *others: _Batch) -> _Batch:
        """Return these people and then those of ``others``."""
        joined: dict[str, np.ndarray | tuple] = {}
        for item in fields(self):
            values = [getattr(batch, item.name) for batch in (self, *others)]
            if isinstance(values[0], np.ndarray):
                joined[item.name] = np.concatenate(values)
            elif isinstance(values[0], tuple):
                joined[item.name] = tuple(chain.from_iterable(values))
        return replace(self, **joined)


@dataclass(frozen=True)
class Detections(PersonBatch):
    """Where people may be, from a detector.

    Attributes:
        boxes: x_min, y_min, x_max, y_max, (N, 4) float32, pixels; may reach over the border.
        scores: Confidence, (N,) float32, 0..1.
        rois: Square the landmark network should read: centre x, centre y, side, clockwise angle
            that turns the image's up into the person's up, (N, 4) float32, pixels and radians.
    """

    boxes: np.ndarray
    scores: np.ndarray
    rois: np.ndarray


@dataclass(frozen=True)
class Landmarks(PersonBatch):
    """BlazePose landmarks of N people.

    Attributes:
        image: x, y and relative depth z, (N, 33, 3) float32, pixels; z is 0 at the mid-hip,
            smaller = nearer, and comes out at some 2.4 times the scale of x and y.
        world: Metric landmarks about the mid-hip, (N, 33, 3) float32, metres, axes of the camera
            optical frame as seen along the crop's own axis (see ``models/landmark_ik.py``).
        visibility: Probability of being inside the crop and not hidden, at most what the heatmap
            gives for the place, (N, 33) float32, 0..1.
        presence: Probability of being inside the crop, (N, 33) float32, 0..1.
        scores: Probability that the crop holds a person, (N,) float32, 0..1.
        boxes: Tight box about the landmarks inside the crop, (N, 4) float32, pixels.
        rois: The crop that was read, as in ``Detections.rois``, (N, 4) float32.
        next_rois: The crop to read the same person from in the next frame, (N, 4) float32.
    """

    image: np.ndarray
    world: np.ndarray
    visibility: np.ndarray
    presence: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    rois: np.ndarray
    next_rois: np.ndarray


@dataclass(frozen=True)
class People(PersonBatch):
    """Metric people in the camera optical frame: SMPL parameters and what follows from them.

    Attributes:
        ids: Track ids, five lower-case letters each; '' before tracking.
        states: ``TrackState`` of each person.
        scores: Probability that this is a person, (N,) float32, 0..1; from an estimator that knows
            how good its poses are, times that its joints are right to 0.1 m.
        boxes: Image boxes, (N, 4) float32, pixels, x_min, y_min, x_max, y_max.
        pose: Axis-angle θ, (N, 24, 3) float32, radians; joint 0 turns body axes into camera axes.
        shape: β, (N, 10) float32, standard deviations.
        translation: SMPL ``transl``, (N, 3) float32, metres; not the pelvis.
        vertices: Skinned surface, (N, V, 3) float32, metres, camera frame.
        joints: SMPL joints, (N, 24, 3) float32, metres, camera frame; the first is the pelvis.
        pelvis_covariance: Of ``joints[:, 0]``, (N, 3, 3) float32, m²; NaN where unknown.
        heights: Standing height of the unposed body, (N,) float32, metres.
        velocities: Of the pelvis, (N, 3) float32, m/s; NaN until it has been seen twice.
        body_model: Name of the body the parameters belong to.
    """

    ids: tuple[str, ...]
    states: tuple[TrackState, ...]
    scores: np.ndarray
    boxes: np.ndarray
    pose: np.ndarray
    shape: np.ndarray
    translation: np.ndarray
    vertices: np.ndarray
    joints: np.ndarray
    pelvis_covariance: np.ndarray
    heights: np.ndarray
    velocities: np.ndarray
    body_model: str = ''

    @property
    def pelvis(self) -> np.ndarray:
        """Joint 0, (N, 3) float32, metres, camera frame."""
        return self.joints[:, 0]

    @classmethod
    def empty(cls, num_vertices: int, body_model: str = '') -> People:
        """Return nobody, with the right shapes."""

        def zeros(*shape: int) -> np.ndarray:
            return np.zeros((0, *shape), np.float32)

        return cls(
            ids=(), states=(), scores=zeros(), boxes=zeros(4), pose=zeros(NUM_JOINTS, 3),
            shape=zeros(NUM_SHAPE), translation=zeros(3), vertices=zeros(num_vertices, 3),
            joints=zeros(NUM_JOINTS, 3), pelvis_covariance=zeros(3, 3), heights=zeros(),
            velocities=zeros(3), body_model=body_model,
        )  # fmt: skip


@dataclass(frozen=True)
class DepthMap:
    """The scene's depth in metres, pixel for pixel that of ``Frame.image``.

    Attributes:
        depth_z: Depth along the optical axis, (H, W) float32, metres, NaN where unknown.
        prior_z: The source's depth before refinement, same shape and unit.
        source: Name of the depth source.
        scale: Mean over the image of s in the correction ``depth_z = s · prior_z + b``.
        shift: Mean of b, metres.
        num_anchors: Points that the correction of this very prior was fitted to; 0 = it was not.
        state: What the scale rests on.
        anchor_age: Time since the prior was last anchored, seconds; NaN = never, or no need.
    """

    depth_z: np.ndarray
    prior_z: np.ndarray
    source: str
    scale: float = 1.0
    shift: float = 0.0
    num_anchors: int = 0
    state: DepthState = DepthState.UNANCHORED
    anchor_age: float = math.nan


@dataclass(frozen=True)
class Scene:
    """Everything one frame gave.

    Attributes:
        frame: The input.
        people: Tracked people.
        depth: Refined depth, or None where there is no depth source or it had nothing to say.
        timings: Seconds spent per stage, in order.
        mesh: Depth of the seen people's own surfaces, ``mesh.person`` indexing ``people``; None
            where nobody needed it.
        depth_error: What the depth source raised, or None; it costs the depth and nothing else.
    """

    frame: Frame
    people: People
    depth: DepthMap | None
    timings: dict[str, float] = field(default_factory=dict)
    mesh: MeshDepth | None = None
    depth_error: Exception | None = None

    @property
    def depth_state(self) -> DepthState:
        """What the scale of the depth rests on."""
        return DepthState.NONE if self.depth is None else self.depth.state
