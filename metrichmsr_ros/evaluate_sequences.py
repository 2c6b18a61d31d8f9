"""Score a method on videos of people with truth, EMDB and 3DPW, by the conventions of WHAM.

Each image is read by itself, in its true box and with its true intrinsics; nothing is smoothed.
World trajectories chain the estimates with the true extrinsics. The joints are SMPL's 24, the root
is the mean of the hips, also for 3DPW, whose published figures take 14 joints of a regressor that
is not ours to ship.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
import logging
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation
import torch

from metrichmsr_ros import sequence_metrics as metrics
from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.datasets.arrays import DatasetError
from metrichmsr_ros.data.datasets.emdb import read_emdb
from metrichmsr_ros.data.datasets.labels import PersonSequence
from metrichmsr_ros.data.datasets.threedpw import read_3dpw
from metrichmsr_ros.models.estimator import Estimator
from metrichmsr_ros.perception.blazepose.landmarker import BlazePoseLandmarker

logger = logging.getLogger(__name__)

DATASETS = ('3dpw:', 'emdb1:', 'emdb2:')
GENDERS = ('male', 'female', 'neutral')
_FEET = list(metrics.FOOT_VERTICES)
_MIN_FRAMES = 4  # of which a trajectory has a jitter


@dataclass(frozen=True)
class Track:
    """A body through T frames, in camera or world axes.

    Attributes:
        joints: SMPL joints, (T, 24, 3), metres.
        feet: The vertices of foot sliding, (T, 4, 3), metres.
        root: Rotation of joint 0, (T, 3, 3).
    """

    joints: np.ndarray
    feet: np.ndarray
    root: np.ndarray

    def in_world(self, T_cam_world: np.ndarray) -> Track:
        """Return the same body in the world, given each frame's world to camera, (T, 4, 4)."""
        R, t = T_cam_world[:, :3, :3], T_cam_world[:, None, :3, 3]
        return Track(
            (self.joints - t) @ R, (self.feet - t) @ R, np.swapaxes(R, -1, -2) @ self.root
        )


def read_sequences(source: str) -> Iterator[PersonSequence]:
    """Read ``3dpw:FOLDER`` (its test split), ``emdb1:FOLDER`` or ``emdb2:FOLDER``.

    Raises:
        ValueError: Another data set.
        DatasetError: The folder is not of the layout.
    """
    name, colon, folder = source.partition(':')
    if name + colon not in DATASETS:
        raise ValueError(f'a data set begins with {", ".join(DATASETS)}, got {source!r}')
    if name == '3dpw':
        return read_3dpw(folder, split='test')
    return read_emdb(folder, subset=int(name[-1]))


def load_bodies(folder: Path) -> dict[str, BodyModel]:
    """Load what a folder has of ``SMPL_MALE``, ``SMPL_FEMALE`` and ``SMPL_NEUTRAL``.

    Raises:
        ValueError: None is there, or one is no model file.
    """
    bodies = {}
    for gender in GENDERS:
        for path in sorted(folder.glob(f'SMPL_{gender.upper()}.*'))[:1]:
            bodies[gender] = BodyModel.load(path)
    if not bodies:
        raise ValueError(f'{folder}: holds no SMPL_MALE, SMPL_FEMALE or SMPL_NEUTRAL')
    return bodies


def evaluate_sequences(
    sequences: Iterable[PersonSequence],
    *,
    estimator: Estimator,
    landmarker: BlazePoseLandmarker,
    bodies: Mapping[str, BodyModel],
) -> dict[str, float]:
    """Return a method's figures: means over the frames of all sequences, NaN without any.

    Args:
        sequences: Videos with truth; their valid frames count.
        estimator: The method; unless its body has SMPL's topology, ``pve_mm`` and
            ``foot_sliding_mm`` mean little.
        landmarker: Reads the people in their boxes.
        bodies: The truth's, by gender.

    Returns:
        Camera frame: ``mpjpe_mm``, ``pa_mpjpe_mm``, ``pve_mm``, ``accel_m_s2``, ``g_mpjpe_mm``,
        ``root_error_percent``, ``height_mm``. World: ``wa_mpjpe_mm``, ``w_mpjpe_mm``,
        ``rte_percent``, ``erve_mm``, ``jitter``, ``foot_sliding_mm``.

    Raises:
        DatasetError: An image is missing, or a sequence is of a gender without a body.
    """
    rows: dict[str, list[np.ndarray]] = {}
    for sequence in sequences:
        if sequence.gender not in bodies:
            raise DatasetError(f'{sequence.name}: no body for gender {sequence.gender!r}')
        figures = _evaluate(sequence, estimator, landmarker, bodies[sequence.gender])
        for name, values in figures.items():
            rows.setdefault(name, []).append(values)
        if figures:
            logger.info('%s: MPJPE %.1f mm', sequence.name, figures['mpjpe_mm'].mean())
    return {name: metrics.mean_over_frames(values) for name, values in rows.items()}


def _evaluate(
    sequence: PersonSequence,
    estimator: Estimator,
    landmarker: BlazePoseLandmarker,
    body: BodyModel,
) -> dict[str, np.ndarray]:
    """Return the figures of each frame of a sequence; nothing of one without valid frames."""
    shape = torch.tensor(sequence.shape[None], dtype=torch.float32)
    labels = sequence.in_camera(body.rest_joints(shape)[0, 0].double().numpy())
    if not len(labels):
        return {}
    height, frames = float(body.heights(shape)[0]), []
    for index in range(len(labels)):
        frame = labels.frame(index)
        landmarks = landmarker.read_boxes(frame.image, labels.boxes[index : index + 1])
        people = estimator.estimate(frame, landmarks)
        vertices, joints = body.pose_numpy(
            labels.pose[index][None], labels.shape[index][None], labels.translation[index][None]
        )
        own = Track(people.joints, people.vertices[:, _FEET], _root(people.pose))
        true = Track(joints, vertices[:, _FEET], _root(labels.pose[index][None]))
        pve = metrics.pve_frames(
            people.vertices, vertices, predicted_joints=people.joints, true_joints=joints
        )
        frames.append((own, true, pve, people.heights - height))
    owns, trues, pve, heights = zip(*frames, strict=True)
    tracks = _stacked(owns), _stacked(trues)
    figures = _in_camera(*tracks, rate=sequence.rate)
    figures |= {'pve_mm': np.concatenate(pve), 'height_mm': 1000 * np.abs(np.concatenate(heights))}
    if len(labels) >= _MIN_FRAMES:
        T_cam_world = sequence.T_cam_world[sequence.valid]
        world = (track.in_world(T_cam_world) for track in tracks)
        figures |= _in_world(*world, rate=sequence.rate)
    return figures


def _in_camera(own: Track, true: Track, *, rate: float) -> dict[str, np.ndarray]:
    error = np.linalg.norm(own.joints - true.joints, axis=-1)
    distance = np.linalg.norm(true.joints[:, 0], axis=-1)
    about = [side.joints - side.joints[:, [1, 2]].mean(1, keepdims=True) for side in (own, true)]
    return {
        'mpjpe_mm': metrics.mpjpe_frames(own.joints, true.joints),
        'pa_mpjpe_mm': metrics.pa_mpjpe_frames(own.joints, true.joints),
        'accel_m_s2': metrics.acceleration_error(*about, rate=rate),
        'g_mpjpe_mm': 1000 * error.mean(-1),
        'root_error_percent': 100 * error[:, 0] / distance,
    }


def _in_world(own: Track, true: Track, *, rate: float) -> dict[str, np.ndarray]:
    roots = own.joints[:, 0], true.joints[:, 0]
    figures = {
        'wa_mpjpe_mm': metrics.wa_mpjpe(own.joints, true.joints),
        'w_mpjpe_mm': metrics.w_mpjpe(own.joints, true.joints),
        'erve_mm': metrics.erve(*roots, predicted_rotation=own.root, true_rotation=true.root),
        'jitter': metrics.jitter(own.joints, rate=rate),
        'foot_sliding_mm': metrics.foot_sliding(own.feet, true.feet),
    }
    if np.ptp(roots[1], axis=0).any():  # the error is per path, and who stands still has none
        figures['rte_percent'] = metrics.rte(*roots)
    return figures


def _stacked(tracks: Iterable[Track]) -> Track:
    columns = zip(*((track.joints, track.feet, track.root) for track in tracks), strict=True)
    return Track(*(np.concatenate(column).astype(np.float64) for column in columns))


def _root(pose: np.ndarray) -> np.ndarray:
    return Rotation.from_rotvec(pose[:, 0]).as_matrix()
