"""From the joints of another skeleton to SMPL's: global turns, and the bones' directions at rest.

A bone of the source that points along ``a`` at rest and the one of SMPL that points along ``b``
must point the same way in every pose: ``R_smpl = R_source · (smallest turn from b to a)``. The
source's world has y up, its rest pose faces +z with the left at +x.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.joints import JOINT_INDEX, JOINT_NAMES, PARENTS
from metrichmsr_ros.geometry.turns import inverse, rotvec, smallest_turn, unit

# The joint at the far end of the bones whose direction counts; trunk and head keep their axes.
_CHILD = {
    f'{side}_{name}': f'{side}_{child}'
    for side in ('left', 'right')
    for name, child in (
        ('hip', 'knee'), ('knee', 'ankle'), ('ankle', 'foot'), ('shoulder', 'elbow'),
        ('elbow', 'wrist'),
    )
}  # fmt: skip


def to_smpl(turns: Mapping[str, np.ndarray], directions: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return SMPL's θ of a motion.

    Args:
        turns: SMPL joint → rotation of its counterpart in the world, (T, 3, 3), identity at rest.
            Joints that are missing follow their parent; the pelvis may not be missing.
        directions: SMPL joint → direction of its counterpart's bone at rest, (3,).

    Returns:
        Axis-angle, (T, 24, 3) float32.
    """
    rest = _rest_joints()
    world: list[np.ndarray] = []
    local = []
    for index, (name, parent) in enumerate(zip(JOINT_NAMES, PARENTS, strict=True)):
        if name in turns:
            R = turns[name]
            if name in directions and name in _CHILD:
                bone = unit(rest[JOINT_INDEX[_CHILD[name]]] - rest[index])
                R = R @ smallest_turn(bone, unit(directions[name]))
        else:
            R = world[parent]
        world.append(R)
        local.append(R if parent < 0 else inverse(world[parent]) @ R)
    return rotvec(np.stack(local, 1)).astype(np.float32)


@lru_cache(maxsize=1)
def _rest_joints() -> np.ndarray:
    return BodyModel.load().joint_template.numpy().astype(np.float64)
