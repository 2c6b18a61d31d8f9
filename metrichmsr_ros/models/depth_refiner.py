"""The depth refiner (MetricHMSR §1.6): a field of scale and shift, from the image and the people.

U-Net encoder → vision transformer → U-Net decoder, as the paper draws it; widths, sizes, inputs
and the field's form are our choices (docs/depth.md). The last layer starts at zero: an untrained
network corrects nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any, NamedTuple

import torch
from torch import nn, Tensor
from torch.nn import functional

from metrichmsr_ros.models.attention import SelfAttention
from metrichmsr_ros.models.checkpoint import (
    find_checkpoint,
    load_weights,
    read_config,
    reading,
    write_checkpoint,
)
from metrichmsr_ros.models.depth_refiner_input import CHANNELS, RefinerInput, upsample
from metrichmsr_ros.models.network_config import check_names

DEFAULT_REFINER = 'depth_refiner'
_MAX_LOG_SCALE, _MAX_SHIFT = 0.7, 0.7  # of the typical depth
_GUIDE_SPREAD = 0.1  # of the prior's logarithm: what differs by more is another surface
_GROUPS = 4


@dataclass(frozen=True)
class DepthRefinerConfig:
    """Sizes.

    Attributes:
        widths: Channels at a half, a quarter and an eighth of the input's size.
        dim: Width of the transformer.
        heads: Of its attention.
        blocks: Of the transformer.
    """

    widths: tuple[int, int, int] = (16, 32, 64)
    dim: int = 96
    heads: int = 4
    blocks: int = 3

    def __post_init__(self) -> None:
        widths = self.widths
        if len(widths) != 3 or any(width < 1 or width % _GROUPS for width in widths):
            raise ValueError(f'widths={widths} must be three multiples of {_GROUPS}')
        for name in ('dim', 'heads', 'blocks'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name}={getattr(self, name)} must be positive')

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DepthRefinerConfig:
        """Build a config in which every field is named.

        Raises:
            ValueError: A field is unknown, missing or out of its range.
        """
        check_names(set(values), set(cls.__dataclass_fields__), 'config')
        return cls(**{**values, 'widths': tuple(values['widths'])})


# The larger one is for who has a GPU and data; it has no weights.
REFINER_SIZES = {
    'small': DepthRefinerConfig(),
    'large': DepthRefinerConfig(widths=(64, 128, 256), dim=512, heads=8, blocks=8),
}


class Correction(NamedTuple):
    """A field at the input's size; z = exp(log_scale) · depth_z + shift.

    Attributes:
        log_scale: (B, H, W).
        shift: (B, H, W), metres.
    """

    log_scale: Tensor
    shift: Tensor

    def apply(self, depth_z: Tensor) -> Tensor:
        """Return corrected depth, (B, H, W), metres."""
        return self.log_scale.exp() * depth_z + self.shift


class DepthRefiner(nn.Module):
    """The network; a pure function of its input.

    Attributes:
        config: Its sizes.
    """

    def __init__(self, config: DepthRefinerConfig | None = None) -> None:
        """Prepare a network that corrects nothing yet."""
        super().__init__()
        self.config = config = config or DepthRefinerConfig()
        half, quarter, eighth = config.widths
        self.stem = nn.Sequential(_convolution(CHANNELS, half, 5, stride=2), _Residual(half))
        self.down = nn.Sequential(_convolution(half, quarter, 3, stride=2), _Residual(quarter))
        self.deep = nn.Sequential(_convolution(quarter, eighth, 3, stride=2), _Residual(eighth))
        self.to_tokens = nn.Conv2d(eighth, config.dim, 1)
        self.place = nn.Sequential(
            nn.Linear(2, config.dim), nn.GELU(), nn.Linear(config.dim, config.dim)
        )
        self.blocks = nn.ModuleList(_Block(config.dim, config.heads) for _ in range(config.blocks))
        self.from_tokens = nn.Conv2d(config.dim, quarter, 1)
        self.up = nn.Sequential(_convolution(2 * quarter, quarter, 3), _Residual(quarter))
        self.field = nn.Conv2d(quarter, 2, 3, padding=1)
        nn.init.zeros_(self.field.weight)
        assert self.field.bias is not None
        nn.init.zeros_(self.field.bias)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):  # a third faster on CPUs
                layer.weight.data = layer.weight.contiguous(memory_format=torch.channels_last)

    def forward(self, scene: RefinerInput) -> Correction:
        """Correct B scenes.

        Args:
            scene: H and W multiples of 8.
        """
        channels = scene.channels.contiguous(memory_format=torch.channels_last)
        quarter = self.down(self.stem(channels))
        deep = self.to_tokens(self.deep(quarter))
        rays = functional.avg_pool2d(channels[:, -2:], channels.shape[-1] // deep.shape[-1])
        tokens = (deep.flatten(2) + self.place(rays.flatten(2).mT).mT).mT
        for block in self.blocks:
            tokens = block(tokens)
        around = self.from_tokens(tokens.mT.unflatten(2, deep.shape[2:]))
        around = functional.interpolate(around, scale_factor=2.0, mode='bilinear')
        coarse = self.field(self.up(torch.cat([quarter, around], 1)))
        field = upsample(coarse, scene.depth_z.log().unsqueeze(1), spread=_GUIDE_SPREAD).tanh()
        return Correction(
            _MAX_LOG_SCALE * field[:, 0], _MAX_SHIFT * scene.unit[:, None, None] * field[:, 1]
        )

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Write config and weights.

        Args:
            folder: Made if it does not exist; files of an older checkpoint are replaced.
        """
        write_checkpoint(folder, {'depth_refiner': asdict(self.config)}, self)

    @classmethod
    def from_pretrained(cls, path_or_name: str | PathLike[str] = DEFAULT_REFINER) -> DepthRefiner:
        """Load a network, ready for inference on the CPU.

        Args:
            path_or_name: Folder of a checkpoint, or the name of one that ships.

        Raises:
            CheckpointError: The checkpoint is missing, unreadable or does not fit.
        """
        folder = find_checkpoint(path_or_name)
        with reading(folder):
            config = read_config(folder)
            check_names(set(config), {'depth_refiner'}, 'config')
            network = cls(DepthRefinerConfig.from_dict(config['depth_refiner']))
            load_weights(network, folder)
        return network.eval()


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(width, width, 3), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class _Block(nn.Module):
    """A block of a vision transformer."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm_in, self.norm_out = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads)
        self.perceptron = nn.Sequential(
            nn.Linear(dim, 3 * dim), nn.GELU(), nn.Linear(3 * dim, dim)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attention(self.norm_in(tokens))
        return tokens + self.perceptron(self.norm_out(tokens))


def _convolution(before: int, after: int, size: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, stride=stride, padding=size // 2),
        nn.GroupNorm(_GROUPS, after),
        nn.GELU(),
    )
