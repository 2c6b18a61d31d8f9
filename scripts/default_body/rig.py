"""Anny's rig merged onto the 24 SMPL joints, and people brought into the SMPL T-pose."""

from __future__ import annotations

import re

import numpy as np
from source import AnnyPeople, AnnySource

from metrichmsr_ros.body.joints import JOINT_INDEX, PARENTS

MAX_INFLUENCES = 4

# Anny bone (prefix) → SMPL joint that carries its skin. 'spine02' is split below.
_CENTRAL = (
    ('spine05', 'pelvis'), ('spine04', 'pelvis'), ('spine03', 'spine1'), ('spine01', 'spine3'),
    ('neck', 'neck'), ('head', 'head'), ('eye', 'head'), ('root', 'pelvis'), ('pelvis', 'pelvis'),
)  # fmt: skip
_LATERAL = (
    ('upperleg', 'hip'), ('lowerleg', 'knee'), ('foot', 'ankle'), ('toe', 'foot'),
    ('clavicle', 'collar'), ('shoulder', 'collar'), ('upperarm', 'shoulder'),
    ('lowerarm', 'elbow'), ('wrist', 'wrist'), ('metacarpal', 'wrist'), ('finger1', 'wrist'),
    ('finger', 'hand'),
)  # fmt: skip
_LATERAL_HEADS = (
    ('hip', 'upperleg01'), ('knee', 'lowerleg01'), ('ankle', 'foot'), ('foot', 'toe2-1'),
    ('collar', 'clavicle'), ('shoulder', 'upperarm01'), ('elbow', 'lowerarm01'),
    ('wrist', 'wrist'), ('hand', 'finger3-1'),
)  # fmt: skip

# SMPL has joint 0 above the hips, at this part of the way from the mid-hip to the neck.
_PELVIS_HEIGHT = 0.151
# SMPL's rest pose: directions of the left arm's bones, and of the line from hip to ankle in the
# frontal plane. The right side is their mirror image.
_ARM_DIRECTIONS = {
    'shoulder': (0.2573, -0.0128, -0.0235),
    'elbow': (0.2492, 0.009, -0.0012),
    'wrist': (0.084, -0.0082, -0.0149),
}
_LEG_SPREAD = np.arctan2(0.0214, 0.777)
# The knee bone's head lies this part of the shank above the knee-cap, above Anny's own knee
# landmark, and above where thigh and shank share the skin's weights equally.
_KNEE_DROP = 0.07
# Between Anny's A-pose and a T-pose the collar bones rise with the arms.
_COLLAR_LIFT = np.deg2rad(10.0)


def merged_weights(source: AnnySource, people: AnnyPeople) -> np.ndarray:
    """Return skinning weights on the SMPL joints, at most four a vertex, (V, 24)."""
    weights = source.weights()
    merged = np.zeros((len(weights), len(PARENTS)))
    for index, label in enumerate(source.bone_labels):
        if label != 'spine02':
            merged[:, _carrier(label)] += weights[:, index]
    # SMPL's spine2 lies in the middle of that bone: blend across it over a tenth of a metre.
    height = people.vertices[:, :, 1].mean(0)
    middle = anny_joints(source, people)[:, JOINT_INDEX['spine2'], 1].mean()
    above = np.clip((height - middle) / 0.1 + 0.5, 0, 1)
    above = above * above * (3 - 2 * above)
    split = weights[:, source.bone('spine02')]
    merged[:, JOINT_INDEX['spine1']] += split * (1 - above)
    merged[:, JOINT_INDEX['spine2']] += split * above
    weakest = np.argsort(-merged, axis=1, kind='stable')[:, MAX_INFLUENCES:]
    np.put_along_axis(merged, weakest, 0.0, axis=1)
    merged = merged.astype(np.float16).astype(np.float64)
    return merged / merged.sum(1, keepdims=True)


def _carrier(label: str) -> int:
    side = {'L': 'left_', 'R': 'right_'}.get(label[-1] if label[-2:-1] == '.' else '', '')
    for prefix, joint in _LATERAL if side and 'pelvis' not in label else _CENTRAL:
        if re.match(prefix, label):
            return JOINT_INDEX[f'{side}{joint}' if (prefix, joint) in _LATERAL else joint]
    return JOINT_INDEX['head']


def anny_joints(source: AnnySource, people: AnnyPeople) -> np.ndarray:
    """Return the 24 SMPL joints in Anny's rest pose, (N, 24, 3), metres."""
    joints = np.zeros((len(people.bones), len(PARENTS), 3))

    def head(label: str) -> np.ndarray:
        return people.bones[:, source.bone(label)]

    for joint, bone in _LATERAL_HEADS:
        for side, letter in (('left', 'L'), ('right', 'R')):
            joints[:, JOINT_INDEX[f'{side}_{joint}']] = head(f'{bone}.{letter}')
    for side in ('left', 'right'):
        knee, ankle = JOINT_INDEX[f'{side}_knee'], JOINT_INDEX[f'{side}_ankle']
        joints[:, knee] += _KNEE_DROP * (joints[:, ankle] - joints[:, knee])
    joints[:, JOINT_INDEX['spine1']] = head('spine03')
    joints[:, JOINT_INDEX['spine2']] = (head('spine02') + head('spine01')) / 2
    joints[:, JOINT_INDEX['spine3']] = head('spine01')
    joints[:, JOINT_INDEX['neck']] = head('neck01')
    joints[:, JOINT_INDEX['head']] = head('head')
    mid_hip = (head('upperleg01.L') + head('upperleg01.R')) / 2
    joints[:, 0] = mid_hip
    joints[:, 0, 1] += _PELVIS_HEIGHT * (head('neck01') - mid_hip)[:, 1]
    return joints


def t_pose(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bring people from Anny's rest pose into SMPL's, with joint 0 at the origin.

    Args:
        vertices: (N, V, 3).
        joints: (N, 24, 3).
        weights: (V, 24).

    Returns:
        Vertices (N, V, 3) and joints (N, 24, 3) in the T-pose.
    """
    rotations = _t_pose_rotations(joints)
    posed = np.zeros_like(joints)
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            offset = joints[:, joint] - joints[:, parent]
            posed[:, joint] = posed[:, parent] + np.einsum(
                'nij,nj->ni', rotations[:, parent], offset
            )
    shifts = posed - np.einsum('nkij,nkj->nki', rotations, joints)
    result = np.empty_like(vertices)
    for person in range(len(vertices)):
        blended = (weights @ rotations[person].reshape(len(PARENTS), 9)).reshape(-1, 3, 3)
        result[person] = np.einsum('vij,vj->vi', blended, vertices[person])
        result[person] += weights @ shifts[person]
    return result, posed


def _t_pose_rotations(joints: np.ndarray) -> np.ndarray:
    """Return each segment's rotation from Anny's rest pose to SMPL's, body axes, (N, 24, 3, 3)."""
    rotations = np.broadcast_to(np.eye(3), (*joints.shape[:2], 3, 3)).copy()
    for side, sign in (('left', 1.0), ('right', -1.0)):
        at = {name: JOINT_INDEX[f'{side}_{name}'] for name, _ in _LATERAL_HEADS}
        rotations[:, at['collar']] = _about_z(np.full(len(joints), sign * _COLLAR_LIFT))
        leg = joints[:, at['ankle']] - joints[:, at['hip']]
        spread = np.arctan2(sign * leg[:, 0], -leg[:, 1])
        rotations[:, at['hip']] = _about_z(sign * (_LEG_SPREAD - spread))
        rotations[:, at['knee']] = rotations[:, at['hip']]
        bones = {
            start: joints[:, at[end]] - joints[:, at[start]]
            for start, end in (('shoulder', 'elbow'), ('elbow', 'wrist'), ('wrist', 'hand'))
        }
        # The plane in which Anny's elbow is bent becomes the horizontal one: the palms face down.
        normal = np.cross(bones['shoulder'], bones['elbow']) * sign
        for start, bone in bones.items():
            target = np.broadcast_to(np.array(_ARM_DIRECTIONS[start]) * (sign, 1, 1), bone.shape)
            down = np.broadcast_to((0.0, -1.0, 0.0), bone.shape)
            rotations[:, at[start]] = _frame(target, down) @ _frame(bone, normal).swapaxes(1, 2)
        rotations[:, at['hand']] = rotations[:, at['wrist']]
    return rotations


def _about_z(angles: np.ndarray) -> np.ndarray:
    cosine, sine, zero = np.cos(angles), np.sin(angles), np.zeros_like(angles)
    rows = [cosine, -sine, zero, sine, cosine, zero, zero, zero, zero + 1]
    return np.stack(rows, -1).reshape(-1, 3, 3)


def _frame(axis: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return right-handed axes whose first is ``axis`` and whose second is nearest ``normal``."""
    first = axis / np.linalg.norm(axis, axis=1, keepdims=True)
    second = normal - (normal * first).sum(1, keepdims=True) * first
    second /= np.linalg.norm(second, axis=1, keepdims=True)
    return np.stack([first, second, np.cross(first, second)], axis=-1)
