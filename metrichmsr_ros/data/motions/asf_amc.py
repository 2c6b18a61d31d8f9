"""Acclaim's skeleton (ASF) and motion (AMC) files, as the CMU Motion Capture Database has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from metrichmsr_ros.data.motions.clip import format_of, MotionClip, MotionError, read_text
from metrichmsr_ros.data.motions.retarget import to_smpl

_RATE = 120.0  # the format does not say; CMU's rate
_INCH = 0.0254
_BONES = {
    'pelvis': 'root', 'spine1': 'lowerback', 'spine2': 'upperback', 'spine3': 'thorax',
    'neck': 'upperneck', 'head': 'head',
} | {
    f'{side}_{name}': side[0] + bone
    for side in ('left', 'right')
    for name, bone in (
        ('hip', 'femur'), ('knee', 'tibia'), ('ankle', 'foot'), ('foot', 'toes'),
        ('collar', 'clavicle'), ('shoulder', 'humerus'), ('elbow', 'radius'), ('wrist', 'hand'),
    )
}  # fmt: skip


@dataclass(frozen=True)
class _Bone:
    direction: np.ndarray
    axis: np.ndarray  # (3, 3): the frame that its angles are in
    dof: tuple[str, ...]


@dataclass(frozen=True)
class _Skeleton:
    bones: dict[str, _Bone]
    parents: dict[str, str]  # parents come first
    metres: float


def read_amc(path: Path) -> MotionClip:
    """Read one motion; its skeleton is the ``.asf`` of the same subject in the same folder.

    Raises:
        MotionError: No skeleton, or a file is not of this format.
    """
    skeleton = _read_asf(_skeleton_of(path))
    try:
        frames = _read_frames(read_text(path))
        count = len(frames['root'])
        if not count or any(len(rows) != count for rows in frames.values()):
            raise MotionError(f'{path.name}: bones have different numbers of frames')
        turns = _world_turns(skeleton, frames, count)
        root = np.array(frames['root'], np.float64)[:, :3] * skeleton.metres
    except (KeyError, ValueError, IndexError) as error:
        raise MotionError(f'{path.name}: not an AMC file of its skeleton: {error}') from error
    missing = [bone for bone in _BONES.values() if bone not in turns]
    if missing:
        raise MotionError(f'{path.name}: the skeleton has no {", ".join(missing)}')
    pose = to_smpl(
        {name: turns[bone] for name, bone in _BONES.items()},
        {name: skeleton.bones[bone].direction for name, bone in _BONES.items() if bone != 'root'},
    )
    return MotionClip(path.name, pose, root.astype(np.float32), _RATE)


def _skeleton_of(path: Path) -> Path:
    subject = path.name.split('_')[0]
    found = [file for file in sorted(path.parent.iterdir()) if format_of(file) == '.asf']
    named = [file for file in found if file.name.split('.')[0] == subject]
    if not named and len(found) != 1:
        raise MotionError(f'{path.name}: no {subject}.asf beside it')
    return (named or found)[0]


def _read_asf(path: Path) -> _Skeleton:
    sections: dict[str, list[list[str]]] = {}
    current: list[list[str]] = []
    for line in read_text(path).splitlines():
        words = line.split('#')[0].split()
        if words and words[0].startswith(':'):
            current = sections.setdefault(words[0][1:].lower(), [])
        elif words:
            current.append(words)
    try:
        units = {row[0]: row[1] for row in sections['units']}
        if units['angle'] != 'deg':
            raise MotionError(f'{path.name}: angles in {units["angle"]}, must be deg')
        bones = dict(map(_read_bone, _blocks(sections['bonedata'])))
        parents = {
            child: row[0]
            for block in _blocks(sections['hierarchy'])
            for row in block
            for child in row[1:]
        }
        unknown = set(parents) - set(bones)
        if unknown:
            raise MotionError(f'{path.name}: bones without data: {", ".join(sorted(unknown))}')
        return _Skeleton(bones, parents, _INCH / float(units['length']))
    except (KeyError, ValueError, IndexError, StopIteration) as error:
        raise MotionError(f'{path.name}: not an ASF file: {error}') from error


def _blocks(rows: list[list[str]]) -> list[list[list[str]]]:
    blocks: list[list[list[str]]] = []
    for row in rows:
        if row[0] == 'begin':
            blocks.append([])
        elif row[0] != 'end':
            blocks[-1].append(row)
    return blocks


def _read_bone(block: list[list[str]]) -> tuple[str, _Bone]:
    values = {row[0]: row[1:] for row in block}
    angles = [float(value) for value in values['axis'][:3]]
    axis = Rotation.from_euler('xyz', angles, degrees=True).as_matrix()
    direction = np.array([float(value) for value in values['direction'][:3]])
    return values['name'][0], _Bone(direction, axis, tuple(values.get('dof', ())))


def _read_frames(text: str) -> dict[str, list[list[float]]]:
    frames: dict[str, list[list[float]]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and not words[0].startswith(('#', ':')):
            frames.setdefault(words[0], []).append([float(word) for word in words[1:]])
    return frames


def _world_turns(
    skeleton: _Skeleton, frames: dict[str, list[list[float]]], count: int
) -> dict[str, np.ndarray]:
    """Return each bone's rotation from its rest, (T, 3, 3)."""
    angles = np.array(frames['root'], np.float64)[:, 3:6]
    turns = {'root': Rotation.from_euler('xyz', angles, degrees=True).as_matrix()}
    for name, parent in skeleton.parents.items():
        bone = skeleton.bones[name]
        angles = np.zeros((count, 3))
        if bone.dof:
            columns = ['xyz'.index(dof[1]) for dof in bone.dof]
            angles[:, columns] = np.array(frames[name], np.float64)[:, : len(columns)]
        local = Rotation.from_euler('xyz', angles, degrees=True).as_matrix()
        turns[name] = turns[parent] @ bone.axis @ local @ bone.axis.T
    return turns
