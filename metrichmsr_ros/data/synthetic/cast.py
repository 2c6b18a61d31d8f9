"""The people of the synthetic world: bodies, clothes and motions, posed in the world frame.

Letters: T frames, V vertices. World frame as in ``skeleton``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import string

import numpy as np
from scipy.spatial.transform import Rotation
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.synthetic import wardrobe
from metrichmsr_ros.data.synthetic.motion import Build, Ellipse, Motion, stand, walk
from metrichmsr_ros.data.synthetic.outfits import Outfit, OUTFITS
from metrichmsr_ros.data.synthetic.render import TEXELS

MAX_PEOPLE = 3
_HEAD = 15
_MOUTH_BELOW_NOSE = 0.19  # in units of nose to crown


@dataclass(frozen=True)
class Actor:
    """One person through the loop.

    Attributes:
        id: Five lower-case letters.
        shape: β, (10,).
        motion: Pose and pelvis.
        translation: SMPL ``transl`` in the world, (T, 3), metres.
        texture: Linear albedo on the faces' texel grids, (F · TEXELS², 3).
        stand_off: Of cloth and hair from the skin, (V,), metres.
        height: Metres.
    """

    id: str
    shape: np.ndarray
    motion: Motion
    translation: np.ndarray
    texture: np.ndarray
    stand_off: np.ndarray
    height: float


def cast_actors(
    body: BodyModel, *, people: int, frames: int, seed: int, heights: Sequence[float] = ()
) -> list[Actor]:
    """Choose the looks and ways of ``people`` actors, who never meet.

    Raises:
        ValueError: ``people`` is not 1 to 3.
    """
    if not 1 <= people <= MAX_PEOPLE:
        raise ValueError(f'people={people} must be 1 to {MAX_PEOPLE}')
    rng = np.random.default_rng(seed)
    outfits = rng.permutation(len(OUTFITS))
    letters = rng.choice(list(string.ascii_lowercase), (MAX_PEOPLE, 5))
    actors = []
    for number in range(MAX_PEOPLE):
        # Drawn for all three, so that a person does not change with the number of people.
        shape = np.clip(rng.normal(0, 0.7, 10), -1.5, 1.5)
        shape[0] = rng.uniform(0.1, 1.0)
        style = rng.uniform(0.85, 1.15, 4)
        start, clockwise = rng.uniform(), bool(rng.integers(2))
        outfit = OUTFITS[outfits[number]]
        if number < len(heights):
            height = torch.tensor(heights[number : number + 1])
            shape = body.of_height(torch.tensor(shape[None]).float(), height)[0].double().numpy()
        if number < people:
            ways = _ways(start, clockwise)
            actors.append(
                _actor(body, shape, ways[number], style, outfit, ''.join(letters[number]), frames)
            )
    return actors


def surface(body: BodyModel, actor: Actor) -> tuple[np.ndarray, np.ndarray]:
    """Return the naked surface (T, V, 3) and joints (T, 24, 3) of an actor in the world."""
    shapes = np.broadcast_to(actor.shape, (len(actor.translation), 10))
    return body.pose_numpy(actor.motion.pose, shapes, actor.translation)


def to_camera(
    motion: Motion, rest_pelvis: np.ndarray, R: np.ndarray, origin: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Turn a motion of the world into the camera frame.

    Args:
        motion: In the world.
        rest_pelvis: Joint 0 of the unposed body, (3,), metres.
        R: Camera axes in the world, (3, 3).
        origin: Camera centre in the world, (3,), metres.

    Returns:
        θ (T, 24, 3) and SMPL ``transl`` (T, 3) in the camera frame.
    """
    pose = motion.pose.copy()
    roots = Rotation.from_matrix(R.T) * Rotation.from_rotvec(pose[:, 0])
    pose[:, 0] = roots.as_rotvec()
    return pose, (motion.pelvis - origin) @ R - rest_pelvis


def measure(body: BodyModel, vertices: np.ndarray, joints: np.ndarray) -> wardrobe.Figure:
    """Return the measures of a body at rest from its vertices (V, 3) and joints (24, 3)."""
    head = vertices[body.weights.argmax(1).numpy() == _HEAD]
    face = body.blazepose(torch.as_tensor(vertices, dtype=torch.float32))[:6].numpy().astype(float)
    nose, top = face[0], head[head[:, 1].argmax()]
    return wardrobe.Figure(
        joints=joints,
        nose=nose,
        eyes=face[[2, 5]],
        mouth=nose - [0.0, _MOUTH_BELOW_NOSE * (top[1] - nose[1]), 0.01],
        ears=head[[head[:, 0].argmax(), head[:, 0].argmin()]],
        top=top,
        sole=float(vertices[:, 1].min()),
    )


def _ways(start: float, clockwise: bool) -> tuple[tuple[Ellipse, int] | None, ...]:
    """Return path and steps of each actor; None stands."""
    near = Ellipse((0.1, -3.1), (0.95, 0.7), start, clockwise)
    far = Ellipse((0.05, -4.95), (1.35, 0.62), start, not clockwise)
    return ((near, 10), (far, 12), None)


def _actor(
    body: BodyModel,
    shape: np.ndarray,
    way: tuple[Ellipse, int] | None,
    style: np.ndarray,
    outfit: Outfit,
    name: str,
    frames: int,
) -> Actor:
    beta = torch.as_tensor(shape, dtype=torch.float32)[None]
    vertices = body.rest_vertices(beta)[0].numpy().astype(float)
    joints = body.rest_joints(beta)[0].numpy().astype(float)
    build = Build.of(vertices, joints)
    if way is None:
        motion = stand(build, (-1.8, -3.9), 0.45, frames=frames, style=style)
    else:
        motion = walk(build, way[0], steps=way[1], frames=frames, style=style)
    figure = measure(body, vertices, joints)
    return Actor(
        id=name,
        shape=shape,
        motion=motion,
        translation=motion.pelvis - joints[0],
        texture=wardrobe.paint_faces(
            vertices, body.faces, figure, outfit, texels=TEXELS, seed=int(1e6 * style[0])
        ),
        stand_off=wardrobe.stand_off(vertices, figure, outfit),
        height=float(body.heights(beta)[0]),
    )
