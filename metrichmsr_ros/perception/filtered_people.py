"""People as their filters know them, posed once.

Letters: N people, J = 24 joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.skinning import forward_kinematics, rotation_matrices
from metrichmsr_ros.geometry.boxes import mesh_boxes
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.person_filter import PersonFilter, STATURES
from metrichmsr_ros.structures import People


def filtered(
    people: People, filters: Sequence[PersonFilter], body: BodyModel, camera: Camera
) -> People:
    """Return the people with pose, build and place as their filters say.

    Args:
        people: N people; ids, states and scores stay.
        filters: Theirs, N.
        body: Poses them.
        camera: Of the image, for the boxes.
    """
    if not len(people):
        return people
    pose = np.stack([person.joints.rotvecs for person in filters]).astype(np.float32)
    shape = np.stack([person.shape.mean for person in filters]).astype(np.float32)
    pelvis = np.stack([person.pelvis for person in filters]).astype(np.float32)
    with torch.inference_mode():
        betas = torch.from_numpy(shape)
        larger = torch.tensor([np.exp(person.scale.build) for person in filters]).float()
        if (larger != 1.0).any():
            wanted = (body.heights(betas) * larger).clamp(*STATURES)
            betas = body.of_height(betas, wanted)
            shape = betas.numpy()
        translation = pelvis - body.rest_joints(betas)[:, 0].numpy()
        heights = body.heights(betas).numpy()
    vertices, joints = body.pose_numpy(pose, shape, translation)
    return replace(
        people,
        boxes=mesh_boxes(camera, vertices, people.boxes),
        pose=pose,
        shape=shape,
        translation=translation,
        vertices=vertices,
        joints=joints,
        pelvis_covariance=np.stack([p.covariance for p in filters]).astype(np.float32),
        heights=heights,
    )


@torch.inference_mode()
def same_image(people: People, shape: np.ndarray, body: BodyModel) -> np.ndarray:
    """Return where people of another build must stand to look as they do.

    Size and distance are one in an image: who is taken for larger by a factor is farther by it.
    The factor is that of the posed joints as seen across the ray, and is exact where all of the
    body grows alike.

    Args:
        people: N people.
        shape: Their other β, (N, 10).
        body: Whose parameters these are.

    Returns:
        Pelvises, (N, 3) float64, metres, on the rays of ``people.pelvis``.
    """
    rest = body.rest_joints(torch.from_numpy(np.concatenate([people.shape, shape])).float())
    rotations = rotation_matrices(torch.from_numpy(people.pose)).repeat(2, 1, 1, 1)
    parents, hops = body.parent_index, body.hops
    joints = forward_kinematics(rotations, rest, parents=parents, hops=hops)[1].double().numpy()
    joints = joints - joints[:, :1]
    pelvis = people.pelvis.astype(np.float64)
    ray = pelvis / np.linalg.norm(pelvis, axis=1, keepdims=True)
    before, now = joints[: len(people)], joints[len(people) :]
    before = before - np.einsum('njc,nc,nd->njd', before, ray, ray)
    factor = (before * now).sum(axis=(1, 2)) / (before * before).sum(axis=(1, 2))
    return pelvis * factor[:, None]


def along_ray(
    people: People, factor: np.ndarray, covariance: np.ndarray, camera: Camera
) -> People:
    """Return the people moved as a whole along the rays of their pelvises.

    Args:
        people: N people.
        factor: Of the pelvises' distances, (N,).
        covariance: Of the pelvises there, (N, 3, 3), m².
        camera: Of the image, for the boxes.
    """
    shift = (people.pelvis * (factor[:, None] - 1.0)).astype(np.float32)
    vertices = people.vertices + shift[:, None]
    return replace(
        people,
        boxes=mesh_boxes(camera, vertices, people.boxes),
        translation=people.translation + shift,
        vertices=vertices,
        joints=people.joints + shift[:, None],
        pelvis_covariance=covariance.astype(np.float32),
        velocities=(people.velocities * factor[:, None]).astype(np.float32),
    )
