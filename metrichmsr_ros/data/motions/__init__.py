"""Human motion from files, as SMPL poses: DeepMimic, CMU's ASF/AMC, BVH, AMASS."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from metrichmsr_ros.data.motions.amass import read_amass
from metrichmsr_ros.data.motions.asf_amc import read_amc
from metrichmsr_ros.data.motions.bvh import read_bvh
from metrichmsr_ros.data.motions.clip import format_of, MotionClip, MotionError
from metrichmsr_ros.data.motions.deepmimic import read_deepmimic

__all__ = ['MotionClip', 'MotionError', 'read_folder', 'read_motion']

_READERS = {'.txt': read_deepmimic, '.amc': read_amc, '.bvh': read_bvh, '.npz': read_amass}
_NO_MOTION = 'shape.npz'  # AMASS keeps the shape of each subject beside the motions


def read_motion(path: str | PathLike[str]) -> MotionClip:
    """Read a motion; the suffix, before ``.gz`` if there is one, tells the format.

    Args:
        path: ``.txt`` (DeepMimic), ``.amc`` with its ``.asf``, ``.bvh`` or ``.npz`` (AMASS).

    Raises:
        MotionError: Unknown suffix, or the file breaks its format; names the file and the rule.
        FileNotFoundError: There is none.
    """
    path = Path(path)
    suffix = format_of(path)
    if suffix not in _READERS:
        raise MotionError(f'{path.name}: suffix {suffix!r} is not one of {", ".join(_READERS)}')
    return _READERS[suffix](path)


def read_folder(folder: str | PathLike[str]) -> list[MotionClip]:
    """Read all motions of a folder and its subfolders, in the order of their paths.

    Raises:
        MotionError: There is no motion, or a file breaks its format.
    """
    folder = Path(folder)
    paths = [
        path
        for path in sorted(folder.rglob('*'))
        if path.is_file() and format_of(path) in _READERS and not path.name.endswith(_NO_MOTION)
    ]
    if not paths:
        raise MotionError(f'{folder.name}: no motion file ({", ".join(_READERS)}) in this folder')
    return [read_motion(path) for path in paths]
