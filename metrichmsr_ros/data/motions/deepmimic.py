"""DeepMimic's motions: JSON with one row of 44 numbers a frame."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from metrichmsr_ros.body.joints import JOINT_INDEX
from metrichmsr_ros.data.motions.clip import MotionClip, MotionError, NUM_JOINTS, read_text
from metrichmsr_ros.geometry.turns import inverse, rotvec

_COLUMNS = 44
# Its axes (x forwards, y up, right at +z) in ours.
_AXES = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
# First columns: w, x, y, z of balls; one angle about z of hinges.
_BALLS = {
    'pelvis': 4, 'chest': 8, 'neck': 12, 'right_hip': 16, 'right_ankle': 21, 'right_shoulder': 25,
    'left_hip': 30, 'left_ankle': 35, 'left_shoulder': 39,
}  # fmt: skip
_HINGES = {'right_knee': 20, 'right_elbow': 29, 'left_knee': 34, 'left_elbow': 43}


def read_deepmimic(path: Path) -> MotionClip:
    """Read one file.

    Raises:
        MotionError: It is not of this format.
    """
    try:
        frames = np.array(json.loads(read_text(path))['Frames'], np.float64)
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise MotionError(f'{path.name}: no DeepMimic motion: {error}') from error
    if frames.ndim != 2 or frames.shape[1] != _COLUMNS or not len(frames):
        raise MotionError(f'{path.name}: frames {frames.shape}, must be (T, {_COLUMNS})')
    turns = {name: _ball(frames[:, at : at + 4], path) for name, at in _BALLS.items()}
    z = np.array([0.0, 0.0, 1.0])
    for name, at in _HINGES.items():
        turns[name] = Rotation.from_rotvec(frames[:, at, None] * z).as_matrix()
    turns = {name: _AXES @ R @ _AXES.T for name, R in turns.items()}
    R_local = np.broadcast_to(np.eye(3), (len(frames), NUM_JOINTS, 3, 3)).copy()
    for side, sign in (('left', -1.0), ('right', 1.0)):
        # Its arms hang at rest, SMPL's are spread.
        hanging = Rotation.from_euler('z', sign * 90, degrees=True).as_matrix()
        turns[f'{side}_shoulder'] = turns[f'{side}_shoulder'] @ hanging
        turns[f'{side}_elbow'] = inverse(hanging) @ turns[f'{side}_elbow'] @ hanging
    third = Rotation.from_rotvec(rotvec(turns.pop('chest')) / 3).as_matrix()
    for name in ('spine1', 'spine2', 'spine3'):
        R_local[:, JOINT_INDEX[name]] = third
    for name, R in turns.items():
        R_local[:, JOINT_INDEX[name]] = R
    duration = float(np.median(frames[:, 0]))
    if not duration > 0:
        raise MotionError(f'{path.name}: frames of {duration} s, must be positive')
    pose, root = rotvec(R_local), frames[:, 1:4] @ _AXES.T
    return MotionClip(path.name, pose.astype(np.float32), root.astype(np.float32), 1 / duration)


def _ball(wxyz: np.ndarray, path: Path) -> np.ndarray:
    if not (np.linalg.norm(wxyz, axis=1) > 1e-6).all():
        raise MotionError(f'{path.name}: a quaternion is zero')
    return Rotation.from_quat(np.roll(wxyz, -1, axis=1)).as_matrix()
