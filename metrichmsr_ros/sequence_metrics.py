"""Metrics of people over time, as WHAM's and TRAM's evaluation code defines them.

Which frames count is the caller's: the usual protocol leaves the bad frames of a sequence out
before anything else, so that frames on both sides of a gap become neighbours. A function returns
one value per frame; a data set's figure is ``mean_over_frames``. W-MPJPE and WA-MPJPE estimate a
scale, so a prediction at 1.3 times its size has the same values: they say nothing about metric
scale. RTE and ERVE do.

Letters: T frames, J joints, V vertices. Metres in, millimetres out unless said otherwise; world
frame for trajectories, any frame for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from metrichmsr_ros.geometry.alignment import rigid_align, similarity_align

CHUNK = 100
_FIRST_FRAMES = 2  # that W-MPJPE aligns
_MM = 1000.0
HIPS = (1, 2)
FOOT_VERTICES = (3216, 3387, 6617, 6787)  # big toes and heels of the SMPL topology
CONTACT_SPEED = 0.01  # metres per frame below which a true foot stands

Chunking = Literal['wham', 'tram']


def chunks(frames: int, *, length: int = CHUNK, convention: Chunking = 'wham') -> list[slice]:
    """Cut a sequence; the two conventions give slightly different figures.

    Args:
        frames: T, at least 1.
        length: Frames of a chunk.
        convention: ``'wham'`` keeps a short last chunk. ``'tram'`` adds it to the one before, and
            leaves the sequence's final frame out.

    Returns:
        Consecutive slices. A last WHAM chunk of a single frame is aligned on that frame alone.

    Raises:
        ValueError: An unknown convention, or nothing to cut.
    """
    if convention not in ('wham', 'tram'):
        raise ValueError(f"convention must be 'wham' or 'tram', got {convention!r}")
    end = frames if convention == 'wham' else frames - 1
    if end < 1:
        raise ValueError(f'{frames} frames leave nothing to cut by convention {convention!r}')
    starts = list(range(0, end, length))
    if convention == 'tram' and len(starts) > 1 and end - starts[-1] < length:
        starts.pop()
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], end], strict=True)]


def mpjpe_frames(
    predicted: np.ndarray, true: np.ndarray, *, root: tuple[int, ...] = HIPS
) -> np.ndarray:
    """Return the mean distance of joints after both roots are moved to the origin.

    Args:
        predicted: (T, J, 3).
        true: (T, J, 3).
        root: Joints whose mean is the root; EMDB's: the hips 1 and 2 of SMPL's 24.

    Returns:
        (T,) mm.
    """
    _check(predicted, true)
    return _mean_distance(_rooted(predicted, predicted, root), _rooted(true, true, root))


def pa_mpjpe_frames(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return the mean distance of joints after one similarity transform per frame, (T,) mm."""
    _check(predicted, true)
    return _mean_distance(similarity_align(predicted, true).apply(predicted), true)


def pve_frames(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    predicted_joints: np.ndarray,
    true_joints: np.ndarray,
    root: tuple[int, ...] = HIPS,
) -> np.ndarray:
    """Return the mean distance of vertices after both roots are moved to the origin.

    Args:
        predicted: Vertices, (T, V, 3).
        true: Vertices, (T, V, 3).
        predicted_joints: Joints that the root is taken from, (T, J, 3).
        true_joints: The same of the truth, (T, J, 3).
        root: As in ``mpjpe_frames``.

    Returns:
        (T,) mm.
    """
    _check(predicted, true)
    return _mean_distance(
        _rooted(predicted, predicted_joints, root), _rooted(true, true_joints, root)
    )


def wa_mpjpe(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    length: int = CHUNK,
    convention: Chunking = 'wham',
) -> np.ndarray:
    """Return WA-MPJPE: each chunk after one similarity transform fitted on all its joints.

    Args:
        predicted: World joints, (T, J, 3).
        true: World joints, (T, J, 3).
        length: Frames of a chunk.
        convention: As in ``chunks``.

    Returns:
        (T,) mm; (T - 1,) by TRAM's convention.
    """
    return _chunked(predicted, true, None, length=length, convention=convention)


def w_mpjpe(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    length: int = CHUNK,
    convention: Chunking = 'wham',
) -> np.ndarray:
    """Return W-MPJPE: as ``wa_mpjpe``, but fitted on each chunk's first two frames."""
    return _chunked(predicted, true, _FIRST_FRAMES, length=length, convention=convention)


def rte(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return the root translation error: rigidly aligned, no scale, over the path's length.

    Args:
        predicted: World trajectory of the root, (T, 3), T >= 3.
        true: World trajectory of the root, (T, 3).

    Returns:
        (T,) per cent of the whole true path.

    Raises:
        ValueError: The true root does not move: there is no path to compare with.
    """
    _check(predicted, true)
    path = float(np.linalg.norm(np.diff(true, axis=0), axis=-1).sum())
    if not path > 0:
        raise ValueError('RTE needs a true root that moves, got a path of length 0 m')
    aligned = rigid_align(predicted, true).apply(predicted)
    return 100.0 * np.linalg.norm(aligned - true, axis=-1) / path


def erve(
    predicted: np.ndarray,
    true: np.ndarray,
    *,
    predicted_rotation: np.ndarray,
    true_rotation: np.ndarray,
) -> np.ndarray:
    """Return the egocentric root velocity error of TRAM; nothing else is aligned.

    A frame's predicted velocity is turned by ``R_true R_predᵀ`` of that frame, so that a wrong
    heading is not counted as a wrong speed.

    Args:
        predicted: World trajectory of the root, (T, 3).
        true: World trajectory of the root, (T, 3).
        predicted_rotation: Root to world, (T, 3, 3).
        true_rotation: Root to world, (T, 3, 3).

    Returns:
        (T - 1,) mm per frame.
    """
    _check(predicted, true)
    turn = true_rotation @ np.swapaxes(predicted_rotation, -1, -2)
    velocity = (turn[:-1] @ np.diff(predicted, axis=0)[..., None])[..., 0]
    return _MM * np.linalg.norm(velocity - np.diff(true, axis=0), axis=-1)


def acceleration_error(
    predicted: np.ndarray, true: np.ndarray, *, rate: float = 30.0
) -> np.ndarray:
    """Return the mean over joints of the distance between second differences.

    Args:
        predicted: Joints, (T, J, 3), about the root where the sequence moves.
        true: The same of the truth.
        rate: Frames per second.

    Returns:
        (T - 2,) m/s²: the first and last frame have none.
    """
    _check(predicted, true)
    error = np.diff(predicted, n=2, axis=0) - np.diff(true, n=2, axis=0)
    return np.linalg.norm(error, axis=-1).mean(-1) * rate**2


def jitter(predicted: np.ndarray, *, rate: float = 30.0) -> np.ndarray:
    """Return the mean over joints of the third difference of the prediction alone.

    Args:
        predicted: World joints, (T, J, 3).
        rate: Frames per second.

    Returns:
        (T - 3,) in units of 10 m/s³, as published.
    """
    return np.linalg.norm(np.diff(predicted, n=3, axis=0), axis=-1).mean(-1) * rate**3 / 10.0


def foot_sliding(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return how far predicted feet move between frames in which the true ones stand.

    Args:
        predicted: World positions of foot points, (T, F, 3); WHAM's are the vertices
            ``FOOT_VERTICES`` of the SMPL topology.
        true: The same of the truth.

    Returns:
        One value per foot point and pair of frames in contact, mm; empty without contact.
    """
    _check(predicted, true)
    stands = np.linalg.norm(np.diff(true, axis=0), axis=-1) < CONTACT_SPEED
    return _MM * np.linalg.norm(np.diff(predicted, axis=0), axis=-1)[stands]


def mean_over_frames(sequences: Iterable[np.ndarray]) -> float:
    """Return the mean over the frames of all sequences: long ones count more. NaN without any."""
    values = np.concatenate([np.ravel(values) for values in sequences] or [np.zeros(0)])
    return float(values.mean()) if values.size else float('nan')


def _chunked(
    predicted: np.ndarray,
    true: np.ndarray,
    fitted: int | None,
    *,
    length: int,
    convention: Chunking,
) -> np.ndarray:
    """Return mean distances per frame, each chunk aligned on its first ``fitted`` frames."""
    _check(predicted, true)
    errors = []
    for part in chunks(len(true), length=length, convention=convention):
        source, target = predicted[part], true[part]
        transform = similarity_align(
            source[:fitted].reshape(-1, 3), target[:fitted].reshape(-1, 3)
        )
        aligned = transform.apply(source.reshape(-1, 3)).reshape(source.shape)
        errors.append(_mean_distance(aligned, target))
    return np.concatenate(errors)


def _rooted(points: np.ndarray, joints: np.ndarray, root: tuple[int, ...]) -> np.ndarray:
    return points - joints[:, list(root)].mean(1, keepdims=True)


def _mean_distance(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    return _MM * np.linalg.norm(predicted - true, axis=-1).mean(-1)


def _check(predicted: np.ndarray, true: np.ndarray) -> None:
    if predicted.shape != true.shape or true.shape[-1] != 3:
        raise ValueError(
            f'prediction and truth must both be (T, ..., 3), got {predicted.shape} and '
            f'{true.shape}'
        )
