"""Joint rotations of the body from the directions between landmarks, in closed form.

The rest pose's landmarks are turned, bone by bone from the pelvis outwards, onto the observed
ones. Only directions are used, so the scale of the landmarks does not matter. A hinge (elbow,
knee) that is bent gives its parent's twist; a straight one leaves the smallest turn. Landmarks
that are not to be trusted leave their bone relaxed: arms hanging, legs, feet, hands and head in
line with their parent.

Letters: N people, S = 2 sides (left, right); ``R_…`` turn rest axes into camera axes.
"""

from __future__ import annotations

import numpy as np

from metrichmsr_ros.body.joints import JOINT_INDEX, JOINT_NAMES, PARENTS
from metrichmsr_ros.geometry.turns import (
    apply,
    cross,
    frame,
    inverse,
    limited,
    matrix,
    rotvec,
    smallest_turn,
    swing_twist,
    unit,
)

SIDES = ('left', 'right')
_SHOULDER, _ELBOW, _WRIST = np.array([11, 12]), np.array([13, 14]), np.array([15, 16])
_PINKY, _INDEX = np.array([17, 18]), np.array([19, 20])
_HIP, _KNEE, _ANKLE = np.array([23, 24]), np.array([25, 26]), np.array([27, 28])
_HEEL, _FOOT_INDEX = np.array([29, 30]), np.array([31, 32])
_FACE = np.array([0, 2, 5, 7, 8])  # nose, eyes, ears

# Rest axis about which a bent elbow (forearm to the front) or knee (shank to the back) turns.
_ELBOW_AXIS = np.array([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]])
_KNEE_AXIS = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
# Upper arms that hang, a little away from the trunk, in the chest's axes.
_HANGING = np.array([[0.25, -0.97, 0.0], [-0.25, -0.97, 0.0]])
# Up to the first angle a hinge's plane is noise, from the second on it is sure.
_HINGE_UNSURE, _HINGE_SURE = np.radians(10.0), np.radians(30.0)
_MAX_WRIST_SWING, _MAX_WRIST_TWIST = np.radians(70.0), np.radians(100.0)
_MAX_ANKLE_SWING, _MAX_NECK = np.radians(60.0), np.radians(100.0)


class LandmarkRotations:
    """Fits the rotations of one body, known by the landmarks of its rest pose."""

    def __init__(self, rest: np.ndarray) -> None:
        """Remember the rest pose.

        Args:
            rest: BlazePose landmarks of the body in its T-pose, (33, 3), metres, body axes.
        """
        rest = np.asarray(rest, np.float64)
        self._rest = rest
        self._pelvis_frame = _torso_frame(rest[None], _HIP)
        self._chest_frame = _torso_frame(rest[None], _SHOULDER)
        self._upper_arm = unit(rest[_ELBOW] - rest[_SHOULDER])
        self._forearm = unit(rest[_WRIST] - rest[_ELBOW])
        self._thigh = unit(rest[_KNEE] - rest[_HIP])
        self._shank = unit(rest[_ANKLE] - rest[_KNEE])
        self._foot = unit(rest[_FOOT_INDEX] - rest[_HEEL])
        self._hand_frame = _hand_frame(rest[None])[0]

    def fit(self, points: np.ndarray, trusted: np.ndarray) -> np.ndarray:
        """Fit the pose.

        Args:
            points: BlazePose landmarks, (N, 33, 3), metres at any scale, camera axes.
            trusted: Which of them may be used, (N, 33) bool.

        Returns:
            Axis-angle θ, (N, 24, 3) float64, radians.
        """
        points = np.asarray(points, np.float64)
        R_pelvis, R_chest = self._torso(points, trusted)
        R = {'pelvis': R_pelvis, 'spine3': R_chest}
        bend = rotvec(inverse(R_pelvis) @ R_chest)
        R['spine1'] = R_pelvis @ matrix(bend / 3)
        R['spine2'] = R_pelvis @ matrix(bend * 2 / 3)
        R['head'] = self._head(points, trusted, R_chest)
        R['neck'] = R_chest @ matrix(rotvec(inverse(R_chest) @ R['head']) / 2)
        for names, sides in (
            (('shoulder', 'elbow', 'wrist'), self._arms(points, trusted, R_chest)),
            (('hip', 'knee', 'ankle'), self._legs(points, trusted, R_pelvis)),
        ):
            for name, R_sides in zip(names, sides, strict=True):
                for s, side in enumerate(SIDES):
                    R[f'{side}_{name}'] = R_sides[:, s]
        return _local_rotvecs(R)

    def _torso(self, points: np.ndarray, trusted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return pelvis and chest, (N, 3, 3) each; an unseen line of hips takes the shoulders'."""
        R_pelvis = _torso_frame(points, _HIP) @ inverse(self._pelvis_frame)
        R_chest = _torso_frame(points, _SHOULDER) @ inverse(self._chest_frame)
        hips, shoulders = (_all_of(trusted, pair) for pair in (_HIP, _SHOULDER))
        return (
            np.where((~hips & shoulders)[..., None], R_chest, R_pelvis),
            np.where((~shoulders & hips)[..., None], R_pelvis, R_chest),
        )

    def _head(self, points: np.ndarray, trusted: np.ndarray, R_chest: np.ndarray) -> np.ndarray:
        """Return the best turn of the rest face onto the observed one, (N, 3, 3)."""
        rest, seen = self._rest[_FACE], points[:, _FACE]
        rest, seen = rest - rest.mean(axis=0), seen - seen.mean(axis=1, keepdims=True)
        left, _, right = np.linalg.svd(np.einsum('nki,kj->nij', seen, rest))
        proper = np.ones((*left.shape[:1], 3))
        proper[:, 2] = np.sign(np.linalg.det(left @ right))
        local = rotvec(inverse(R_chest) @ (left * proper[:, None]) @ right)
        known = _all_of(trusted, _FACE)
        return R_chest @ matrix(np.where(known, limited(local, _MAX_NECK), 0.0))

    def _arms(
        self, points: np.ndarray, trusted: np.ndarray, R_chest: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return shoulders, elbows and wrists, (N, S, 3, 3) each."""
        R_chest = R_chest[:, None]
        upper, upper_known = _bone(points, trusted, _SHOULDER, _ELBOW)
        lower, lower_known = _bone(points, trusted, _ELBOW, _WRIST)
        upper = np.where(upper_known[..., None], upper, apply(R_chest, unit(_HANGING)))
        R_swing = smallest_turn(apply(R_chest, self._upper_arm), upper) @ R_chest
        bend = cross(upper, lower)
        sure = _hinge_weight(upper, lower) * (upper_known & lower_known)
        axis = _blend(apply(R_swing, _ELBOW_AXIS), bend, sure)
        R_shoulder = frame(upper, axis) @ inverse(frame(self._upper_arm, _ELBOW_AXIS))
        straight = apply(R_shoulder, self._forearm)
        lower = np.where(lower_known[..., None], lower, straight)
        R_elbow = smallest_turn(straight, lower) @ R_shoulder
        hand_known = lower_known & trusted[:, _PINKY] & trusted[:, _INDEX]
        local = inverse(R_elbow) @ _hand_frame(points) @ inverse(self._hand_frame)
        swing, twist = swing_twist(local, self._forearm)
        swing = np.where(hand_known[..., None], limited(swing, _MAX_WRIST_SWING), 0.0)
        twist = np.where(hand_known, twist.clip(-_MAX_WRIST_TWIST, _MAX_WRIST_TWIST), 0.0)
        # The radius turns about the ulna: half of the twist is along the forearm.
        half = matrix(0.5 * twist[..., None] * self._forearm)
        R_wrist = R_elbow @ matrix(swing) @ half @ half
        return R_shoulder, R_elbow @ half, R_wrist

    def _legs(
        self, points: np.ndarray, trusted: np.ndarray, R_pelvis: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return hips, knees and ankles, (N, S, 3, 3) each."""
        R_pelvis = R_pelvis[:, None]
        thigh, thigh_known = _bone(points, trusted, _HIP, _KNEE)
        shank, shank_known = _bone(points, trusted, _KNEE, _ANKLE)
        foot, foot_known = _bone(points, trusted, _HEEL, _FOOT_INDEX)
        foot_known = foot_known & shank_known
        thigh = np.where(thigh_known[..., None], thigh, apply(R_pelvis, self._thigh))
        R_swing = smallest_turn(apply(R_pelvis, self._thigh), thigh) @ R_pelvis
        # A straight leg shows its twist by the foot.
        R_foot = frame(shank, foot) @ inverse(frame(self._shank, self._foot))
        sure = _hinge_weight(foot, shank) * foot_known
        axis = _blend(apply(R_swing, _KNEE_AXIS), apply(R_foot, _KNEE_AXIS), sure)
        sure = _hinge_weight(thigh, shank) * (thigh_known & shank_known)
        axis = _blend(axis, cross(thigh, shank), sure)
        R_hip = frame(thigh, axis) @ inverse(frame(self._thigh, _KNEE_AXIS))
        straight = apply(R_hip, self._shank)
        R_knee = smallest_turn(straight, np.where(shank_known[..., None], shank, straight)) @ R_hip
        level = apply(R_knee, self._foot)
        R_ankle = smallest_turn(level, np.where(foot_known[..., None], foot, level)) @ R_knee
        local = limited(rotvec(inverse(R_knee) @ R_ankle), _MAX_ANKLE_SWING)
        return R_hip, R_knee, R_knee @ matrix(local)


def _all_of(trusted: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return whether all of some landmarks are trusted, (N, 1)."""
    return np.logical_and.reduce(trusted[:, landmarks], axis=1, keepdims=True)


def _torso_frame(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Return frames with x along a line right → left and y up the trunk, (N, 3, 3)."""
    left, right = points[:, line[0]], points[:, line[1]]
    up = points[:, _SHOULDER].mean(axis=1) - points[:, _HIP].mean(axis=1)
    return frame(left - right, up)


def _hand_frame(points: np.ndarray) -> np.ndarray:
    """Return frames with x along the hand and y from little to index finger, (N, S, 3, 3)."""
    knuckles = 0.5 * (points[:, _INDEX] + points[:, _PINKY])
    return frame(knuckles - points[:, _WRIST], points[:, _INDEX] - points[:, _PINKY])


def _bone(
    points: np.ndarray, trusted: np.ndarray, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return directions, (N, S, 3), and whether both ends are trusted, (N, S)."""
    return unit(points[:, end] - points[:, start]), trusted[:, start] & trusted[:, end]


def _hinge_weight(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return how sure the plane of two bones is, 0..1, from the angle between them."""
    angle = np.arccos((a * b).sum(axis=-1).clip(-1.0, 1.0))
    return ((angle - _HINGE_UNSURE) / (_HINGE_SURE - _HINGE_UNSURE)).clip(0.0, 1.0)


def _blend(default: np.ndarray, seen: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return an axis between ``default`` (weight 0) and the direction of ``seen`` (weight 1)."""
    return (1.0 - weight[..., None]) * unit(default) + weight[..., None] * unit(seen)


def _local_rotvecs(R: dict[str, np.ndarray]) -> np.ndarray:
    """Return θ, (N, 24, 3), from global rotations; joints without one turn with their parent."""
    count = len(R['pelvis'])
    turned = np.empty((count, len(JOINT_NAMES), 3, 3))
    local = np.empty_like(turned)
    for name, j in JOINT_INDEX.items():
        if PARENTS[j] < 0:
            turned[:, j] = local[:, j] = R[name]
            continue
        parent = turned[:, PARENTS[j]]
        turned[:, j] = R.get(name, parent)
        local[:, j] = inverse(parent) @ turned[:, j]
    return rotvec(local)
