"""Depth from a network of the Hugging Face hub, run by ``transformers``.

What a network predicts is read off its kind: metres along the optical axis, or inverse depth up to
a scale and a shift. The network sees the image as it is, bent by the lens; it was trained on
images of hardly bent lenses and is told no intrinsics, so that another field of view than that of
its training images comes out as another scale. People correct that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.depth_sources.base import NETWORK_SCALE_SIGMA, NETWORK_SHIFT_SIGMA
from metrichmsr_ros.perception.depth_sources.model_folder import explained, model_folder
from metrichmsr_ros.structures import DepthImage, Frame

INSTALL = "pip install 'metrichmsr_ros[depth]'"
MAX_DEPTH = 1000.0  # m; what is said to be farther is the sky
# Inverse depth below this share of the image's median is nothing: its shift is not known, and
# near zero that shift is all there is.
MIN_SHARE = 0.02
METRIC, INVERSE = 'metric', 'inverse'
_KINDS = {
    'depth_pro': METRIC,
    'dpt': INVERSE,
    'glpn': METRIC,
    'tipsv2_dpt': METRIC,
    'zoedepth': METRIC,
}
# Made, but never used: nothing is fused into the deepest features. DPT is published without it.
_UNUSED = 'fusion_stage.layers.0.residual_layer1.'


class HuggingFaceDepth:
    """A depth-estimation network in the layout of ``transformers``.

    Relative networks predict q ≈ a / z + b; their depth here is 1 / q, 1 at the median of q.

    Args:
        model: Folder, or ``hub:owner/name``.
        device: 'cpu' or 'cuda:<n>'.

    Raises:
        ValueError: ``transformers`` is not installed, or the model is not there, cannot be read,
            is incomplete, or is of a kind whose output is not known here. Says how to mend it.
    """

    def __init__(self, model: str, *, device: str = 'cpu') -> None:
        with explained(model, needs='transformers', install=INSTALL):
            folder = model_folder(model)
            self._processor, self._network = _load(folder)
            self._network.to(device)
            self._device = device
            self._kind = prediction_kind(self._network.config)
            self.depth(_blank_frame())  # what it lacks shows now, not at the first frame

    def depth(self, frame: Frame) -> DepthImage:
        """Return depth of each pixel; not metric where the network is not."""
        height, width = frame.image.shape[:2]
        # ZoeDepth pads by a share of the image's size, which has to come off again.
        source = {'source_sizes': [(height, width)]} if self._type == 'zoedepth' else {}
        with torch.inference_mode():
            inputs = self._processor(
                images=frame.image, return_tensors='pt', input_data_format='channels_last'
            )
            output = self._network(inputs['pixel_values'].to(self._device))
            found = self._processor.post_process_depth_estimation(
                output, target_sizes=[(height, width)], **source
            )[0]
        values = found['predicted_depth'].float().cpu().numpy()
        if self._type == 'depth_pro':
            values = values * _focal_correction(found, frame.camera)
        depth_z = _inverted(values) if self._kind == INVERSE else _plausible(values)
        return DepthImage(
            depth_z,
            frame.camera,
            metric=self._kind == METRIC,
            inverse=self._kind == INVERSE,
            source='huggingface',
            scale_sigma=NETWORK_SCALE_SIGMA,
            shift_sigma=NETWORK_SHIFT_SIGMA if self._kind == METRIC else DepthImage.shift_sigma,
        )

    @property
    def _type(self) -> str:
        return self._network.config.model_type


def prediction_kind(config: Any) -> str:
    """Return what a network of this ``transformers`` configuration predicts.

    Returns:
        ``METRIC`` or ``INVERSE``.

    Raises:
        ValueError: The kind of network is not known here.
    """
    name = config.model_type
    if name == 'depth_anything':
        return METRIC if config.depth_estimation_type == 'metric' else INVERSE
    if name == 'dpt' and getattr(config.backbone_config, 'model_type', '') == 'dinov2':
        return METRIC  # DINOv2's own, trained on the metres of NYU or KITTI
    if name not in _KINDS:
        known = ', '.join(sorted([*_KINDS, 'depth_anything']))
        raise ValueError(f'model_type is {name!r}: it must be one of {known}')
    return _KINDS[name]


def _load(folder: Path) -> tuple[Any, Any]:
    """Return the processor of images and the network, in float32 on the CPU."""
    from transformers import AutoConfig, AutoImageProcessor, AutoModelForDepthEstimation

    options: dict[str, Any] = {'local_files_only': True}
    prediction_kind(AutoConfig.from_pretrained(folder, **options))
    processor = AutoImageProcessor.from_pretrained(folder, **options)
    network, report = AutoModelForDepthEstimation.from_pretrained(
        folder,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # else its reason is only in the log
        **options,
    )
    for what in ('missing', 'mismatched'):
        keys = [key if isinstance(key, str) else key[0] for key in report[f'{what}_keys']]
        if keys := sorted(key for key in keys if _UNUSED not in key):
            raise ValueError(f'{what} weights: {keys[0]} and {len(keys) - 1} more')
    return processor, network.float().eval()


def _blank_frame() -> Frame:
    return Frame(np.zeros((256, 256, 3), np.uint8), Camera.from_fov(256, 256, 1.0), 0)


def _focal_correction(found: dict[str, Any], camera: Camera) -> float:
    """Return the factor from Depth Pro's guess of the focal length to the true one.

    It predicts depth over focal length in image widths; ``transformers`` multiplies by the focal
    length that the network estimates from the image, or by one width where it estimates none.
    """
    guess = found.get('focal_length')
    return float(camera.K[0, 0]) / (camera.width if guess is None else float(guess))


def _plausible(depth_z: np.ndarray) -> np.ndarray:
    known = (depth_z > 0) & (depth_z < MAX_DEPTH)
    return np.where(known, depth_z, np.float32(np.nan)).astype(np.float32)


def _inverted(inverse: np.ndarray) -> np.ndarray:
    """Return 1 / ``inverse`` in units of its median, NaN where there is next to none."""
    above = inverse[inverse > 0]
    if not len(above):
        return np.full(inverse.shape, np.nan, np.float32)
    share = inverse / np.median(above)
    known = share > MIN_SHARE
    return np.where(known, 1 / np.where(known, share, 1), np.nan).astype(np.float32)
