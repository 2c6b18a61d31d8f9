"""AMASS's ``.npz`` motions (SMPL-H and SMPL-X), which users download themselves."""

from __future__ import annotations

from pathlib import Path
import zipfile

import numpy as np
from scipy.spatial.transform import Rotation

from metrichmsr_ros.data.motions.clip import MotionClip, MotionError, NUM_JOINTS

_BODY = 22  # joints that SMPL, SMPL-H and SMPL-X share; then come hands
_RATES = ('mocap_framerate', 'mocap_frame_rate')
_UP = Rotation.from_euler('x', -90, degrees=True)  # its z is up


def read_amass(path: Path) -> MotionClip:
    """Read one file; the two hands of SMPL are left in line with their wrists.

    Raises:
        MotionError: It is not of this format.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            rate = next((float(stored[key]) for key in _RATES if key in stored), None)
            if 'poses' not in stored or 'trans' not in stored or rate is None:
                raise MotionError(f'{path.name}: needs poses, trans and {" or ".join(_RATES)}')
            poses = np.asarray(stored['poses'], np.float64)
            root = np.asarray(stored['trans'], np.float64)
    except (OSError, zipfile.BadZipFile, ValueError, TypeError) as error:
        if isinstance(error, MotionError):
            raise
        raise MotionError(f'{path.name}: not an AMASS file: {error}') from error
    if poses.ndim != 2 or poses.shape[1] < 3 * _BODY or root.shape != (len(poses), 3):
        raise MotionError(
            f'{path.name}: poses {poses.shape} and trans {root.shape}, must be (T, 66 or more) '
            'and (T, 3)'
        )
    if not np.isfinite(poses).all():
        raise MotionError(f'{path.name}: poses must be finite')
    pose = np.zeros((len(poses), NUM_JOINTS, 3), np.float32)
    pose[:, :_BODY] = poses[:, : 3 * _BODY].reshape(-1, _BODY, 3)
    if len(poses):
        pose[:, 0] = (_UP * Rotation.from_rotvec(poses[:, :3])).as_rotvec()
    return MotionClip(path.name, pose, _UP.apply(root).astype(np.float32), rate)
