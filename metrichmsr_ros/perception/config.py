"""What the frame pipeline is built from."""

from __future__ import annotations

from dataclasses import dataclass
import math
from pathlib import Path

from metrichmsr_ros.perception.blazepose.assets import FULL, LANDMARK_NETWORKS

ESTIMATORS = ('metrichmr', 'landmark_ik')  # by name, so that settings can be read without torch
DEPTH_SOURCES = ('none', 'topic', 'ground', 'mapanything', 'huggingface')
AFFINE = 'affine'  # of ``depth_refiner``: no network
FILLS = ('none', 'prior')
FILL_SOURCES = tuple(name for name in DEPTH_SOURCES if name not in ('none', 'topic'))


@dataclass(frozen=True)
class PipelineConfig:
    """Settings of :func:`metrichmsr_ros.perception.pipeline.build_pipeline`.

    Attributes:
        estimator: What makes people metric, one of ``ESTIMATORS``.
        checkpoint: Folder of a network's weights, or the name of one that ships; '' = the
            estimator's own, for ``landmark_network``.
        body_model: SMPL-format file, or None for the body that ships.
        landmark_network: Which BlazePose network reads people's landmarks: 'full', or 'heavy',
            more accurate and three to four times slower.
        depth_source: 'none', 'topic' (the frame's own depth), 'ground' (a floor), or a network:
            'mapanything' or 'huggingface' (any depth model of ``transformers``).
        depth_model: Folder of the network's files, or 'hub:owner/name' of the Hugging Face hub;
            '' = ``depth_sources.build.DEFAULT_MODELS``, which is on the hub.
        depth_max_age: Greatest time between a frame and a network's depth that it is given,
            seconds; single images (no ``detector_budget_ms``) always get their own.
        camera_height: Height of the camera above the floor, metres, for 'ground' and
            ``people_on_floor``.
        camera_tilt: How far the optical axis points below the horizon, radians, for the same.
        people_on_floor: Whether where people's feet stand on that floor corrects how far and how
            tall they are; for a camera whose height and tilt were measured.
        depth_refiner: What corrects a prior by the people: '' = the network that ships, a folder
            of its weights, or 'affine' (one factor and one shift, without a network).
        depth_memory: Time for which depth keeps the scale of people after the last of them has
            left, seconds.
        fill: What depth is where a sensor ('topic') knows none: 'none' (unknown) or 'prior'.
        fill_source: Where that prior comes from, one of ``FILL_SOURCES``.
        max_people: Most people followed at once; the nearest are not preferred.
        min_score: Probability below which the crop of a known person holds nobody, 0..1; who is
            new needs ``MIN_NEW_SCORE`` at least.
        detector_budget_ms: Time for looking for new people in each frame, milliseconds; None looks
            everywhere in each frame, as single images need it.
        temporal_filter: Filter build, pose and place of each person over time, without delay; else
            each frame says what it shows.
        device: Where meshes are cast and depth networks run: 'auto' (CUDA if there is one), 'cpu',
            'cuda' or 'cuda:<n>'. BlazePose, the pose network and the depth refiner run on the CPU.
        threads: CPU threads of one network call.
        id_seed: Where the sequence of track ids starts; None draws one, so that two nodes of one
            graph do not both publish the same ``pelvis_<id>`` frame.

    Raises:
        ValueError: If a value is out of its range.
    """

    estimator: str = 'metrichmr'
    checkpoint: str = ''
    body_model: Path | None = None
    landmark_network: str = FULL
    depth_source: str = 'none'
    depth_model: str = ''
    depth_max_age: float = 5.0
    camera_height: float = 1.0
    camera_tilt: float = 0.0
    people_on_floor: bool = False
    depth_refiner: str = ''
    depth_memory: float = 10.0
    fill: str = 'none'
    fill_source: str = 'ground'
    max_people: int = 8
    min_score: float = 0.5
    detector_budget_ms: float | None = 10.0
    temporal_filter: bool = True
    device: str = 'auto'
    threads: int = 1
    id_seed: int | None = None

    def __post_init__(self) -> None:
        _one_of('estimator', self.estimator, ESTIMATORS)
        _one_of('landmark_network', self.landmark_network, LANDMARK_NETWORKS)
        _one_of('depth_source', self.depth_source, DEPTH_SOURCES)
        _within('depth_max_age', self.depth_max_age, self.depth_max_age > 0, 'above 0 s')
        _within('camera_height', self.camera_height, self.camera_height > 0, 'above 0 m')
        tilt = self.camera_tilt
        _within('camera_tilt', tilt, abs(tilt) < math.pi / 2, 'within ±π/2 rad')
        _within('depth_memory', self.depth_memory, self.depth_memory >= 0, 'at least 0 s')
        _one_of('fill', self.fill, FILLS)
        _one_of('fill_source', self.fill_source, FILL_SOURCES)
        _within('max_people', self.max_people, self.max_people >= 1, 'at least 1')
        _within('min_score', self.min_score, 0 < self.min_score < 1, 'between 0 and 1')
        budget = self.detector_budget_ms
        if budget is not None:
            _within('detector_budget_ms', budget, budget > 0, 'above 0 ms')
        _within('threads', self.threads, self.threads >= 1, 'at least 1')


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f'{name} is {value!r}: it must be one of {", ".join(choices)}')


def _within(name: str, value: float, holds: bool, rule: str) -> None:
    if not (holds and math.isfinite(value)):
        raise ValueError(f'{name} is {value}: it must be {rule}')
