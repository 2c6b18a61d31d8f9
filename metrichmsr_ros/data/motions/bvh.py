"""Biovision's BVH motions of skeletons with the joint names that CMU's conversions use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from metrichmsr_ros.data.motions.clip import MotionClip, MotionError, read_text
from metrichmsr_ros.data.motions.retarget import to_smpl

_LEG = 0.81  # metres, thigh and shank, of a file in other units
_LEG_RANGE = (0.5, 1.2)
# SMPL joint → its names, in the two families of CMU's conversions; of the first that fits all.
_FAMILIES = (
    {
        'spine1': 'lowerback', 'spine2': 'Chest', 'spine3': 'Chest2', 'neck': 'Neck',
        'hip': '{}Hip', 'knee': '{}Knee', 'ankle': '{}Ankle', 'foot': '{}Toe',
        'collar': '{}Collar', 'shoulder': '{}Shoulder', 'elbow': '{}Elbow', 'wrist': '{}Wrist',
    },
    {
        'spine1': 'LowerBack', 'spine2': 'Spine', 'spine3': 'Spine1', 'neck': 'Neck1',
        'hip': '{}UpLeg', 'knee': '{}Leg', 'ankle': '{}Foot', 'foot': '{}ToeBase',
        'collar': '{}Shoulder', 'shoulder': '{}Arm', 'elbow': '{}ForeArm', 'wrist': '{}Hand',
    },
)  # fmt: skip


@dataclass
class _Joint:
    name: str
    parent: int
    offset: np.ndarray = field(default_factory=lambda: np.zeros(3))
    channels: list[str] = field(default_factory=list)


def read_bvh(path: Path) -> MotionClip:
    """Read one file: y up, rest pose facing +z.

    Raises:
        MotionError: It is not of this format, or its joints have other names.
    """
    words = iter(read_text(path).split())
    try:
        joints = _read_hierarchy(words)
        count, rate, rows = _read_motion(words)
    except (StopIteration, ValueError, IndexError) as error:
        raise MotionError(f'{path.name}: not a BVH file: {error!r}') from error
    width = sum(len(joint.channels) for joint in joints)
    if rows.size != count * width or not count:
        raise MotionError(f'{path.name}: {rows.size} numbers, must be {count} x {width}')
    turns, root = _world_turns(joints, rows.reshape(count, width))
    names = _counterparts({joint.name for joint in joints}, path)
    offsets = {joint.name: joint.offset for joint in joints}
    # A bone's direction is where its far joint lies; the near joint has the turn.
    bones = {
        'hip': 'knee', 'knee': 'ankle', 'ankle': 'foot', 'shoulder': 'elbow', 'elbow': 'wrist',
    }  # fmt: skip
    directions = {
        f'{side}_{near}': offsets[names[f'{side}_{far}']]
        for side in ('left', 'right')
        for near, far in bones.items()
    }
    leg = sum(np.linalg.norm(directions[f'left_{name}']) for name in ('hip', 'knee'))
    if not leg > 0:
        raise MotionError(f'{path.name}: the leg has no length')
    scale = 1.0 if _LEG_RANGE[0] <= leg <= _LEG_RANGE[1] else _LEG / leg
    pose = to_smpl({name: turns[source] for name, source in names.items()}, directions)
    return MotionClip(path.name, pose, (root * scale).astype(np.float32), rate)


def _read_hierarchy(words: Iterator[str]) -> list[_Joint]:
    joints: list[_Joint] = []
    open_: list[int] = []
    while (word := next(words)) != 'MOTION':
        if word in ('ROOT', 'JOINT', 'End'):
            joints.append(_Joint(next(words), open_[-1] if open_ else -1))
        elif word == '{':
            open_.append(len(joints) - 1)
        elif word == '}':
            open_.pop()
        elif word == 'OFFSET':
            joints[open_[-1]].offset = np.array([float(next(words)) for _ in range(3)])
        elif word == 'CHANNELS':
            joints[open_[-1]].channels = [next(words) for _ in range(int(next(words)))]
    return joints


def _read_motion(words: Iterator[str]) -> tuple[int, float, np.ndarray]:
    """Return frames, their rate and all numbers; MOTION itself is read."""
    head = [next(words) for _ in range(5)]  # Frames: n Frame Time: s
    if head[0] != 'Frames:' or head[2:4] != ['Frame', 'Time:']:
        raise ValueError(f'MOTION begins with {head}')
    return int(head[1]), 1 / float(head[4]), np.array(list(words), np.float64)


def _world_turns(
    joints: list[_Joint], rows: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return each joint's rotation in the world, (T, 3, 3), and the root's place, (T, 3)."""
    turns: list[np.ndarray] = []
    root, column = np.tile(joints[0].offset, (len(rows), 1)), 0
    for index, joint in enumerate(joints):
        values = rows[:, column : column + len(joint.channels)]
        column += len(joint.channels)
        spun = [k for k, name in enumerate(joint.channels) if name.endswith('rotation')]
        R = np.broadcast_to(np.eye(3), (len(rows), 3, 3))
        if spun:
            order = ''.join(joint.channels[k][0] for k in spun)  # capitals: about turned axes
            R = Rotation.from_euler(order, values[:, spun], degrees=True).as_matrix()
        for k, name in enumerate(joint.channels):
            if name.endswith('position') and index == 0:
                root[:, 'XYZ'.index(name[0])] = values[:, k]
        turns.append(R if joint.parent < 0 else turns[joint.parent] @ R)
    return {joint.name: R for joint, R in zip(joints, turns, strict=True)}, root


def _counterparts(present: set[str], path: Path) -> dict[str, str]:
    """Return the file's name of each of SMPL's joints that it has."""
    for family in _FAMILIES:
        names = {'pelvis': 'Hips', 'head': 'Head'}
        for joint, name in family.items():
            if '{}' in name:
                names |= {f'{s}_{joint}': name.format(s.capitalize()) for s in ('left', 'right')}
            else:
                names[joint] = name
        if present.issuperset(names.values()):
            return names
    raise MotionError(f"{path.name}: joints {sorted(present)} are not named as in CMU's BVH files")
