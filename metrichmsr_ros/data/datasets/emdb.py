"""EMDB: ``P0`` … ``P9``, each with ``<sequence>/<P>_<sequence>_data.pkl`` and ``images/``."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from metrichmsr_ros.data.datasets.arrays import DatasetError, read_pickle, require, shaped
from metrichmsr_ros.data.datasets.labels import PersonSequence

_KEYS = (
    'gender', 'name', 'emdb1', 'emdb2', 'n_frames', 'good_frames_mask', 'camera', 'smpl', 'bboxes',
)  # fmt: skip
_GENDERS = ('female', 'male', 'neutral')


def read_emdb(root: str | PathLike[str], *, subset: int) -> Iterator[PersonSequence]:
    """Read a subset of EMDB.

    A frame is valid by ``good_frames_mask``; frames whose box is invalid are left out as well.

    Args:
        root: Folder with ``P0`` to ``P9``, or some of them.
        subset: 1 (pose in the camera) or 2 (world trajectories).

    Yields:
        Sequences, sorted by file.

    Raises:
        ValueError: An unknown subset.
        DatasetError: No sequences, or a file is unreadable or not of the layout.
    """
    if subset not in (1, 2):
        raise ValueError(f'subset must be 1 or 2, got {subset!r}')
    files = sorted(Path(root).glob('P[0-9]/*/*_data.pkl'))
    if not files:
        raise DatasetError(f'{root}: holds no P?/*/*_data.pkl')
    for file in files:
        content = read_pickle(file)
        require(content, _KEYS, file)
        if content[f'emdb{subset}']:
            yield _sequence(content, file)


def _sequence(content: dict[str, Any], file: Path) -> PersonSequence:
    frames = int(content['n_frames'])
    camera, smpl, boxes = content['camera'], content['smpl'], content['bboxes']
    require(camera, ('intrinsics', 'extrinsics'), file)
    require(smpl, ('poses_root', 'poses_body', 'trans', 'betas'), file)
    require(boxes, ('bboxes', 'invalid_idxs'), file)
    if content['gender'] not in _GENDERS:
        raise DatasetError(f'{file}: gender must be one of {_GENDERS}, got {content["gender"]!r}')

    def array(group: dict[str, Any], key: str, *shape: int | None) -> np.ndarray:
        return shaped(group[key], shape, name=key, path=file)

    root, body = array(smpl, 'poses_root', frames, 3), array(smpl, 'poses_body', frames, 69)
    valid = array(content, 'good_frames_mask', frames).astype(bool)
    valid[np.asarray(boxes['invalid_idxs'], np.int64)] = False
    return PersonSequence(
        name=str(content['name']),
        gender=content['gender'],
        images=tuple(file.parent / 'images' / f'{i:05d}.jpg' for i in range(frames)),
        K=array(camera, 'intrinsics', 3, 3),
        T_cam_world=array(camera, 'extrinsics', frames, 4, 4),
        pose=np.concatenate((root, body), 1).reshape(frames, 24, 3),
        shape=shaped(np.ravel(smpl['betas'])[:10], (10,), name='betas', path=file),
        translation=array(smpl, 'trans', frames, 3),
        boxes=array(boxes, 'bboxes', frames, 4),
        valid=valid,
    )
