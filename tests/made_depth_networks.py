"""Tiny depth networks as they are published: config.json, weights and processor of images."""

from pathlib import Path

import torch
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTConfig,
    DPTForDepthEstimation,
    DPTImageProcessor,
)

SIZES = {'hidden_size': 16, 'num_hidden_layers': 4, 'num_attention_heads': 2}
HEAD = {'neck_hidden_sizes': [8] * 4, 'fusion_hidden_size': 8}


def make_depth_anything(folder: Path, **config) -> DepthAnythingForDepthEstimation:
    backbone = Dinov2Config(
        **SIZES, image_size=28, patch_size=14, out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=16, head_hidden_size=4, **HEAD, **config
    )
    processor = DPTImageProcessor(
        size={'height': 56, 'width': 56}, keep_aspect_ratio=True, ensure_multiple_of=14
    )
    return _publish(DepthAnythingForDepthEstimation, config, processor, folder)


def make_dpt(folder: Path) -> DPTForDepthEstimation:
    config = DPTConfig(
        **SIZES, **HEAD, intermediate_size=32, image_size=32, backbone_out_indices=[0, 1, 2, 3]
    )
    processor = DPTImageProcessor(size={'height': 32, 'width': 32})
    return _publish(DPTForDepthEstimation, config, processor, folder)


def _publish(network_type, config, processor, folder):
    torch.manual_seed(0)
    network = network_type(config).eval()
    with torch.no_grad():
        # Large enough that the image shows in the output, which is about 1.
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        last = [part for part in network.modules() if getattr(part, 'out_channels', 0) == 1][-1]
        last.weight.mul_(0.005)
        last.bias.fill_(1.0)
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return network
