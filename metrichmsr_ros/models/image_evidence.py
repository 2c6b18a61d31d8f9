"""What the network is given with ViTPose: pixels and rays of the same crop of each person."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from metrichmsr_ros.models.evidence import cells, CORNERS, crop_pixels, rays_of_pixels
from metrichmsr_ros.perception.blazepose.crops import check_rois, crop
from metrichmsr_ros.structures import Frame

# A square crop of 256 pixels, of which ViTPose sees the middle 192 columns.
IMAGE_HEIGHT, IMAGE_WIDTH = 256, 192
RAY_MAP_SIZE = 224


@dataclass(frozen=True)
class ImageEvidence:
    """Evidence of B people, float32 tensors of one device, all finite.

    Attributes:
        image: RGB 0..1 of the middle three quarters of the crop, (B, 3, 256, 192).
        crop_rays: Rays with z = 1 through the square crop's corners, (B, 4, 3): top left, top
            right, bottom right, bottom left as the (possibly turned) crop shows them.
        ray_map: Boundary camera ray map of the square crop, (B, 3, 224, 224), z = 1, lens
            distortion undone, at the centres of equal cells.
    """

    image: Tensor
    crop_rays: Tensor
    ray_map: Tensor

    @classmethod
    def from_frame(cls, frame: Frame, rois: np.ndarray) -> ImageEvidence:
        """Read the crops of people, on the CPU.

        Args:
            frame: The image and its camera.
            rois: Centre x, centre y, side and clockwise angle, (N, 4), pixels and radians, as in
                ``Landmarks.rois``.

        Raises:
            ValueError: A roi is not finite or has no area.
        """
        rois = check_rois(rois)
        size = RAY_MAP_SIZE
        pixels = np.concatenate(
            [crop_pixels(rois, CORNERS), crop_pixels(rois, cells(size))], axis=1
        )
        found, _ = rays_of_pixels(frame.camera, pixels)
        rays = torch.from_numpy(found.astype(np.float32))
        images = np.zeros((len(rois), IMAGE_HEIGHT, IMAGE_WIDTH, 3), np.uint8)
        for i, roi in enumerate(rois):
            images[i] = _pixels(frame.image, roi)
        return cls(
            image=torch.from_numpy(images).movedim(3, 1).float() / 255,
            crop_rays=rays[:, :4],
            ray_map=rays[:, 4:].unflatten(1, (size, size)).movedim(3, 1).contiguous(),
        )

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, index: Any) -> ImageEvidence:
        """Return the people at ``index``: a slice, a mask, or a list or tensor of integers."""
        return ImageEvidence(
            **{item.name: getattr(self, item.name)[index] for item in fields(self)}
        )

    def to(self, device: torch.device | str) -> ImageEvidence:
        """Return the evidence on ``device``."""
        return ImageEvidence(
            **{item.name: getattr(self, item.name).to(device) for item in fields(self)}
        )


def _pixels(image: np.ndarray, roi: np.ndarray) -> np.ndarray:
    """Return the middle of a crop, (256, 192, 3) uint8, black outside the image.

    A large crop is read finer and averaged, else bilinear reading would skip pixels.
    """
    finer = max(1, min(4, round(roi[2] / IMAGE_HEIGHT)))
    square = crop(image, roi, finer * IMAGE_HEIGHT, border=cv2.BORDER_CONSTANT)
    if finer > 1:
        size = (IMAGE_HEIGHT, IMAGE_HEIGHT)
        square = cv2.resize(square, size, interpolation=cv2.INTER_AREA)
    margin = (IMAGE_HEIGHT - IMAGE_WIDTH) // 2
    return square[:, margin : margin + IMAGE_WIDTH]


torch.export.register_dataclass(ImageEvidence)
