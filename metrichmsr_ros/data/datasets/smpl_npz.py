"""BEDLAM's SMPL labels, and CameraHMR's pseudo ground truth of COCO, MPII and AIC.

Both come as npz archives of one layout, one row per person. Other releases of the same pictures,
such as 4D-Humans' tar files, have other layouts and are not read.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from metrichmsr_ros.data.datasets.arrays import DatasetError, read_npz, shaped
from metrichmsr_ros.data.datasets.labels import PersonLabels

_BOX_UNIT = 200.0  # pixels per unit of ``scale``, a convention of MPII
_KEYS = ('imgname', 'center', 'scale', 'pose_cam', 'shape', 'cam_int', 'trans_cam')


def read_smpl_npz(path: str | PathLike[str], images: str | PathLike[str]) -> PersonLabels:
    """Read one archive.

    The pelvis of BEDLAM's people is at ``trans_cam`` plus the last column of ``cam_ext``, which
    pseudo ground truth lacks. BEDLAM's close-ups, known by the name of ``images`` or of
    a folder in it, were labelled on images turned by 90° clockwise.

    Args:
        path: The ``.npz`` file.
        images: Folder that ``imgname`` is relative to.

    Returns:
        All people of the archive.

    Raises:
        DatasetError: Unreadable or not of the layout; SMPL-X poses, of 165 numbers, are refused.
    """
    path, images = Path(path), Path(images)
    content = read_npz(path, _KEYS, optional=('cam_ext',))
    n = len(content['imgname'])
    pose = np.reshape(content['pose_cam'], (n, -1))
    if pose.shape[1] != 72:
        raise DatasetError(
            f"{path}: pose_cam must have SMPL's 72 numbers a person, got {pose.shape[1]}"
            + (': these are SMPL-X labels' if pose.shape[1] in (156, 165) else '')
        )
    names = [str(name) for name in content['imgname']]
    translation = shaped(content['trans_cam'], (n, 3), name='trans_cam', path=path)
    if 'cam_ext' in content:
        extrinsics = shaped(content['cam_ext'], (n, 4, 4), name='cam_ext', path=path)
        translation = translation + extrinsics[:, :3, 3]
    centre = shaped(content['center'], (n, 2), name='center', path=path)
    half = 0.5 * _BOX_UNIT * shaped(content['scale'], (n,), name='scale', path=path)[:, None]
    return PersonLabels(
        images=tuple(images / name for name in names),
        K=shaped(content['cam_int'], (n, 3, 3), name='cam_int', path=path),
        boxes=np.concatenate((centre - half, centre + half), 1),
        pose=shaped(pose, (n, 72), name='pose_cam', path=path).reshape(n, 24, 3),
        shape=shaped(content['shape'][:, :10], (n, 10), name='shape', path=path),
        translation=translation,
        quarter_turned=np.array(['closeup' in images.name + name for name in names], bool),
    )
