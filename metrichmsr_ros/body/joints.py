"""Sizes of SMPL parameters; names and tree of its joints, the order of every joint array."""

from __future__ import annotations

import numpy as np

JOINT_NAMES: tuple[str, ...] = (
    'pelvis', 'left_hip', 'right_hip', 'spine1', 'left_knee', 'right_knee', 'spine2', 'left_ankle',
    'right_ankle', 'spine3', 'left_foot', 'right_foot', 'neck', 'left_collar', 'right_collar',
    'head', 'left_shoulder', 'right_shoulder', 'left_elbow', 'right_elbow', 'left_wrist',
    'right_wrist', 'left_hand', 'right_hand',
)  # fmt: skip

PARENTS: tuple[int, ...] = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21,
)  # fmt: skip

NUM_JOINTS = len(JOINT_NAMES)
NUM_SHAPE = 10  # components of β

JOINT_INDEX: dict[str, int] = {name: index for index, name in enumerate(JOINT_NAMES)}


def pose_joints(R_local: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Chain rotations along the tree: ``skinning.forward_kinematics`` for NumPy, of one body.

    Args:
        R_local: Of each joint in its parent's axes, (N, 24, 3, 3).
        rest: Joints at rest, (24, 3), metres.

    Returns:
        Joints, the pelvis where it rests, (N, 24, 3), metres, and the joints' rotations in the
        axes that joint 0 turns into, (N, 24, 3, 3).
    """
    R_body = R_local.copy()
    joints = np.empty((len(R_local), *rest.shape))
    joints[:, 0] = rest[0]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        R_body[:, joint] = R_body[:, parent] @ R_local[:, joint]
        joints[:, joint] = joints[:, parent] + R_body[:, parent] @ (rest[joint] - rest[parent])
    return joints, R_body
