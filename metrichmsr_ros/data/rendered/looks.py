"""What the rendered people look like: random outfits, painted once and worn by many bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.synthetic import wardrobe
from metrichmsr_ros.data.synthetic.cast import measure
from metrichmsr_ros.data.synthetic.outfits import Outfit

Colour: TypeAlias = tuple[float, float, float]

TEXELS = 4  # along a triangle's edge: half a centimetre
_WARDROBE = 64  # looks: painting one takes as long as five readings
_PATTERNS = ('plain', 'plain', 'stripes', 'checks', 'print', 'jacket')
_SKINS = np.array([[0.6, 0.41, 0.32], [0.5, 0.31, 0.22], [0.36, 0.2, 0.13], [0.15, 0.08, 0.05]])
_HAIRS = np.array([[0.01, 0.008, 0.007], [0.05, 0.028, 0.015], [0.2, 0.11, 0.05], [0.4, 0.3, 0.15],
                   [0.35, 0.34, 0.33]])  # fmt: skip


@dataclass(frozen=True)
class Look:
    """One way to look.

    Attributes:
        texture: Root of the linear albedo on the faces' texel grids, (F · TEXELS², 3) uint8.
        stand_off: Of cloth and hair from the skin, (V,), metres.
    """

    texture: np.ndarray
    stand_off: np.ndarray


class Wardrobe:
    """Looks by number, each painted when it is first worn; the seed decides them."""

    def __init__(self, body: BodyModel, seed: int) -> None:
        """Open the wardrobe of ``seed``."""
        self.body, self.seed = body, seed
        self._looks: dict[int, Look] = {}

    def pick(self, count: int, rng: np.random.Generator) -> list[Look]:
        """Choose ``count`` different looks."""
        numbers = rng.choice(_WARDROBE, count, replace=False).tolist()
        for number in numbers:
            if number not in self._looks:
                self._looks[number] = draw_look(
                    self.body, np.random.default_rng((self.seed, number))
                )
        return [self._looks[number] for number in numbers]


def draw_look(body: BodyModel, rng: np.random.Generator) -> Look:
    """Dress a random body at random."""
    shape = np.clip(rng.normal(0, 0.7, 10), -1.5, 1.5)
    beta = torch.as_tensor(shape, dtype=torch.float32)[None]
    vertices = body.rest_vertices(beta)[0].numpy().astype(float)
    joints = body.rest_joints(beta)[0].numpy().astype(float)
    figure, outfit = measure(body, vertices, joints), draw_outfit(rng)
    seed = int(rng.integers(1 << 20))
    loose = rng.uniform(0.7, 1.9)
    colours = wardrobe.paint_faces(vertices, body.faces, figure, outfit, texels=TEXELS, seed=seed)
    return Look(
        np.round(255 * np.sqrt(np.clip(colours, 0, 1))).astype(np.uint8),
        (loose * wardrobe.stand_off(vertices, figure, outfit)).astype(np.float32),
    )


def draw_outfit(rng: np.random.Generator) -> Outfit:
    """Draw colours, patterns and lengths of clothes."""
    top, second, legs = (_colour(rng) for _ in range(3))
    return Outfit(
        skin=_between(_SKINS, rng),
        hair=_between(_HAIRS, rng),
        top=(top, second),
        pattern=str(rng.choice(_PATTERNS)),
        sleeve=float(rng.choice([rng.uniform(0.3, 0.9), rng.uniform(1.6, 1.97)])),
        neckline=float(rng.uniform(0.02, 0.1)),
        legs=legs,
        leg_length=float(rng.choice([rng.uniform(0.5, 1.1), 1.97], p=[0.3, 0.7])),
        shoes=(_colour(rng), _colour(rng)),
        long_hair=bool(rng.uniform() < 0.4),
    )


def _between(choices: np.ndarray, rng: np.random.Generator) -> Colour:
    first, second = rng.choice(len(choices), 2)
    colour = choices[first] + 0.5 * rng.uniform() * (choices[second] - choices[first])
    red, green, blue = (colour * rng.uniform(0.85, 1.15)).tolist()
    return red, green, blue


def _colour(rng: np.random.Generator) -> Colour:
    """Draw a cloth's colour: half of them grey, black, white or blue as clothes are."""
    value = rng.uniform(0.0, 1.0) ** 1.8 * 0.72 + 0.015
    tint = rng.uniform(0.25, 1.0, 3) if rng.uniform() < 0.5 else rng.uniform(0.85, 1.0, 3)
    red, green, blue = value * tint / tint.max()
    return float(red), float(green), float(blue)
