"""3DPW: ``sequenceFiles/<split>/<name>.pkl`` and ``imageFiles/<name>/image_00000.jpg``."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from metrichmsr_ros.data.datasets.arrays import DatasetError, read_pickle, require, shaped
from metrichmsr_ros.data.datasets.labels import boxes_around, PersonSequence

SPLITS = ('train', 'validation', 'test')
_GENDERS = {'m': 'male', 'f': 'female'}
_KEYS = (
    'sequence', 'poses', 'trans', 'betas', 'genders', 'jointPositions', 'poses2d', 'cam_poses',
    'campose_valid', 'cam_intrinsics',
)  # fmt: skip


def read_3dpw(root: str | PathLike[str], *, split: str) -> Iterator[PersonSequence]:
    """Read a split of 3DPW, one sequence per person.

    A frame is valid where the camera was aligned to the image and the person was found in it
    (``poses2d`` is not all zero). Boxes are those of the true joints, 1.2 times their extent.

    Args:
        root: Folder with ``sequenceFiles`` and ``imageFiles``.
        split: 'train', 'validation' or 'test'.

    Yields:
        People, sorted by sequence.

    Raises:
        ValueError: An unknown split.
        DatasetError: No sequences, or a file is unreadable or not of the layout.
    """
    if split not in SPLITS:
        raise ValueError(f'split must be one of {SPLITS}, got {split!r}')
    folder = Path(root) / 'sequenceFiles' / split
    files = sorted(folder.glob('*.pkl'))
    if not files:
        raise DatasetError(f'{folder}: holds no .pkl file')
    for file in files:
        content = read_pickle(file)
        require(content, _KEYS, file)
        for person in range(len(content['poses'])):
            yield _person(content, person, root=Path(root), file=file)


def _person(content: dict[str, Any], person: int, *, root: Path, file: Path) -> PersonSequence:
    def array(key: str, *shape: int | None) -> np.ndarray:
        value = content[key]
        is_shared = key in ('cam_poses', 'cam_intrinsics')
        return shaped(value if is_shared else value[person], shape, name=key, path=file)

    pose = array('poses', None, 72)
    frames = len(pose)
    T_cam_world, K = array('cam_poses', frames, 4, 4), array('cam_intrinsics', 3, 3)
    found = array('poses2d', frames, 3, None)[:, 2].any(-1)
    joints = array('jointPositions', frames, 72).reshape(frames, 24, 3)
    gender, name = content['genders'][person], str(content['sequence'])
    if gender not in _GENDERS:
        raise DatasetError(f"{file}: genders must be 'm' or 'f', got {gender!r}")
    betas = np.ravel(content['betas'][person])
    return PersonSequence(
        name=f'{name}_{person}',
        gender=_GENDERS[gender],
        images=tuple(root / 'imageFiles' / name / f'image_{i:05d}.jpg' for i in range(frames)),
        K=K,
        T_cam_world=T_cam_world,
        pose=pose.reshape(frames, 24, 3),
        shape=shaped(betas[:10], (10,), name='betas', path=file),
        translation=array('trans', frames, 3),
        boxes=_boxes(joints, T_cam_world, K),
        valid=found & array('campose_valid', frames).astype(bool),
    )


def _boxes(joints: np.ndarray, T_cam_world: np.ndarray, K: np.ndarray) -> np.ndarray:
    R, t = T_cam_world[:, :3, :3], T_cam_world[:, None, :3, 3]
    in_camera = joints @ np.swapaxes(R, -1, -2) + t
    image = in_camera @ K.T
    return boxes_around(image[..., :2] / image[..., 2:].clip(min=1e-3))
