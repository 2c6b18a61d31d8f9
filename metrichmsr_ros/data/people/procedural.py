"""Poses out of nothing: everyday postures with everyday arms, drawn at random.

A posture (standing, sitting, …) sets root tilt, legs and trunk; then each arm gets a task
(hanging, reaching, phone, …) solved in the posed body, so that hands meet hips, knees and faces.
Ranges are those of healthy adults; angles in this file are degrees, as one reads them in anatomy.

Axes as in ``limbs``. Joint 0 turns body axes into a world with y up; the heading is left at 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people import limbs
from metrichmsr_ros.data.people.arms import set_arms
from metrichmsr_ros.data.synthetic.motion import Build, Ellipse, stand, walk
from metrichmsr_ros.geometry.turns import matrix, rotvec

Rng = np.random.Generator
_WALK_FRAMES = 240


def procedural_poses(n: int, body: BodyModel, *, seed: int) -> np.ndarray:
    """Draw poses.

    Args:
        n: How many.
        body: Its mean adult tells where hands can reach.
        seed: The same seed draws the same poses.

    Returns:
        Axis-angle θ, (n, 24, 3) float32, radians.

    Raises:
        ValueError: ``n`` is not positive.
    """
    if n <= 0:
        raise ValueError(f'n={n} poses, must be positive')
    rng = np.random.default_rng(seed)
    rest = body.joint_template.numpy().astype(np.float64)
    shares = np.array([share for share, _ in _POSTURES])
    counts = rng.multinomial(n, shares / shares.sum())
    parts = []
    for (_, posture), count in zip(_POSTURES, counts, strict=True):
        if count:
            R, arms = posture(count, body, rng)
            _look(R, rng)
            if arms:
                set_arms(R, rest, arms, rng)
            parts.append(rotvec(R))
    poses = np.concatenate(parts)[rng.permutation(n)]
    return poses.astype(np.float32)


_Posed = tuple[np.ndarray, str]  # local rotations, and the kind of arm tasks ('' = arms are set)


def _rest(n: int) -> np.ndarray:
    return np.broadcast_to(np.eye(3), (n, 24, 3, 3)).copy()


def _normal(rng: Rng, n: int, mean: float, spread: float) -> np.ndarray:
    return np.radians(rng.normal(mean, spread, n))


def _uniform(rng: Rng, n: int, low: float, high: float) -> np.ndarray:
    return np.radians(rng.uniform(low, high, n))


def _set_root(R: np.ndarray, pitch: np.ndarray, roll: np.ndarray) -> None:
    """Tilt the pelvis forwards and then to the side."""
    R[:, 0] = limbs.euler(pitch, 0.0, roll)


def _look(R: np.ndarray, rng: Rng) -> None:
    n = len(R)
    limbs.set_head(
        R, _normal(rng, n, 8, 16).clip(-0.8, 0.9), _normal(rng, n, 0, 26).clip(-1.2, 1.2),
        _normal(rng, n, 0, 7),
    )  # fmt: skip


def _trunk(
    R: np.ndarray, rng: Rng, *, bend: tuple[float, float], lean: float = 5, twist: float = 9
) -> None:
    n = len(R)
    limbs.set_trunk(
        R, _normal(rng, n, *bend).clip(-0.5, 1.3), _normal(rng, n, 0, lean).clip(-0.5, 0.5),
        _normal(rng, n, 0, twist).clip(-0.8, 0.8),
    )  # fmt: skip


def _legs(R: np.ndarray, rng: Rng, **means: tuple[float, float]) -> None:
    """Set both legs from (mean, spread) of ``limbs.set_leg``'s angles, each side by itself."""
    n = len(R)
    default = {
        'flexion': (0.0, 4.0), 'knee': (6.0, 5.0), 'apart': (2.0, 4.0), 'spread': (0.0, 0.0),
        'twist': (8.0, 8.0), 'foot': (0.0, 4.0),
    }  # fmt: skip
    for side in limbs.SIDES:
        angles = {name: _normal(rng, n, *value) for name, value in (default | means).items()}
        angles['knee'] = angles['knee'].clip(0.0, np.radians(150))
        limbs.set_leg(R, side, **angles)


def _standing(n: int, body: BodyModel, rng: Rng) -> _Posed:
    """Both feet on the floor, the weight somewhere between them."""
    R = _rest(n)
    _set_root(R, _normal(rng, n, 3, 4), _normal(rng, n, 0, 3))
    _trunk(R, rng, bend=(4, 7))
    stance = rng.gamma(2.0, 2.5, n)
    one_bent = rng.uniform(0, 1, n) < 0.4
    bent = np.where(one_bent, np.abs(rng.normal(0, 18, n)), 0)
    free = rng.uniform(0, 1, n) < 0.5
    for side, mine in zip(limbs.SIDES, (free, ~free), strict=True):
        knee = np.radians(np.where(mine, bent, 0) + np.abs(rng.normal(4, 3, n)))
        limbs.set_leg(
            R, side, flexion=0.6 * knee + _normal(rng, n, 3, 4), knee=knee,
            apart=np.radians(stance) + _normal(rng, n, -2, 3), spread=np.zeros(n),
            twist=_normal(rng, n, 9, 9), foot=-0.4 * knee + _normal(rng, n, 0, 3),
        )  # fmt: skip
    return R, 'free'


def _stepping(n: int, body: BodyModel, rng: Rng) -> _Posed:
    """Walking, running and lunging with any arms: opposite legs."""
    R = _rest(n)
    speed = rng.beta(1.3, 2.0, n)
    _set_root(R, _normal(rng, n, 4, 4) + np.radians(10) * speed, _normal(rng, n, 0, 4))
    _trunk(R, rng, bend=(4, 7), twist=12)
    phase = rng.uniform(0, 2 * np.pi, n)
    for side, offset in zip(limbs.SIDES, (0.0, np.pi), strict=True):
        swing = np.sin(phase + offset)
        lift = np.clip(np.cos(phase + offset), 0, 1)
        flexion = np.radians(8 + 12 * speed + (20 + 35 * speed) * swing) + _normal(rng, n, 0, 4)
        knee = np.radians(8 + (45 + 50 * speed) * lift + 15 * speed * np.clip(swing, 0, 1))
        limbs.set_leg(
            R, side, flexion=flexion, knee=(knee + _normal(rng, n, 0, 5)).clip(0),
            apart=_normal(rng, n, 1, 3), spread=np.zeros(n), twist=_normal(rng, n, 6, 6),
            foot=np.radians(-10 * np.clip(swing, -1, 1)) + _normal(rng, n, 3, 7),
        )  # fmt: skip
    return R, 'free'


def _walking(n: int, body: BodyModel, rng: Rng) -> _Posed:
    """The synthetic world's own walkers and standers, arms included."""
    shape = body.v_template.new_zeros(1, 10)
    build = Build.of(
        body.rest_vertices(shape)[0].double().numpy(), body.rest_joints(shape)[0].double().numpy()
    )
    loops = []
    for steps in (4, 6, 8):
        style = rng.uniform(0.6, 1.4, 4)
        path = Ellipse((0.0, 0.0), (0.115 * steps, 0.1 * steps), 0.0, bool(rng.integers(2)))
        loops.append(walk(build, path, steps=steps, frames=_WALK_FRAMES, style=style).pose)
    style = rng.uniform(0.6, 1.4, 4)
    loops.append(stand(build, (0.0, 0.0), 0.0, frames=_WALK_FRAMES // 2, style=style).pose)
    poses = np.concatenate(loops)
    return matrix(poses[rng.integers(0, len(poses), n)].astype(np.float64)), ''


def _sitting(n: int, body: BodyModel, rng: Rng) -> _Posed:
    """On a chair, a stool or a sofa; a fifth with a leg over the other."""
    R = _rest(n)
    lean = _normal(rng, n, -6, 12)
    _set_root(R, lean, _normal(rng, n, 0, 3))
    _trunk(R, rng, bend=(12, 14), lean=6, twist=11)
    seat = _normal(rng, n, 88, 10)
    crossed = rng.uniform(0, 1, n) < 0.2
    over = rng.uniform(0, 1, n) < 0.5
    for side, mine in zip(limbs.SIDES, (over, ~over), strict=True):
        lifted = crossed & mine
        flexion = seat + lean + _normal(rng, n, 0, 5) + np.radians(14) * lifted
        knee = (seat + _normal(rng, n, -4, 16)).clip(0.2, 2.3)
        limbs.set_leg(
            R, side, flexion=flexion, knee=np.where(lifted, knee * 0.85, knee),
            apart=np.zeros(n),
            spread=np.where(lifted, _normal(rng, n, -16, 5), _normal(rng, n, 9, 11)),
            twist=_normal(rng, n, 4, 9), foot=_normal(rng, n, 2, 9),
        )  # fmt: skip
    return R, 'seated'


def _floor_sitting(n: int, body: BodyModel, rng: Rng) -> _Posed:
    """On the floor: legs stretched, drawn up or cross-legged."""
    R = _rest(n)
    lean = _normal(rng, n, -12, 12)
    _set_root(R, lean, _normal(rng, n, 0, 3))
    _trunk(R, rng, bend=(22, 14))
    kind = rng.integers(0, 3, n)
    for side in limbs.SIDES:
        pick = [
            np.choose(kind, choice)
            for choice in ((85, 118, 92), (10, 100, 118), (6, 6, 38), (6, 0, 42))
        ]
        flexion, knee, spread, twist = (np.radians(value + rng.normal(0, 8, n)) for value in pick)
        limbs.set_leg(
            R, side, flexion=flexion + lean, knee=knee.clip(0), apart=np.zeros(n), spread=spread,
            twist=twist, foot=_normal(rng, n, 8, 10),
        )  # fmt: skip
    return R, 'seated'


def _bending(n: int, body: BodyModel, rng: Rng) -> _Posed:
    """Bent forwards at hips and back over nearly straight legs, picking something up or tying."""
    R = _rest(n)
    bow = _uniform(rng, n, 15, 80)
    _set_root(R, bow, _normal(rng, n, 0, 4))
    _trunk(R, rng, bend=(24, 14), lean=6, twist=12)
    for side in limbs.SIDES:
        knee = np.abs(_normal(rng, n, 12, 16))
        limbs.set_leg(
            R, side, flexion=bow + 0.5 * knee + _normal(rng, n, 0, 7), knee=knee,
            apart=_normal(rng, n, 4, 4), spread=np.zeros(n), twist=_normal(rng, n, 7, 8),
            foot=-0.5 * knee + _normal(rng, n, 0, 4),
        )  # fmt: skip
    return R, 'low'


def _crouching(n: int, body: BodyModel, rng: Rng) -> _Posed:
    """Half and full squats."""
    R = _rest(n)
    depth = rng.uniform(0.3, 1.0, n)
    tilt = np.radians(20 + 18 * rng.normal(0, 1, n)) * depth
    _set_root(R, tilt, _normal(rng, n, 0, 3))
    _trunk(R, rng, bend=(20, 12))
    for side in limbs.SIDES:
        flexion = np.radians(108) * depth + tilt + _normal(rng, n, 0, 6)
        knee = (np.radians(136) * depth + _normal(rng, n, 0, 6)).clip(0, np.radians(150))
        limbs.set_leg(
            R, side, flexion=flexion.clip(max=np.radians(140)), knee=knee, apart=np.zeros(n),
            spread=_normal(rng, n, 14, 9), twist=_normal(rng, n, 5, 7),
            foot=-np.radians(25) * depth + _normal(rng, n, 0, 5),
        )  # fmt: skip
    return R, 'low'


def _kneeling(n: int, body: BodyModel, rng: Rng) -> _Posed:
    """On both knees, or on one with the other foot in front."""
    R = _rest(n)
    tilt = _normal(rng, n, 6, 9)
    _set_root(R, tilt, _normal(rng, n, 0, 3))
    _trunk(R, rng, bend=(10, 11))
    one = rng.uniform(0, 1, n) < 0.55
    front = rng.uniform(0, 1, n) < 0.5
    back = np.where(one, 0.0, np.radians(60) * rng.beta(0.8, 1.0, n))  # sitting on the heels
    for side, mine in zip(limbs.SIDES, (front, ~front), strict=True):
        forward = one & mine
        flexion = np.where(forward, _normal(rng, n, 92, 9), back + _normal(rng, n, 0, 6))
        knee = np.where(forward, _normal(rng, n, 92, 10), np.radians(90) + back)
        foot = np.where(forward, _normal(rng, n, 0, 6), _normal(rng, n, 35, 20))
        limbs.set_leg(
            R, side, flexion=flexion + tilt, knee=(knee + _normal(rng, n, 0, 4)).clip(0, 2.6),
            apart=_normal(rng, n, 3, 4), spread=np.where(forward, _normal(rng, n, 8, 8), 0.0),
            twist=_normal(rng, n, 4, 6), foot=foot,
        )  # fmt: skip
    return R, 'free'


def _lying(n: int, body: BodyModel, rng: Rng) -> _Posed:
    """On the back, the front or a side."""
    R = _rest(n)
    _trunk(R, rng, bend=(8, 10), lean=8, twist=14)
    _legs(R, rng, flexion=(22, 26), knee=(30, 34), apart=(4, 6), spread=(6, 10), foot=(15, 12))
    about = np.radians(rng.choice([0.0, 180.0, 90.0, -90.0], n, p=[0.45, 0.2, 0.175, 0.175]))
    roll = limbs.euler(np.zeros(n), about + _normal(rng, n, 0, 14), np.zeros(n))
    R[:, 0] = limbs.euler(np.radians(-90) + _normal(rng, n, 0, 6), 0.0, 0.0) @ roll
    return R, 'free'


def _one_leg(n: int, body: BodyModel, rng: Rng) -> _Posed:
    """On one leg: kicking, climbing a stair, stretching, balancing."""
    R = _rest(n)
    _set_root(R, _normal(rng, n, 2, 11), _normal(rng, n, 0, 9))
    _trunk(R, rng, bend=(5, 12), lean=9, twist=13)
    left = rng.uniform(0, 1, n) < 0.5
    for side, mine in zip(limbs.SIDES, (left, ~left), strict=True):
        raised = _uniform(rng, n, -35, 110)
        knee = np.abs(_normal(rng, n, 50, 36)).clip(0, 2.4)
        limbs.set_leg(
            R, side, flexion=np.where(mine, raised, _normal(rng, n, 4, 8)),
            knee=np.where(mine, knee, np.abs(_normal(rng, n, 8, 10))),
            apart=np.where(mine, _normal(rng, n, 10, 13), _normal(rng, n, 1, 4)),
            spread=np.zeros(n), twist=_normal(rng, n, 10, 12), foot=_normal(rng, n, 8, 14),
        )  # fmt: skip
    return R, 'wide'


_POSTURES: tuple[tuple[float, Callable[[int, BodyModel, Rng], _Posed]], ...] = (
    (0.12, _walking), (0.24, _standing), (0.15, _stepping), (0.16, _sitting),
    (0.03, _floor_sitting), (0.08, _bending), (0.06, _crouching), (0.05, _kneeling),
    (0.04, _lying), (0.07, _one_leg),
)  # fmt: skip
