"""People before a camera without noise, as evidence for the network's tests."""

from dataclasses import replace

import roma
import torch
from torch import Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.body_points import BodyPoints
from metrichmsr_ros.geometry.rotations import aa_to_matrix
from metrichmsr_ros.models.canonical import crop_frame, turn_from_optical_axis
from metrichmsr_ros.models.evidence import cells, Evidence, RAY_MAP_SIZE

_HIPS = [23, 24]


def made_evidence(body: BodyModel, count: int, *, seed: int = 0) -> tuple[Evidence, Tensor]:
    """Return evidence about people a few metres away, and their pelvises (B, 3)."""
    torch.manual_seed(seed)
    pose = 0.2 * torch.randn(count, 24, 3)
    pose[:, 0] += torch.tensor([torch.pi, 0, 0])
    shape = torch.randn(count, 10)
    _, points = BodyPoints(body)(aa_to_matrix(pose), shape)
    pelvis = torch.randn(count, 3) * torch.tensor([0.5, 0.3, 0.5]) + torch.tensor([0.2, 0, 4.0])
    points = points + pelvis[:, None]
    axes = _crop_axes(torch.nn.functional.normalize(points.mean(1), dim=-1), torch.randn(count))
    reach = 2.2 / pelvis.norm(dim=-1)
    mid_hip = points[:, _HIPS].mean(1, keepdim=True)
    corners = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    grid = _rays(axes, reach, torch.from_numpy(cells(RAY_MAP_SIZE)).float())
    crop_rays = _rays(axes, reach, corners)
    R_cam_world = turn_from_optical_axis(crop_frame(crop_rays).axes[..., 2])
    evidence = Evidence(
        rays=points / points[..., 2:],
        relative_depth=(points - mid_hip)[..., 2] / 2.2,
        world=(points - mid_hip) @ R_cam_world,
        visibility=torch.rand(count, 33).clamp(min=0.1),
        presence=torch.rand(count, 33).clamp(min=0.1),
        score=torch.rand(count),
        crop_rays=crop_rays,
        ray_map=grid.unflatten(1, (RAY_MAP_SIZE, RAY_MAP_SIZE)).movedim(3, 1),
    )
    return evidence, pelvis


def turned(evidence: Evidence, R: Tensor) -> Evidence:
    """Return what a camera turned by ``R`` (3, 3) about its centre would have seen."""

    def turn(rays: Tensor) -> Tensor:
        rays = rays @ R.T
        assert (rays[..., 2] > 0).all()
        return rays / rays[..., 2:]

    crop_rays = turn(evidence.crop_rays)
    before = turn_from_optical_axis(crop_frame(evidence.crop_rays).axes[..., 2])
    after = turn_from_optical_axis(crop_frame(crop_rays).axes[..., 2])
    return replace(
        evidence,
        rays=turn(evidence.rays),
        world=evidence.world @ (after.mT @ R @ before).mT,
        crop_rays=crop_rays,
        ray_map=turn(evidence.ray_map.movedim(1, 3)).movedim(3, 1),
    )


def receded(evidence: Evidence, factor: float) -> Evidence:
    """Return what a camera with ``factor`` times the focal length about each crop's axis sees."""
    axes = crop_frame(evidence.crop_rays).axes
    longer = torch.tensor([1 / factor, 1 / factor, 1.0])

    def recede(rays: Tensor) -> Tensor:
        rays = (rays @ axes) * longer @ axes.mT
        return rays / rays[..., 2:]

    cells_of = evidence.ray_map.flatten(2).mT
    return replace(
        evidence,
        rays=recede(evidence.rays),
        crop_rays=recede(evidence.crop_rays),
        ray_map=recede(cells_of).mT.unflatten(2, (RAY_MAP_SIZE, RAY_MAP_SIZE)),
    )


def _crop_axes(z: Tensor, rolls: Tensor) -> Tensor:
    x = torch.linalg.cross(torch.tensor([[0.0, 1.0, 0.0]]).expand_as(z), z)
    x = torch.nn.functional.normalize(x, dim=-1)
    axes = torch.stack([x, torch.linalg.cross(z, x), z], -1)
    return roma.rotvec_to_rotmat(0.3 * rolls[:, None] * z) @ axes


def _rays(axes: Tensor, reach: Tensor, places: Tensor) -> Tensor:
    plane = reach[:, None, None] * places
    rays = torch.cat([plane, torch.ones_like(plane[..., :1])], -1) @ axes.mT
    return rays / rays[..., 2:]
