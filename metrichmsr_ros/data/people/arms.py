"""What arms do: places for the wrists, drawn per task, in the posed body.

Axes and coordinates of the rest pose in the chest's axes unless a task names another part; metres
on the mean adult. x is outwards (away from the middle) here, on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrichmsr_ros.body.joints import JOINT_INDEX, pose_joints
from metrichmsr_ros.data.people import limbs
from metrichmsr_ros.geometry.turns import apply, unit

Rng = np.random.Generator
_DOWN_OUT = (0.45, -1.0, -0.35)
_OUT_BACK = (1.0, -0.1, -0.6)
_BACK = (0.25, -0.2, -1.0)
_OUT_LOW = (0.9, -0.7, 0.2)
_HIGH = (1.0, -0.2, 0.3)


@dataclass(frozen=True)
class ArmTask:
    """Where a wrist goes.

    Attributes:
        part: Joint whose axes ``low`` and ``high`` are in, with rest coordinates about it.
        low: Corner of the box the wrist is drawn from, metres, x outwards.
        high: The opposite corner.
        elbow: Where the elbow points to, chest's axes, x outwards.
        both: Whether both arms do it together.
    """

    part: str
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    elbow: tuple[float, float, float] = _DOWN_OUT
    both: bool = False


# Offsets are from the part's joint at rest; 'knee' and 'shoulder' are those of the arm's side.
TASKS: dict[str, ArmTask] = {
    'hang': ArmTask('shoulder', (0.02, -0.478, -0.06), (0.16, -0.44, 0.12), _BACK),
    'hang_bent': ArmTask('shoulder', (0.0, -0.42, 0.05), (0.16, -0.34, 0.22), _BACK),
    'swing_front': ArmTask('shoulder', (-0.04, -0.40, 0.15), (0.1, -0.20, 0.38), _BACK),
    'swing_back': ArmTask('shoulder', (0.02, -0.44, -0.30), (0.16, -0.36, -0.12), _OUT_BACK),
    'reach': ArmTask('shoulder', (-0.18, -0.3, 0.25), (0.35, 0.25, 0.48)),
    'aside': ArmTask('shoulder', (0.25, -0.3, -0.12), (0.5, 0.25, 0.25), _OUT_BACK),
    'high': ArmTask('shoulder', (-0.08, 0.2, -0.05), (0.3, 0.5, 0.25), _HIGH),
    'low': ArmTask('shoulder', (-0.12, -0.46, 0.1), (0.15, -0.3, 0.36), _OUT_BACK),
    'hip': ArmTask('pelvis', (0.17, -0.02, -0.06), (0.21, 0.06, 0.06), _OUT_BACK),
    'pocket': ArmTask('pelvis', (0.17, -0.14, 0.0), (0.21, -0.04, 0.1), _OUT_BACK),
    'thigh': ArmTask('knee', (-0.08, 0.06, -0.22), (0.05, 0.12, 0.03)),
    'lap': ArmTask('pelvis', (-0.02, 0.02, 0.18), (0.1, 0.1, 0.3), both=True),
    'ear': ArmTask('head', (0.09, -0.07, 0.0), (0.13, 0.02, 0.07), (0.8, -1.0, 0.3)),
    'face': ArmTask('head', (0.0, -0.13, 0.12), (0.1, 0.02, 0.18), (0.6, -1.0, 0.1)),
    'nape': ArmTask('head', (0.06, -0.03, -0.1), (0.12, 0.06, -0.05), (1.0, 0.35, 0.2), True),
    'phone': ArmTask('spine3', (-0.02, -0.08, 0.24), (0.12, 0.14, 0.38)),
    'chest': ArmTask('spine3', (-0.06, -0.05, 0.15), (0.08, 0.12, 0.22)),
    'crossed': ArmTask('spine3', (-0.10, -0.06, 0.16), (-0.03, 0.04, 0.21), _OUT_LOW, True),
    'carry': ArmTask('spine3', (0.06, -0.25, 0.2), (0.2, 0.05, 0.38), both=True),
    'clasp': ArmTask('pelvis', (0.0, -0.08, 0.16), (0.05, 0.12, 0.22), _OUT_BACK, True),
    'behind': ArmTask('pelvis', (0.0, -0.08, -0.24), (0.08, 0.12, -0.15), _OUT_BACK, True),
    'table': ArmTask('spine3', (-0.05, -0.24, 0.25), (0.25, -0.08, 0.42), _OUT_BACK),
    'keyboard': ArmTask('spine3', (0.04, -0.22, 0.26), (0.16, -0.1, 0.36), both=True),
    'prop': ArmTask('pelvis', (0.2, -0.12, -0.3), (0.34, 0.0, -0.1), _BACK, True),
    'raise': ArmTask('shoulder', (0.0, 0.3, -0.05), (0.25, 0.5, 0.15), _HIGH, True),
    'spread': ArmTask('shoulder', (0.38, -0.1, -0.1), (0.5, 0.15, 0.1), _OUT_BACK, True),
}  # fmt: skip

# How often, per kind of posture.
SHARES: dict[str, dict[str, float]] = {
    'free': {
        'hang': 20, 'hang_bent': 9, 'swing_front': 9, 'swing_back': 6, 'reach': 10, 'aside': 6,
        'high': 5, 'hip': 6, 'pocket': 4, 'ear': 4, 'face': 5, 'nape': 1.5, 'phone': 7,
        'chest': 4, 'crossed': 4, 'carry': 6, 'clasp': 5, 'behind': 3, 'raise': 2, 'spread': 2,
    },
    'seated': {
        'thigh': 26, 'lap': 12, 'table': 10, 'keyboard': 8, 'reach': 6, 'face': 8, 'phone': 9,
        'ear': 4, 'crossed': 5, 'hang': 5, 'prop': 4, 'chest': 4, 'high': 2, 'aside': 3,
        'nape': 2,
    },
    'low': {
        'low': 30, 'reach': 18, 'thigh': 18, 'hang': 10, 'hang_bent': 6, 'carry': 8, 'aside': 4,
        'chest': 4, 'phone': 3, 'face': 3,
    },
    'wide': {
        'aside': 16, 'reach': 14, 'spread': 10, 'raise': 8, 'high': 10, 'swing_front': 10,
        'swing_back': 10, 'hang': 8, 'hip': 5, 'hang_bent': 6, 'chest': 3,
    },
}  # fmt: skip


def set_arms(R: np.ndarray, rest: np.ndarray, kind: str, rng: Rng) -> None:
    """Give each arm a task of ``kind`` and set it, in place.

    Args:
        R: Local rotations, (N, 24, 3, 3); all but the arms must be set.
        rest: Joints at rest, (24, 3), metres.
        kind: Key of ``SHARES``.
        rng: Draws tasks and places.
    """
    n = len(R)
    names = list(SHARES[kind])
    shares = np.array([SHARES[kind][name] for name in names])
    both = np.array([TASKS[name].both for name in names])
    left = rng.choice(len(names), n, p=shares / shares.sum())
    # Tasks of both arms are drawn by the left one; the right one then draws among the others.
    single = np.where(both, 0.0, shares)
    right = rng.choice(len(names), n, p=single / single.sum())
    together = both[left] | (rng.uniform(0, 1, n) < 0.35)
    right = np.where(together, left, right)
    joints, R_body = pose_joints(R, rest)
    for side, chosen in zip(limbs.SIDES, (left, right), strict=True):
        wrist, elbow = np.empty((n, 3)), np.empty((n, 3))
        for index, name in enumerate(names):
            mine = np.flatnonzero(chosen == index)
            if len(mine):
                task = TASKS[name]
                places = _places(task, side, rest, joints[mine], R_body[mine], rng)
                wrist[mine] = places
                elbow[mine] = _mirrored(np.array(task.elbow), side)
        elbow = unit(unit(elbow) + rng.normal(0, 0.22, (n, 3)))
        limbs.set_arm(R, side, rest, wrist=wrist, elbow=elbow)
        limbs.turn_hand(
            R, side, pronation=np.radians(rng.normal(8, 32, n)).clip(-1.2, 1.2),
            bend=np.radians(rng.normal(0, 14, n)), sway=np.radians(rng.normal(0, 9, n)),
        )  # fmt: skip


def _places(
    task: ArmTask, side: str, rest: np.ndarray, joints: np.ndarray, R_body: np.ndarray, rng: Rng
) -> np.ndarray:
    """Draw wrists in the chest's axes, (N, 3)."""
    offset = _mirrored(rng.uniform(task.low, task.high, (len(joints), 3)), side)
    if task.part == 'shoulder':
        return rest[limbs.joint(side, 'shoulder')] + offset
    if task.part == 'knee':
        # On the thigh, up from the knee: axes of the thigh, whose front is the seat's top.
        index, frame_ = limbs.joint(side, 'knee'), limbs.joint(side, 'hip')
        along = np.stack([offset[:, 0], -offset[:, 2], offset[:, 1]], -1)
        points = joints[:, index] + apply(R_body[:, frame_], along)
    else:
        index = JOINT_INDEX[task.part]
        points = joints[:, index] + apply(R_body[:, index], offset)
    return limbs.to_chest(points, joints, R_body, rest)


def _mirrored(vectors: np.ndarray, side: str) -> np.ndarray:
    return vectors * [limbs.SIGN[side], 1.0, 1.0]
