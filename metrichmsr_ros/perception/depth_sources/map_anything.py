"""Depth from MapAnything, which is told the true intrinsics.

Its package is called as the interface of version 1.1 is published. It resizes an image so that it
covers one of a few fixed sizes, and cuts the rest off both ends; here every pixel of the camera's
image is taken back to the network's pixel that lies on it. The network knows pinhole cameras only:
a bent image is straightened first. A pixel's depth along the optical axis is the same in both.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.depth_sources.base import NETWORK_SCALE_SIGMA, NETWORK_SHIFT_SIGMA
from metrichmsr_ros.perception.depth_sources.model_folder import explained, model_folder
from metrichmsr_ros.structures import DepthImage, Frame

INSTALL = "pip install 'mapanything @ git+https://github.com/facebookresearch/map-anything'"
COVER = 1e-8  # what is added to the factor, so that rounding down still covers the fixed size


class MapAnythingDepth:
    """MapAnything on one image.

    NaN is what lies in the parts cut off, at edges of depth, and where the network itself finds
    depth ambiguous, as of sky: its mask.

    Args:
        model: Folder with config.json and model.safetensors, or ``hub:owner/name``. Building the
            network may ask torch.hub for the code of its image encoder, which needs the network
            the first time.
        device: 'cpu' or 'cuda:<n>'.

    Raises:
        ValueError: ``mapanything`` is not installed, or the model is not there or cannot be read.
            Says how to mend it.
    """

    def __init__(self, model: str, *, device: str = 'cpu') -> None:
        with explained(model, needs='mapanything', install=INSTALL):
            from mapanything.models import MapAnything
            from mapanything.utils.image import preprocess_inputs

            self._preprocess = preprocess_inputs
            self._network = MapAnything.from_pretrained(str(model_folder(model))).to(device).eval()
            self._use_amp = torch.device(device).type == 'cuda'

    def depth(self, frame: Frame) -> DepthImage:
        """Return metric depth of each pixel."""
        camera, image = frame.camera, frame.image
        if camera.has_distortion:
            image = cv2.remap(image, *camera.rectify_maps(), interpolation=cv2.INTER_LINEAR)
        K = camera.rectified().K.astype(np.float32)
        views = self._preprocess([{'img': image, 'intrinsics': K}])
        with torch.inference_mode():
            found = self._network.infer(views, use_amp=self._use_amp, apply_mask=True)[0]
        depth_z = cv2.remap(
            _known_depth(found),
            *network_pixels(camera, views[0]),
            interpolation=cv2.INTER_NEAREST,  # mixing across an edge invents surfaces
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=float('nan'),
        )
        return DepthImage(
            depth_z,
            camera,
            source='mapanything',
            scale_sigma=NETWORK_SCALE_SIGMA,
            shift_sigma=NETWORK_SHIFT_SIGMA,
        )


def _known_depth(found: dict[str, Any]) -> np.ndarray:
    """Return the prediction on the network's pixels, (h, w) float32, NaN where it is masked."""
    depth_z = found['depth_z'][0, ..., 0].float().cpu().numpy()
    known = np.isfinite(depth_z) & (depth_z > 0)
    if 'mask' in found:  # the models that are published all have it; not all that can be made
        known &= found['mask'][0, ..., 0].cpu().numpy().astype(bool)
    return np.where(known, depth_z, np.float32(np.nan))


def network_pixels(camera: Camera, view: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return where each pixel of the camera's image lies in the preprocessed one.

    Args:
        camera: Camera of the frame.
        view: What ``preprocess_inputs`` made: ``img`` (1, 3, h, w), ``intrinsics`` (1, 3, 3).

    Returns:
        x and y, (H, W) float32 each, pixels of the preprocessed image with integer coordinates at
        pixel centres; beyond it where it was cut off, -1e4 where the lens model has no ray.
    """
    size = np.array([camera.width, camera.height])
    target = np.array(view['img'].shape[:1:-1])
    factor = (target / size).max() + COVER
    resized = np.floor(size * factor)
    # The new principal point says what was cut off left and above, a whole number of pixels.
    middle = np.asarray(view['intrinsics'])[0, :2, 2]
    spare = size * factor - resized
    K = camera.rectified().K
    cut = np.rint((K[:2, 2] + 0.5) * factor - spare / 2 - 0.5 - middle)
    straight = camera.pixel_rays()[..., :2] * K[[0, 1], [0, 1]] + K[:2, 2]
    pixels = (straight + 0.5) * (resized / size) - 0.5 - cut
    pixels = np.nan_to_num(pixels, nan=-1e4).astype(np.float32)
    return pixels[..., 0].copy(), pixels[..., 1].copy()
