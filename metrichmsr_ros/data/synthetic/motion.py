"""Procedural motion that loops without a seam: walking round a closed path, standing, gesturing.

Feet are planted first, then the legs are solved down to them: they neither slide nor sink.
World frame as in ``skeleton``: y up, floor at 0, z towards the camera. T frames, radians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from metrichmsr_ros.body.joints import pose_joints
from metrichmsr_ros.data.synthetic.skeleton import solve_leg, turn, X, Y, Z
from metrichmsr_ros.geometry.turns import apply

_LEGS = ((1, 4, 7, 10), (2, 5, 8, 11))  # hip, knee, ankle, ball of the foot; left, right
_SIDES = (1.0, -1.0)
_STANCE = 0.62  # share of the cycle that a foot is on the floor
_MID_STANCE = 0.30
# Foot pitch over the cycle from heel strike to heel strike; positive = heel up.
_PITCH_KEYS = (0.0, 0.09, 0.36, 0.62, 0.74, 0.90, 1.0)
_PITCHES = (-0.26, 0.0, 0.0, 0.75, 0.55, -0.20, -0.26)
_CLEARANCE = 0.045
_REACH = 0.985  # of the leg's length: knees never lock


@dataclass(frozen=True)
class Motion:
    """A looping motion of one body in the world frame.

    Attributes:
        pose: Axis-angle θ, (T, 24, 3); joint 0 turns body axes into world axes.
        pelvis: Joint 0, (T, 3), metres.
    """

    pose: np.ndarray
    pelvis: np.ndarray


@dataclass(frozen=True)
class Build:
    """What the motion must know of a body.

    Attributes:
        rest: Joints at rest with the lowest sole vertex at y = 0, (24, 3), metres.
        heels: Rearmost sole point of the left and right foot at rest, (2, 3), metres.
    """

    rest: np.ndarray
    heels: np.ndarray

    @classmethod
    def of(cls, vertices: np.ndarray, joints: np.ndarray) -> Build:
        """Measure a body at rest: ``vertices`` (V, 3) and ``joints`` (24, 3), metres."""
        floor = vertices[:, 1].min()
        heels = []
        for side in _SIDES:
            sole = vertices[(vertices[:, 1] < floor + 0.03) & (vertices[:, 0] * side > 0)]
            heels.append(sole[sole[:, 2].argmin()])
        down = floor * Y
        return cls(joints - down, np.array(heels) - down)


@dataclass(frozen=True)
class Ellipse:
    """A path on the floor: ``centre``, ``radii`` along x and z in metres; ``start`` in turns."""

    centre: tuple[float, float]
    radii: tuple[float, float]
    start: float = 0.0
    clockwise: bool = False

    def at(self, way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return positions (T, 3) and headings (T,) after ``way`` (T,) rounds at even speed."""
        angle = np.linspace(0, 2 * np.pi, 721)
        sign = -1.0 if self.clockwise else 1.0
        curve = np.stack([np.cos(angle), np.sin(sign * angle)], -1) * self.radii + self.centre
        length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=-1))]
        curve[-1] = curve[0]
        spline = CubicSpline(length / length[-1], curve, bc_type='periodic')
        at = (np.asarray(way) + self.start) % 1.0
        position, velocity = spline(at), spline(at, 1)
        points = np.stack([position[..., 0], 0 * at, position[..., 1]], -1)
        return points, np.arctan2(velocity[..., 0], velocity[..., 1])


def walk(build: Build, path: Ellipse, *, steps: int, frames: int, style: np.ndarray) -> Motion:
    """Walk once round ``path`` in an even number of ``steps``.

    Args:
        build: The body.
        path: Where to.
        steps: Steps per round, even, so that the loop closes.
        frames: Frames of the loop, T.
        style: Four numbers about 1: arm swing, elbow bend, trunk turn, bounce.

    Raises:
        ValueError: ``steps`` is odd or not positive.
    """
    if steps <= 0 or steps % 2:
        raise ValueError(f'steps={steps} must be even and positive for the loop to close')
    way = np.arange(frames) / frames
    cycle = way * steps / 2
    centre, heading = path.at(way)
    ankles, R_feet = zip(
        *(_stepping(build, path, side, cycle + 0.5 * side, steps) for side in (0, 1)), strict=True
    )
    swing = 2 * np.pi * cycle
    R_root = turn(Y, heading - 0.09 * style[2] * np.cos(swing)) @ turn(Z, 0.04 * np.sin(swing))
    sway = apply(turn(Y, heading), X) * (0.018 * np.sin(swing + 0.6))[:, None]
    R_local = _arms_down(frames)
    _swing_arms(R_local, swing, style)
    for joint in (3, 6, 9):
        R_local[:, joint] = turn(Y, 0.06 * style[2] * np.cos(swing)) @ turn(
            X, np.full(frames, 0.015)
        )
    R_local[:, 15] = turn(Y, 0.12 * np.sin(2 * np.pi * way)) @ turn(X, 0.03 * np.cos(2 * swing))
    return _plant(build, R_local, R_root, centre + sway, ankles, R_feet)


def stand(
    build: Build, place: tuple[float, float], facing: float, *, frames: int, style: np.ndarray
) -> Motion:
    """Stand, shift weight, look and turn to and fro, and gesture with one arm.

    Args:
        build: The body.
        place: x and z of the feet's middle, metres.
        facing: Heading, radians; 0 looks at +z, the camera's side of the room.
        frames: Frames of the loop, T.
        style: As in ``walk``.
    """
    t = 2 * np.pi * np.arange(frames) / frames
    still = np.zeros(frames)
    heading = facing + 0.35 * style[2] * np.sin(t)
    centre = np.array([place[0], 0.0, place[1]])
    ankles, R_feet = [], []
    for (_, _, ankle, _), side in zip(_LEGS, _SIDES, strict=True):
        toe_out = turn(Y, np.full(frames, facing + 0.16 * side))
        offset = np.array([0.115 * side, build.rest[ankle, 1], 0.03 * side])
        ankles.append(centre + apply(turn(Y, still + facing), offset))
        R_feet.append(toe_out)
    R_root = turn(Y, heading) @ turn(Z, 0.035 * np.sin(t))
    shift = apply(turn(Y, still + facing), X) * (0.035 * np.sin(t))[:, None]
    R_local = _arms_down(frames)
    gesture = 0.5 - 0.5 * np.cos(t)
    R_local[:, 16] = turn(X, -0.9 * gesture) @ R_local[:, 16]
    R_local[:, 18] = turn(Y, -0.25 - 1.3 * gesture - 0.15 * np.sin(3 * t) * gesture)
    R_local[:, 19] = turn(Y, 0.25 + 0.1 * np.sin(t))
    for joint in (3, 6, 9):
        R_local[:, joint] = turn(Y, 0.08 * np.sin(t - 0.4)) @ turn(Z, -0.012 * np.sin(t))
    R_local[:, 15] = turn(Y, 0.45 * np.sin(t - 0.9)) @ turn(X, 0.08 * np.sin(2 * t))
    return _plant(build, R_local, R_root, centre + shift, ankles, R_feet)


def _arms_down(frames: int) -> np.ndarray:
    """Rest pose with the arms hanging a hand's breadth from the thighs, (T, 24, 3, 3)."""
    R_local = np.broadcast_to(np.eye(3), (frames, 24, 3, 3)).copy()
    for shoulder, collar, side in ((16, 13, 1.0), (17, 14, -1.0)):
        R_local[:, collar] = turn(Z, np.full(frames, -0.10 * side))
        R_local[:, shoulder] = turn(Z, np.full(frames, -1.36 * side))
    return R_local


def _swing_arms(R_local: np.ndarray, swing: np.ndarray, style: np.ndarray) -> None:
    for shoulder, elbow, side in ((16, 18, 1.0), (17, 19, -1.0)):
        # The left arm is back (positive about x) when the left foot strikes, swing = 0.
        angle = 0.36 * style[0] * side * np.cos(swing - 0.2) + 0.06
        R_local[:, shoulder] = turn(X, angle) @ R_local[:, shoulder]
        bend = 0.38 * style[1] - 0.22 * style[0] * side * np.cos(swing - 0.5)
        R_local[:, elbow] = turn(Y, -side * bend)


def _stepping(
    build: Build, path: Ellipse, side: int, cycle: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return ankle (T, 3) and rotation (T, 3, 3) of one foot; heel strikes at whole cycles."""
    phase = cycle % 1.0
    pitch = np.interp(phase, _PITCH_KEYS, _PITCHES)
    count = np.floor(cycle) - 0.5 * side
    here = _footprint(build, path, side, (count + _MID_STANCE) / (steps / 2))
    there = _footprint(build, path, side, (count + 1 + _MID_STANCE) / (steps / 2))
    standing = _pivot(build, side, here, pitch)
    lift_off = _pivot(build, side, here, np.full(len(phase), _PITCHES[3]))
    strike = _pivot(build, side, there, np.full(len(phase), _PITCHES[0]))
    share = np.clip((phase - _STANCE) / (1 - _STANCE), 0.0, 1.0)
    smooth = share**2 * (3 - 2 * share)
    flight = lift_off + smooth[:, None] * (strike - lift_off)
    flight[:, 1] += _CLEARANCE * np.sin(np.pi * share) ** 2
    ankle = np.where((phase < _STANCE)[:, None], standing, flight)
    yaw = here[1] + smooth * _wrapped(there[1] - here[1])
    return ankle, turn(Y, yaw) @ turn(X, pitch)


def _footprint(
    build: Build, path: Ellipse, side: int, way: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return where a flat foot's ankle stands above the floor (T, 3), and its heading (T,)."""
    point, heading = path.at(way)
    ankle = build.rest[_LEGS[side][2]]
    beside = apply(turn(Y, heading), X) * (0.8 * ankle[0])
    return point + beside + ankle[1] * Y, heading + 0.10 * _SIDES[side]


def _pivot(
    build: Build, side: int, print_: tuple[np.ndarray, np.ndarray], pitch: np.ndarray
) -> np.ndarray:
    """Return the ankle (T, 3) of a foot that rolls over its heel or over the ball of its foot."""
    flat, heading = print_
    ankle = build.rest[_LEGS[side][2]]
    R_yaw, R_pitch = turn(Y, heading), turn(X, pitch)
    pivot = np.where((pitch < 0)[:, None], build.heels[side], build.rest[_LEGS[side][3]]) - ankle
    return flat + apply(R_yaw, pivot - apply(R_pitch, pivot))


def _plant(
    build: Build,
    R_local: np.ndarray,
    R_root: np.ndarray,
    above: np.ndarray,
    ankles: tuple[np.ndarray, ...] | list[np.ndarray],
    R_feet: tuple[np.ndarray, ...] | list[np.ndarray],
) -> Motion:
    """Set the pelvis as high over ``above`` (T, 3) as both legs allow, and solve the legs."""
    rest = build.rest
    R_local[:, 0] = R_root
    highest = np.full(len(above), np.inf)
    for (hip, knee, ankle, _), goal in zip(_LEGS, ankles, strict=True):
        length = np.linalg.norm(rest[knee] - rest[hip]) + np.linalg.norm(rest[ankle] - rest[knee])
        offset = apply(R_root, rest[hip] - rest[0])
        flat = ((above + offset - goal)[:, [0, 2]] ** 2).sum(-1)
        rise = np.sqrt(np.maximum((_REACH * length) ** 2 - flat, 0.0))
        highest = np.minimum(highest, goal[:, 1] + rise - offset[:, 1])
    sigma = len(above) / 120
    smooth = gaussian_filter1d(highest, 1.5 * sigma + 0.5, mode='wrap')
    pelvis = above * [1, 0, 1] + Y * np.minimum(smooth, highest + 0.004)[:, None]
    joints, R_world = pose_joints(R_local, rest)
    joints = joints + (pelvis - rest[0])[:, None]
    left = apply(R_root, X)
    for (hip, knee, ankle, ball), goal, R_foot in zip(_LEGS, ankles, R_feet, strict=True):
        R_thigh, R_shank = solve_leg(
            joints[:, hip],
            goal,
            left,
            thigh=rest[knee] - rest[hip],
            shank=rest[ankle] - rest[knee],
        )
        R_local[:, hip] = R_world[:, 0].transpose(0, 2, 1) @ R_thigh
        R_local[:, knee] = R_thigh.transpose(0, 2, 1) @ R_shank
        R_local[:, ankle] = R_shank.transpose(0, 2, 1) @ R_foot
        R_local[:, ball] = _level_toes(R_foot)
    pose = Rotation.from_matrix(R_local.reshape(-1, 3, 3)).as_rotvec()
    return Motion(pose.reshape(len(above), -1, 3), pelvis)


def _level_toes(R_foot: np.ndarray) -> np.ndarray:
    """Bend the toes back so that they lie flat while the heel is up."""
    pitch = np.arcsin(np.clip(-(R_foot @ Z)[:, 1], -1.0, 1.0))
    return turn(X, -np.maximum(pitch, 0.0) * 0.9)


def _wrapped(angle: np.ndarray) -> np.ndarray:
    return (angle + np.pi) % (2 * np.pi) - np.pi
