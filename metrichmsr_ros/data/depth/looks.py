"""Other looks for a rendered picture: no camera and no room has the renderer's."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

# Chances that a picture has lost its colours, or all: real rooms do not look like rendered ones,
# and what depth, people and rays tell must not be left unread for the sake of colours.
_GREY, _BLANK = 0.25, 0.15
_GAIN, _TINT, _GAMMA = 0.4, 0.2, 0.4
_PAINTED = 0.5  # chance of other textures
_KERNELS = (1, 3, 5, 7)  # pixels


def change_looks(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a picture with other textures, light and colours.

    Args:
        image: (H, W, 3) uint8, RGB.
        rng: Random numbers.
    """
    if rng.uniform() < _BLANK:
        return np.full_like(image, 128)
    values = image.astype(np.float32)
    if rng.uniform() < _PAINTED:
        values = _repainted(values, rng)
    if rng.uniform() < _GREY:
        values = np.broadcast_to(values.mean(-1, keepdims=True), values.shape)
    gain = np.exp(_GAIN * rng.normal() + _TINT * rng.normal(size=3))
    values = 255 * (np.clip(gain * values, 0, 255) / 255) ** np.exp(_GAMMA * rng.normal())
    return np.round(values).astype(np.uint8)


def _repainted(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mix a picture (H, W, 3), 0..255, with a random convolution of itself.

    That changes colours and textures and leaves where things end: RandConv, Xu et al., "Robust
    and Generalizable Visual Representation Learning via Random Convolutions", ICLR 2021. Mean and
    spread stay, which are for gain and gamma to change.
    """
    size = int(rng.choice(_KERNELS))
    kernel = rng.normal(size=(3, 3, size, size)).astype(np.float32)
    picture = torch.from_numpy(np.ascontiguousarray(np.moveaxis(values, -1, 0)))
    padded = functional.pad(picture[None], [size // 2] * 4, mode='replicate')
    mixed = functional.conv2d(padded, torch.from_numpy(kernel))[0]
    mixed = (mixed - mixed.mean((1, 2), keepdim=True)) / (mixed.std((1, 2), keepdim=True) + 1e-3)
    mixed = picture.mean() + picture.std() * mixed
    share = float(rng.uniform())
    return np.clip(np.moveaxis((share * picture + (1 - share) * mixed).numpy(), 0, -1), 0, 255)
