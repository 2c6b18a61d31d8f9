"""How real bodies differ from the body model, and BlazePose's marks from the model's.

β knows how people of different size and weight look; it does not know that somebody's arms are
long for their height. And a network marks a knee where its annotators did. Both are constant for
a person and alike on the left and the right, so that no amount of averaging removes them; a
network that was never shown them reads distances out of differences that mean nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.joints import JOINT_INDEX, JOINT_NAMES, PARENTS
from metrichmsr_ros.body.landmarks import BLAZEPOSE_NAMES
from metrichmsr_ros.body.skinning import forward_kinematics
from metrichmsr_ros.data.people.draws import Draws

# Bones by the joint at their end: logarithm of the length over the model's, mean and spread. The
# model's arms are a tenth shorter than those of measured people (docs/body.md): half of that.
_BONES = {
    'hip': (0.0, 0.05),
    'knee': (0.0, 0.03),
    'ankle': (0.0, 0.03),
    'foot': (0.0, 0.05),
    'spine1': (0.0, 0.03),
    'spine2': (0.0, 0.03),
    'spine3': (0.0, 0.03),
    'neck': (0.0, 0.04),
    'head': (0.0, 0.05),
    'collar': (0.0, 0.04),
    'shoulder': (0.0, 0.05),
    'elbow': (0.05, 0.03),
    'wrist': (0.05, 0.03),
    'hand': (0.0, 0.05),
}
# Somebody of the same height has longer legs and a shorter trunk, by this much of their ratio; the
# shares keep the height. Wider than people's own ratio (0.03), for the model's may be off too.
_LEGS_OVER_TRUNK = 0.07
_SHARES = {
    **dict.fromkeys(('knee', 'ankle'), 0.43),
    **dict.fromkeys(('spine1', 'spine2', 'spine3', 'neck', 'head'), -0.57),
}
# Where BlazePose marks its points on renders, less ``BodyModel.blazepose``, millimetres: outwards
# (of hands towards the fingertips), up, to the front in the rest pose (T-pose), turned with the
# joint (``scripts/fit_marks.py``). Faces are painted, hands like mittens, hips higher than on
# photographs.
_MARKS = {
    'nose': (0, 14, -21),
    'eye_inner': (-3, 1, -15),
    'eye': (-10, 1, -20),
    'eye_outer': (-16, 2, -26),
    'ear': (-18, 4, 1),
    'mouth': (-12, 3, -3),
    'shoulder': (4, -7, -3),
    'elbow': (6, 2, 5),
    'wrist': (9, -2, -2),
    'pinky': (-8, 4, 15),
    'index': (-21, 2, 3),
    'thumb': (-15, 4, -4),
    'hip': (-12, 28, 22),
    'knee': (-7, 13, -5),
    'ankle': (-1, 7, 3),
    'heel': (-1, 4, 2),
    'foot_index': (0, 4, -19),
}
_MARKS_SPREAD = (0.010, 0.012, 0.014)
# Between photographs, renders and data sets they lie several centimetres higher or lower.
_HIPS_SPREAD = (0.012, 0.025, 0.014)
_FACE = slice(0, 11)
_FACE_SPREAD = 0.2  # of the logarithm of a face's size over the model's
_FACE_RAISED = 0.015  # all of it, metres
MODEL_HEIGHT = 1.69
# The kind of joint that a landmark stays beside when bones grow; else its own.
_BESIDE = {
    'nose': 'head', 'eye_inner': 'head', 'eye': 'head', 'eye_outer': 'head', 'ear': 'head',
    'mouth': 'head', 'pinky': 'wrist', 'index': 'wrist', 'thumb': 'wrist', 'heel': 'ankle',
    'foot_index': 'foot',
}  # fmt: skip


def draw_growth(draws: Draws, rest: Tensor) -> Tensor:
    """Draw how far each joint lies from the model's in the rest pose.

    Args:
        draws: Random numbers.
        rest: Joints of the model at rest, (B, 24, 3), metres.

    Returns:
        (B, 24, 3), metres; the pelvis stays.
    """
    kinds = list(_BONES)
    mean = draws.device_tensor([_BONES[kind][0] for kind in kinds])
    spread = draws.device_tensor([_BONES[kind][1] for kind in kinds])
    ratio = _LEGS_OVER_TRUNK * draws.device_tensor([_SHARES.get(kind, 0.0) for kind in kinds])
    share = (mean + spread * draws.normal(len(kinds)) + ratio * draws.normal(1)).expm1()
    moved = [torch.zeros_like(rest[:, 0])]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        own = share[:, [kinds.index(kind_of(JOINT_NAMES[joint]))]]
        moved.append(moved[parent] + own * (rest[:, joint] - rest[:, parent]))
    return torch.stack(moved, 1)


def draw_marks(
    draws: Draws, growth: Tensor, height: Tensor, face: Tensor, *, rendered: Tensor | None = None
) -> Tensor:
    """Draw how far each BlazePose landmark lies from the model's in the rest pose.

    Args:
        draws: Random numbers.
        growth: Of the joints, from ``draw_growth``.
        height: Of the people, (B,), metres; marks scale with it.
        face: The first 11 landmarks of the mean adult at rest, (11, 3), metres.
        rendered: Share of the mean offset on renders that is taken away, (B,); None = none of it.

    Returns:
        (B, 33, 3), metres.
    """
    kinds = list(_MARKS)
    spread = [_HIPS_SPREAD if kind == 'hip' else _MARKS_SPREAD for kind in kinds]
    moved = torch.tensor(spread, device=draws.device) * draws.normal(len(kinds), 3)
    if rendered is not None:
        mean = 0.001 * torch.tensor(list(_MARKS.values()), device=draws.device)
        moved = moved - rendered[:, None, None] * mean
    moved = moved[:, [kinds.index(kind_of(name)) for name in BLAZEPOSE_NAMES]]
    sides = draws.device_tensor([outwards(name) for name in BLAZEPOSE_NAMES])
    moved = torch.cat([moved[..., :1] * sides[:, None], moved[..., 1:]], -1)
    larger = (_FACE_SPREAD * draws.normal()).expm1()[:, None, None]
    moved[:, _FACE] += larger * (face - face.mean(0))
    moved[:, _FACE, 1] += _FACE_RAISED * draws.normal(1)
    moved = moved * (height / MODEL_HEIGHT)[:, None, None]
    return moved + growth[:, list(BESIDE)]


def grown_height(height: Tensor, growth: Tensor) -> Tensor:
    """Return heights (B,) of people whose joints moved by ``growth``: legs, trunk and neck."""
    ankle = growth[:, [JOINT_INDEX['left_ankle'], JOINT_INDEX['right_ankle']], 1].mean(1)
    return height + growth[:, JOINT_INDEX['head'], 1] - ankle


def turns_beside(rotations: Tensor, body: BodyModel) -> Tensor:
    """Return how far the joint beside each landmark is turned from its rest pose, (B, 33, 3, 3).

    Args:
        rotations: Of each joint in its parent's axes, (B, 24, 3, 3).
        body: Has these joints.
    """
    still = rotations.new_zeros(*rotations.shape[:2], 3)
    turned, _ = forward_kinematics(rotations, still, parents=body.parent_index, hops=body.hops)
    return turned[:, list(BESIDE)]


def kind_of(name: str) -> str:
    """Return the name of a joint or landmark without its side."""
    for side in ('left_', 'right_'):
        name = name.removeprefix(side)
    return name.removesuffix('_left').removesuffix('_right')


def outwards(name: str) -> float:
    """Return the sign of x towards the outside: SMPL's x is the body's left."""
    return 0.0 if name == 'nose' else 1.0 if 'left' in name else -1.0


def _beside(name: str) -> int:
    kind = _BESIDE.get(kind_of(name), kind_of(name))
    side = 'left' if 'left' in name else 'right'
    return JOINT_INDEX.get(kind, JOINT_INDEX.get(f'{side}_{kind}', 0))


BESIDE: tuple[int, ...] = tuple(_beside(name) for name in BLAZEPOSE_NAMES)
