"""Arms, legs and trunks of the procedural poses: joint angles in, local rotations out.

NumPy, N poses at once. Body axes of the rest pose: x to the body's left, y up, z out of the chest.
``R`` is always the local rotations of the 24 joints, (N, 24, 3, 3), changed in place. Angles are
radians here and degrees only where a comment says so.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from metrichmsr_ros.body.joints import JOINT_INDEX
from metrichmsr_ros.geometry.turns import apply, cross, frame, inverse, unit

SIDES = ('left', 'right')
SIGN = {'left': 1.0, 'right': -1.0}
_SPINE = tuple(JOINT_INDEX[name] for name in ('spine1', 'spine2', 'spine3'))
_MAX_ELBOW = np.radians(148.0)


_Angle = np.ndarray | float


def euler(x: _Angle, y: _Angle, z: _Angle) -> np.ndarray:
    """Return ``Rz · Ry · Rx``, (N, 3, 3), of angles (N,) or one for all."""
    angles = np.stack(np.broadcast_arrays(x, y, z), -1)
    return Rotation.from_euler('xyz', angles).as_matrix()


def joint(side: str, name: str) -> int:
    """Return the index of a limb's joint."""
    return JOINT_INDEX[f'{side}_{name}']


def set_trunk(R: np.ndarray, bend: np.ndarray, lean: np.ndarray, twist: np.ndarray) -> None:
    """Bend the spine forwards, lean it to the left and twist it to the left, (N,) each."""
    for index in _SPINE:
        R[:, index] = euler(bend / 3, twist / 3, -lean / 3)


def set_head(R: np.ndarray, nod: np.ndarray, look: np.ndarray, tilt: np.ndarray) -> None:
    """Nod forwards, look to the left and tilt; neck and head take a half each."""
    for name in ('neck', 'head'):
        R[:, JOINT_INDEX[name]] = euler(nod / 2, look / 2, tilt / 2)


def set_leg(
    R: np.ndarray,
    side: str,
    *,
    flexion: np.ndarray,
    knee: np.ndarray,
    apart: np.ndarray,
    spread: np.ndarray,
    twist: np.ndarray,
    foot: np.ndarray,
) -> None:
    """Set one leg.

    Args:
        R: Local rotations.
        side: 'left' or 'right'.
        flexion: Thigh forwards, (N,).
        knee: Bend, (N,).
        apart: Leg sideways away from the middle, before it is spread, (N,).
        spread: Turn of the thigh outwards about the vertical, after flexion, (N,).
        twist: Toes outwards about the leg's own axis, (N,).
        foot: Toes down, (N,).
    """
    sign = SIGN[side]
    outwards = euler(0.0, sign * twist, 0.0)
    R[:, joint(side, 'hip')] = euler(-flexion, sign * spread, sign * apart) @ outwards
    R[:, joint(side, 'knee')] = euler(knee, 0.0, 0.0)
    R[:, joint(side, 'ankle')] = euler(foot, 0.0, 0.0)


def set_arm(
    R: np.ndarray, side: str, rest: np.ndarray, *, wrist: np.ndarray, elbow: np.ndarray
) -> None:
    """Bring the wrist to a place, with the elbow on a side; too far a place gives a straight arm.

    The collar bone follows an arm that is raised. Trunk and root must be set before.

    Args:
        R: Local rotations.
        side: 'left' or 'right'.
        rest: Joints at rest, (24, 3), metres.
        wrist: Where to, (N, 3), metres, in the chest's axes with rest coordinates.
        elbow: Direction that the elbow points to from the line shoulder-wrist, (N, 3), same axes.
    """
    sign = SIGN[side]
    collar, shoulder, elbow_, hand = (
        joint(side, name) for name in ('collar', 'shoulder', 'elbow', 'wrist')
    )
    raised = unit(wrist - rest[shoulder])[:, 1]
    R[:, collar] = euler(0.0, 0.0, sign * (0.13 + 0.25 * raised))
    place = rest[collar] + apply(R[:, collar], rest[shoulder] - rest[collar])
    upper, lower = rest[elbow_] - rest[shoulder], rest[hand] - rest[elbow_]
    a, b = np.linalg.norm(upper), np.linalg.norm(lower)
    shortest = np.sqrt(a * a + b * b + 2 * a * b * np.cos(_MAX_ELBOW))
    along = wrist - place
    reach = np.linalg.norm(along, axis=-1).clip(shortest, 0.998 * (a + b))
    along = unit(along)
    outwards = unit(elbow - (elbow * along).sum(-1, keepdims=True) * along)
    cosine = (a * a + reach * reach - b * b) / (2 * a * reach)
    angle = np.arccos(cosine.clip(-1, 1))[:, None]
    first = np.cos(angle) * along + np.sin(angle) * outwards
    second = unit(reach[:, None] * along - a * first)
    # The hinge of a bent elbow; rest pose: forearm to the front, upper arm to the side.
    hinge = cross(first, second)
    rest_hinge = np.array([0.0, -sign, 0.0])
    R_upper = frame(first, hinge) @ inverse(frame(upper, rest_hinge))
    R_lower = frame(second, hinge) @ inverse(frame(lower, rest_hinge))
    R[:, shoulder] = inverse(R[:, collar]) @ R_upper
    R[:, elbow_] = inverse(R_upper) @ R_lower


def turn_hand(
    R: np.ndarray, side: str, *, pronation: np.ndarray, bend: np.ndarray, sway: np.ndarray
) -> None:
    """Turn a hand about its forearm and bend the wrist; elbow and wrist share the turn."""
    half = euler(SIGN[side] * pronation / 2, 0.0, 0.0)
    elbow, wrist = joint(side, 'elbow'), joint(side, 'wrist')
    R[:, elbow] = R[:, elbow] @ half
    R[:, wrist] = half @ euler(0.0, SIGN[side] * sway, SIGN[side] * bend)


def to_chest(
    points: np.ndarray, joints: np.ndarray, R_body: np.ndarray, rest: np.ndarray
) -> np.ndarray:
    """Bring posed ``points`` (N, 3) into the chest's axes with rest coordinates."""
    chest = _SPINE[-1]
    return rest[chest] + apply(inverse(R_body[:, chest]), points - joints[:, chest])
