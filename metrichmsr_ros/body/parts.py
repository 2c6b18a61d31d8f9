"""What each vertex of a body would be dressed in, for rendering people."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from metrichmsr_ros.body.joints import JOINT_INDEX
from metrichmsr_ros.body.model_file import ModelArrays


class BodyPart(IntEnum):
    """Material of a vertex."""

    SKIN = 0
    HAIR = 1
    SHIRT = 2
    TROUSERS = 3
    SHOES = 4


_SHIRT_JOINTS = ('spine1', 'spine2', 'spine3', 'left_collar', 'right_collar')
_SLEEVE_JOINTS = ('left_shoulder', 'right_shoulder')
_TROUSER_JOINTS = ('pelvis', 'left_hip', 'right_hip', 'left_knee', 'right_knee')
_SHOE_JOINTS = ('left_ankle', 'right_ankle', 'left_foot', 'right_foot')
# Sleeves end at this part of the upper arm, shoes at this part of the shank above the ankle.
_SLEEVE = 0.6
_SHOE_SHAFT = 0.12


def label_parts(arrays: ModelArrays) -> np.ndarray:
    """Label every vertex of the T-pose template.

    Short sleeves, long trousers, shoes, and hair on the scalp above the brows and behind the ears.

    Args:
        arrays: The body.

    Returns:
        ``BodyPart`` values, (V,) uint8.
    """
    vertices = arrays.v_template
    joints = arrays.j_regressor @ vertices
    owner = arrays.weights.argmax(1)
    labels = np.full(len(vertices), BodyPart.SKIN, np.uint8)

    def owned(names: tuple[str, ...]) -> np.ndarray:
        return np.isin(owner, [JOINT_INDEX[name] for name in names])

    shoulder_x, elbow_x = (
        joints[JOINT_INDEX['left_shoulder'], 0],
        joints[JOINT_INDEX['left_elbow'], 0],
    )
    in_sleeve = np.abs(vertices[:, 0]) < shoulder_x + _SLEEVE * (elbow_x - shoulder_x)
    knee_y, ankle_y = joints[JOINT_INDEX['left_knee'], 1], joints[JOINT_INDEX['left_ankle'], 1]
    in_shoe = vertices[:, 1] < ankle_y + _SHOE_SHAFT * (knee_y - ankle_y)
    labels[owned(_SHIRT_JOINTS) | (owned(_SLEEVE_JOINTS) & in_sleeve)] = BodyPart.SHIRT
    labels[owned(_TROUSER_JOINTS)] = BodyPart.TROUSERS
    labels[owned(('pelvis',)) & (vertices[:, 1] > joints[0, 1])] = BodyPart.SHIRT
    labels[(owned(_SHOE_JOINTS) | owned(_TROUSER_JOINTS)) & in_shoe] = BodyPart.SHOES
    labels[owned(_SHOE_JOINTS) & ~in_shoe] = BodyPart.TROUSERS
    labels[owned(('head',)) & _on_scalp(arrays)] = BodyPart.HAIR
    return labels


def _on_scalp(arrays: ModelArrays) -> np.ndarray:
    """Say which vertices lie above a plane from above the brows to below the back of the ears."""
    vertices = arrays.v_template
    eye, ear, top = (
        vertices[[arrays.surface_points[name] for name in names]].mean(0)
        for names in (('left_eye', 'right_eye'), ('left_ear', 'right_ear'), ('head_top',))
    )
    brow_y = eye[1] + 0.45 * (top[1] - eye[1])
    nape_y, nape_z = ear[1] - 0.35 * (top[1] - ear[1]), ear[2] - (eye[2] - ear[2])
    slope = (brow_y - nape_y) / (eye[2] - nape_z)
    return vertices[:, 1] > nape_y + slope * (vertices[:, 2] - nape_z)
