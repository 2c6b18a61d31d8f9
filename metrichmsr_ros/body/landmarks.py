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

# BlazePose marks hips lower than the femoral heads: by 2-3 % of a standing person's box, 4 cm,
# which is a tenth of the thigh.
_HIP_DROP = 0.1
# Distances between the eyes, in units of the pupils' distance.
_EYE_HALF_WIDTH = 0.25
# Where BlazePose marks the knuckles on the way from the wrist to the fingertips.
_KNUCKLE = 0.6
_THUMB_KNUCKLE = 0.55

_Points = dict[str, np.ndarray]


def landmark_regressor(arrays: ModelArrays) -> np.ndarray:
    """Build the regressor of :data:`LANDMARK_NAMES`.

    ``pelvis`` is the mid-hip, ``neck`` its base, ``head`` the mid-point of the ears, ``foot_index``
    the big toe.

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
    mid_eyes = (surface['left_eye'] + surface['right_eye']) / 2
    half_pupils = (surface['left_eye'] - surface['right_eye']) / 2
    for side, sign in (('left', 1.0), ('right', -1.0)):
        eye = surface[f'{side}_eye']
        width = sign * 2 * _EYE_HALF_WIDTH * half_pupils
        points[f'{side}_eye'] = eye
        points[f'{side}_eye_inner'] = eye - width
        points[f'{side}_eye_outer'] = eye + width
        points[f'{side}_ear'] = surface[f'{side}_ear']
        mouth = f'{side}_mouth'
        points[f'mouth_{side}'] = (
            surface[mouth]
            if mouth in surface
            # A body that does not name its mouth: about as far below the nose as that is below
            # the eyes.
            else 1.55 * surface['nose'] - 0.55 * mid_eyes + sign * 0.75 * half_pupils
        )
        hip, knee, wrist = (points[f'{side}_{name}'] for name in ('hip', 'knee', 'wrist'))
        points[f'{side}_hip'] = hip + _HIP_DROP * (knee - hip)
        for finger, part in (('pinky', _KNUCKLE), ('index', _KNUCKLE), ('thumb', _THUMB_KNUCKLE)):
            tip = surface[f'{side}_{finger}_tip']
            points[f'{side}_{finger}'] = wrist + part * (tip - wrist)
    return np.stack([points[name] for name in BLAZEPOSE_NAMES])


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
