"""Landmarks of a body as linear combinations of its vertices.

Two sets: the named anatomical points that data sets measure, and the 33 points of BlazePose. Both
are put together from the body's regressors and its named surface points, so that they exist for
every SMPL-format body.
"""

from __future__ import annotations

import numpy as np

from metrichmsr_ros.body.joints import JOINT_INDEX
from metrichmsr_ros.body.model_file import LIMB_NAMES, ModelArrays

LANDMARK_NAMES: tuple[str, ...] = (
    'pelvis', 'left_hip', 'right_hip', 'left_knee', 'right_knee', 'left_ankle', 'right_ankle',
    'left_heel', 'right_heel', 'left_foot_index', 'right_foot_index', 'left_shoulder',
    'right_shoulder', 'left_elbow', 'right_elbow', 'left_wrist', 'right_wrist', 'neck', 'head',
    'head_top', 'nose',
)  # fmt: skip

BLAZEPOSE_NAMES: tuple[str, ...] = (
    'nose', 'left_eye_inner', 'left_eye', 'left_eye_outer', 'right_eye_inner', 'right_eye',
    'right_eye_outer', 'left_ear', 'right_ear', 'mouth_left', 'mouth_right', 'left_shoulder',
    'right_shoulder', 'left_elbow', 'right_elbow', 'left_wrist', 'right_wrist', 'left_pinky',
    'right_pinky', 'left_index', 'right_index', 'left_thumb', 'right_thumb', 'left_hip',
    'right_hip', 'left_knee', 'right_knee', 'left_ankle', 'right_ankle', 'left_heel',
    'right_heel', 'left_foot_index', 'right_foot_index',
)  # fmt: skip

_SIDES = {'left': 'right', 'right': 'left'}
MIRRORED_LANDMARKS: tuple[int, ...] = tuple(
    BLAZEPOSE_NAMES.index('_'.join(_SIDES.get(word, word) for word in name.split('_')))
    for name in BLAZEPOSE_NAMES
)

# Where BlazePose marks its points, measured on renders of the default body and, for the hips, on
# photographs with triangulated joints. Each number is a share of the way between two points.
_HIP_TO_KNEE, _HIP_TO_MIDDLE = 0.07, 0.1
_EYE_TO_CORNER = 0.25  # of the distance between the pupils
_EAR_TO_EYE = 0.2
_WRIST_TO_TIP = {'pinky': 0.6, 'index': 0.6, 'thumb': 0.55}
_KNUCKLE_TO_HAND = 0.35
_HEEL_TO_TOE = 0.08
_BEYOND_FOOT = 0.15  # of the distance from heel to toe

_Points = dict[str, np.ndarray]


def landmark_regressor(arrays: ModelArrays) -> np.ndarray:
    """Build the regressor of :data:`LANDMARK_NAMES`.

    ``pelvis`` is the mid-hip, ``neck`` its base, ``head`` the mid-point of the ears, and
    ``foot_index`` the big toe.

    Args:
        arrays: The body.

    Returns:
        Weights, (21, V), rows sum to one.
    """
    points = _anatomical_points(arrays, _surface_rows(arrays))
    return np.stack([points[name] for name in LANDMARK_NAMES])


def blazepose_regressor(arrays: ModelArrays) -> np.ndarray:
    """Build the regressor of the 33 BlazePose landmarks.

    Args:
        arrays: The body.

    Returns:
        Weights in the order of :data:`BLAZEPOSE_NAMES`, (33, V), rows sum to one.
    """
    surface = _surface_rows(arrays)
    points = _anatomical_points(arrays, surface)
    for side in ('left', 'right'):
        hip, knee = points[f'{side}_hip'], points[f'{side}_knee']
        points[f'{side}_hip'] = (
            hip + _HIP_TO_KNEE * (knee - hip) + _HIP_TO_MIDDLE * (points['pelvis'] - hip)
        )
        hand, foot = (
            arrays.j_regressor[JOINT_INDEX[f'{side}_{name}']] for name in ('hand', 'foot')
        )
        wrist, heel, toe = (points[f'{side}_{name}'] for name in ('wrist', 'heel', 'foot_index'))
        for finger, share in _WRIST_TO_TIP.items():
            knuckle = wrist + share * (surface[f'{side}_{finger}_tip'] - wrist)
            points[f'{side}_{finger}'] = knuckle + _KNUCKLE_TO_HAND * (hand - knuckle)
        points[f'{side}_heel'] = heel + _HEEL_TO_TOE * (toe - heel)
        points[f'{side}_foot_index'] = foot + _BEYOND_FOOT * (toe - heel)
    points |= _face_points(surface)
    return np.stack([points[name] for name in BLAZEPOSE_NAMES])


def _face_points(surface: _Points) -> _Points:
    points = {}
    middle = (surface['left_eye'] + surface['right_eye']) / 2
    for side in ('left', 'right'):
        eye, ear = surface[f'{side}_eye'], surface[f'{side}_ear']
        outwards = eye - middle
        points[f'{side}_eye'] = eye
        points[f'{side}_eye_inner'] = eye - 2 * _EYE_TO_CORNER * outwards
        points[f'{side}_eye_outer'] = eye + 2 * _EYE_TO_CORNER * outwards
        points[f'{side}_ear'] = ear + _EAR_TO_EYE * (eye - ear)
        # SMPL does not name its mouth: it lies about half as far below the nose as the eyes above.
        guess = 1.55 * surface['nose'] - 0.55 * middle + 0.75 * outwards
        points[f'mouth_{side}'] = surface.get(f'{side}_mouth', guess)
    return points


def _anatomical_points(arrays: ModelArrays, surface: _Points) -> _Points:
    points = dict(zip(LIMB_NAMES, arrays.limb_regressor, strict=True))
    for side in ('left', 'right'):
        points[f'{side}_hip'] = arrays.j_regressor[JOINT_INDEX[f'{side}_hip']]
    points['pelvis'] = (points['left_hip'] + points['right_hip']) / 2
    # Data sets mark the neck's base: half-way from SMPL's neck joint to between the shoulders.
    mid_shoulders = (points['left_shoulder'] + points['right_shoulder']) / 2
    points['neck'] = (arrays.j_regressor[JOINT_INDEX['neck']] + mid_shoulders) / 2
    points['head'] = (surface['left_ear'] + surface['right_ear']) / 2
    points['head_top'], points['nose'] = surface['head_top'], surface['nose']
    for side in ('left', 'right'):
        points[f'{side}_heel'] = surface[f'{side}_heel']
        points[f'{side}_foot_index'] = surface[f'{side}_big_toe']
    return points


def _surface_rows(arrays: ModelArrays) -> _Points:
    rows = {}
    for name, vertex in arrays.surface_points.items():
        rows[name] = np.zeros(len(arrays.v_template))
        rows[name][vertex] = 1.0
    return rows
