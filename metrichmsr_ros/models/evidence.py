"""What the network is given: BlazePose's findings about people and the exact rays of each crop.

Nothing is canonical here; the network turns it into the crop's own axes (``canonical.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.turns import turn_in_image
from metrichmsr_ros.structures import Frame, Landmarks, NUM_LANDMARKS

RAY_MAP_SIZE = 8
# Top left, top right, bottom right, bottom left of the unit square about the origin.
CORNERS = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])


@dataclass(frozen=True)
class Evidence:
    """Evidence of B people, float32 tensors of one device, all finite.

    Attributes:
        rays: Camera rays with z = 1 of the image landmarks, (B, 33, 3), lens distortion undone.
        relative_depth: BlazePose's z over the side of the crop, (B, 33), mid-hip 0, nearer < 0.
        world: As ``Landmarks.world``, (B, 33, 3), metres.
        visibility: As ``Landmarks.visibility``, (B, 33).
        presence: As ``Landmarks.presence``, (B, 33); 0 says that nothing is known of a landmark,
            whatever its other values.
        score: As ``Landmarks.scores``, (B,).
        crop_rays: Rays with z = 1 through the crop's corners, (B, 4, 3): top left, top right,
            bottom right, bottom left as the landmark network sees the (possibly turned) crop.
        ray_map: Boundary camera ray map of the crop, (B, 3, h, w), z = 1, at the centres of h by w
            equal cells, turned with the crop.
    """

    rays: Tensor
    relative_depth: Tensor
    world: Tensor
    visibility: Tensor
    presence: Tensor
    score: Tensor
    crop_rays: Tensor
    ray_map: Tensor

    @classmethod
    def from_landmarks(cls, frame: Frame, landmarks: Landmarks) -> Evidence:
        """Gather the evidence about the people of a frame, on the CPU.

        Args:
            frame: The image's camera is used, not its pixels.
            landmarks: N people of that image.

        Returns:
            Evidence of N people. A landmark without a ray or with unknown numbers has presence 0.
        """
        rois = landmarks.rois.astype(np.float64)
        size = RAY_MAP_SIZE
        pixels = np.concatenate(
            [
                landmarks.image[..., :2],
                crop_pixels(rois, CORNERS),
                crop_pixels(rois, cells(size)),
            ],
            axis=1,
        )
        rays, exact = rays_of_pixels(frame.camera, pixels)
        depth = landmarks.image[..., 2] / rois[:, 2:3]
        known = exact[:, :NUM_LANDMARKS] & np.isfinite(depth)
        known &= np.isfinite(landmarks.world).all(axis=-1)
        corners, cells_end = NUM_LANDMARKS + 4, NUM_LANDMARKS + 4 + size * size
        return cls(
            rays=_tensor(rays[:, :NUM_LANDMARKS]),
            relative_depth=_tensor(np.where(known, depth, 0)),
            world=_tensor(np.where(known[..., None], landmarks.world, 0)),
            visibility=_tensor(np.where(known, landmarks.visibility, 0)),
            presence=_tensor(np.where(known, landmarks.presence, 0)),
            score=_tensor(landmarks.scores),
            crop_rays=_tensor(rays[:, NUM_LANDMARKS:corners]),
            ray_map=_tensor(rays[:, corners:cells_end].reshape(-1, size, size, 3)).movedim(3, 1),
        )

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, index: Any) -> Evidence:
        """Return the people at ``index``: a slice, a mask, or a list or tensor of integers."""
        return Evidence(**{item.name: getattr(self, item.name)[index] for item in fields(self)})

    def to(self, device: torch.device | str) -> Evidence:
        """Return the evidence on ``device``."""
        return Evidence(
            **{item.name: getattr(self, item.name).to(device) for item in fields(self)}
        )


def cells(size: int) -> np.ndarray:
    """Return the centres of size² equal cells of the unit square about the origin, row by row.

    Returns:
        x, y, (size², 2), -0.5..0.5.
    """
    middle = (np.arange(size) + 0.5) / size - 0.5
    return np.stack(np.meshgrid(middle, middle, indexing='xy'), axis=-1).reshape(-1, 2)


def crop_pixels(rois: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return where places of the crop lie in the image.

    Args:
        rois: As ``Landmarks.rois``, (N, 4).
        places: x, y in crop sides from its centre, (K, 2).

    Returns:
        Pixels, (N, K, 2).
    """
    offsets = rois[:, 2, None, None] * places
    return rois[:, None, :2] + turn_in_image(offsets, rois[:, 3])


def rays_of_pixels(camera: Camera, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rays (N, K, 3), and whether the lens has them; else they are those without a lens."""
    finite = np.isfinite(pixels).all(axis=-1)
    pixels = np.where(finite[..., None], pixels, camera.K[:2, 2]).astype(np.float64)
    rays = camera.unproject(pixels)
    exact = np.isfinite(rays).all(axis=-1)
    if not exact.all():
        straight = Camera(camera.width, camera.height, camera.K)
        rays = np.where(exact[..., None], rays, straight.unproject(pixels))
    return rays, exact & finite


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


torch.export.register_dataclass(Evidence)
