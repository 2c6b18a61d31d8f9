"""The depth refiner in the frame pipeline: a network's field of scale and shift."""

from __future__ import annotations

from os import PathLike

import cv2
import numpy as np
import torch

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.models.depth_refiner import DepthRefiner
from metrichmsr_ros.models.depth_refiner_input import (
    anchor_maps,
    grid_camera,
    grid_size,
    refiner_input,
)
from metrichmsr_ros.perception.affine_field import AffineField, corrected
from metrichmsr_ros.perception.anchors import Anchors
from metrichmsr_ros.perception.depth_refinement import Expected, fit_affine
from metrichmsr_ros.structures import DepthImage, Frame, People

_ENOUGH = 2000  # anchors are enough for two numbers
# Of the prior's pixels: the network has learned from dense priors with holes, and what it makes of
# a laser's lines is worse than the fit alone.
_LEAST_KNOWN = 0.25


class LearnedField:
    """What one factor and one shift leave, the network corrects; follows ``FieldEstimator``.

    Without sound anchors there is no field: nobody in view changes nothing. A sparse prior gets
    the fit alone.
    """

    def __init__(self, network: DepthRefiner) -> None:
        """Take a network for inference.

        Args:
            network: On the CPU; put into evaluation mode.
        """
        self._network = network.eval()
        self._rays: tuple[Camera, torch.Tensor] | None = None

    @classmethod
    def from_pretrained(cls, path_or_name: str | PathLike[str]) -> LearnedField:
        """Load a network and run it once, so that no frame waits for what comes first.

        Args:
            path_or_name: As of :meth:`DepthRefiner.from_pretrained`.

        Raises:
            CheckpointError: The checkpoint is missing, unreadable or does not fit.
        """
        network = DepthRefiner.from_pretrained(path_or_name)
        size = grid_size(4, 3)[::-1]
        blank = torch.ones(1, *size)
        with torch.inference_mode():
            network(
                refiner_input(
                    torch.zeros(1, 3, *size, dtype=torch.uint8),
                    blank,
                    blank,
                    blank,
                    torch.zeros(1, 2, *size),
                )
            )
        return cls(network)

    @torch.inference_mode()
    def estimate(
        self, frame: Frame, prior: DepthImage, anchors: Anchors, people: People
    ) -> AffineField | None:
        """Return the correction of a prior, None where the anchors say nothing sound.

        Args:
            frame: The image that the prior shows.
            prior: On the frame's camera.
            anchors: Where people are known, in the prior's pixels.
            people: Not looked at: what is known of them is in the anchors.
        """
        some = anchors.select(np.arange(0, len(anchors), max(1, len(anchors) // _ENOUGH)))
        fit = fit_affine(some, Expected.of(prior))
        if fit is None:
            return None
        rays = self._grid_rays(frame.camera)
        shape = rays.shape[2], rays.shape[3]
        size = shape[::-1]
        image = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
        prior_z = cv2.resize(prior.depth_z, size, interpolation=cv2.INTER_NEAREST_EXACT)
        if np.isfinite(prior_z).mean() < _LEAST_KNOWN:
            return AffineField.constant(*fit)
        anchor_z, sigma = anchor_maps(
            anchors.row * shape[0] // prior.depth_z.shape[0],
            anchors.column * shape[1] // prior.depth_z.shape[1],
            anchors.mesh_z,
            anchors.sigma,
            shape,
        )
        depth_z = corrected(prior_z, np.float32(fit[0]), np.float32(fit[1]))
        scene = refiner_input(
            torch.from_numpy(image).permute(2, 0, 1)[None],
            torch.from_numpy(depth_z)[None],
            torch.from_numpy(anchor_z)[None],
            torch.from_numpy(sigma)[None],
            rays,
        )
        field = self._network(scene)
        factor = field.log_scale[0].exp().numpy()
        shift = factor * fit[1] + field.shift[0].numpy()
        return AffineField(factor * np.float32(fit[0]), shift.astype(np.float32))

    def _grid_rays(self, camera: Camera) -> torch.Tensor:
        """Return x and y of the rays at the network's size, (1, 2, H, W); kept per camera."""
        if self._rays is None or self._rays[0] != camera:
            rays = grid_camera(camera).pixel_rays()[..., :2]
            # Where a lens has no ray there is no depth either; the network must not see NaN.
            known = torch.from_numpy(np.nan_to_num(rays)).permute(2, 0, 1)[None].contiguous()
            self._rays = (camera, known)
        return self._rays[1]
