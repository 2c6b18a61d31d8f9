"""What BlazePose makes of a person: a model of its errors, limb by limb.

All image errors are in sides of the crop, because the network always sees 256 pixels of it. The
figures come from clean renders through the real network (docs/synthetic_people.md); those that
renders cannot tell (the turn and size of world landmarks on real people) from photographs of the
literature. Letters: B people, L = 33 landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import torch
from torch import Tensor

from metrichmsr_ros.data.people.draws import Draws

# Error of a clear landmark, one axis, in crop sides: median of the renders.
_SIGMA_BY_PART = {
    'face': 0.004, 'shoulder': 0.009, 'elbow': 0.008, 'wrist': 0.008, 'hand': 0.010,
    'hip': 0.011, 'knee': 0.008, 'ankle': 0.007, 'foot': 0.009,
}  # fmt: skip
_PARTS = (
    ('face',) * 11 + ('shoulder',) * 2 + ('elbow',) * 2 + ('wrist',) * 2 + ('hand',) * 6
    + ('hip',) * 2 + ('knee',) * 2 + ('ankle',) * 2 + ('foot',) * 4
)  # fmt: skip
# Limbs whose landmarks err, hide and fail together: face, arms, legs, trunk.
LIMBS: tuple[int, ...] = (0,) * 11 + (5, 5) + (1, 2) * 5 + (5, 5) + (3, 4) * 4
_NUM_LIMBS = 6
# How far along its limb a landmark is: an error of the elbow is half of that of the hand.
_ALONG = (
    (1.0,) * 11 + (1.0,) * 2 + (0.6,) * 2 + (1.0,) * 2 + (1.1,) * 6 + (1.0,) * 2 + (0.6,) * 2
    + (1.0,) * 2 + (1.1,) * 4
)  # fmt: skip
_ARMS = ([11, 13, 15, 17, 19, 21], [12, 14, 16, 18, 20, 22])
_LEGS = ([23, 25, 27, 29, 31], [24, 26, 28, 30, 32])

_CLEAR_VISIBILITY = 0.80
_VISIBILITY_SPREAD = 0.08
_ERROR_GROWTH = 2.6  # error ~ exp(growth · (clear - visibility)): five times at a peak of 0.2


@dataclass(frozen=True)
class ImageNoise:
    """Errors of the landmarks in the crop.

    Attributes:
        shift: To add to the crop's places, (B, 33, 2), crop sides.
        visibility: (B, 33), 0..1.
        presence: (B, 33), 0..1.
        score: (B,), 0..1.
        doubt: How wrong each landmark may be, (B, 33), 1 = a clear one.
    """

    shift: Tensor
    visibility: Tensor
    presence: Tensor
    score: Tensor
    doubt: Tensor


def occlude(draws: Draws, places: Tensor, depth: Tensor) -> Tensor:
    """Choose what things and the person's own body hide.

    Args:
        draws: Random numbers.
        places: True landmarks in the crop, (B, 33, 2), crop sides from its centre.
        depth: Relative to the mid-hip, (B, 33), crop sides; nearer is smaller.

    Returns:
        (B, 33) bool.
    """
    # A box that covers a part of the crop, or the half below or beside an edge.
    centre, half = draws.uniform(-0.45, 0.45, 2), draws.uniform(0.04, 0.2, 2)
    box = ((places - centre[:, None]).abs() < half[:, None]).all(-1)
    normal = torch.nn.functional.normalize(
        draws.normal(2) * draws.device_tensor([1.0, 0.5]) + draws.device_tensor([0.0, 0.8]), dim=-1
    )
    beyond = (places * normal[:, None]).sum(-1) > draws.uniform(0.0, 0.35)[:, None]
    hidden = (box & draws.chance(0.25)[:, None]) | (beyond & draws.chance(0.15)[:, None])
    # The trunk hides what lies behind it.
    top, bottom = places[:, [11, 12]].mean(1), places[:, [23, 24]].mean(1)
    axis = top - bottom
    length = axis.square().sum(-1).clamp(min=1e-8)[:, None]
    offset = places - bottom[:, None]
    along = ((offset * axis[:, None]).sum(-1) / length).clamp(0, 1)
    beside = (offset - along[..., None] * axis[:, None]).norm(dim=-1)
    behind = (beside < 0.22 * length.sqrt()) & (depth > 0.05)
    limbs = torch.ones(33, dtype=torch.bool, device=places.device)
    limbs[:13] = limbs[23:25] = False
    return hidden | (behind & limbs)


def draw_image_noise(draws: Draws, hidden: Tensor, outside: Tensor, pixels: Tensor) -> ImageNoise:
    """Draw the errors of the image landmarks.

    Args:
        draws: Random numbers.
        hidden: Landmarks hidden by something, (B, 33) bool.
        outside: Landmarks outside the image or the crop, (B, 33) bool.
        pixels: Side of the crop, (B,), pixels: small crops are blurred.
    """
    limb = torch.tensor(LIMBS, device=draws.device)
    unseen = hidden | outside
    wrong = draws.chance(0.03, _NUM_LIMBS)[:, limb]
    looks_hidden = unseen ^ (wrong & ~outside)
    quality = draws.heavy(_NUM_LIMBS)[:, limb].abs() * 0.03 + draws.normal().abs()[:, None] * 0.03
    clear = _CLEAR_VISIBILITY + _VISIBILITY_SPREAD * draws.normal(33) - quality
    blurred = draws.uniform(0.0, 0.55, 33) * draws.uniform(0.4, 1.0, _NUM_LIMBS)[:, limb]
    visibility = torch.where(looks_hidden, blurred, clear).clamp(0.0, 0.97)
    fails = draws.chance(0.015, _NUM_LIMBS)[:, limb] & ~unseen
    visibility = torch.where(fails, visibility * draws.uniform(0.3, 1.0, 33), visibility)
    believed = torch.where(unseen | wrong, draws.uniform(0.1, 0.6, 33), visibility)
    doubt = (_ERROR_GROWTH * (_CLEAR_VISIBILITY - believed)).exp().clamp(0.7, 8.0)
    doubt = torch.where(outside, doubt * 1.5, doubt) * (1 + (10 / pixels)[:, None])
    shift = _shifts(draws, doubt, fails | (hidden & draws.chance(0.12, _NUM_LIMBS)[:, limb]))
    visibility = torch.where(outside, visibility * draws.uniform(0.0, 0.6, 33), visibility)
    presence = torch.where(
        outside, draws.uniform(0.0, 0.9, 33), 1 - draws.uniform(0.0, 0.12, 33) * doubt.clamp(max=3)
    )
    bad = (unseen.float().mean(-1) * draws.uniform(0.0, 0.3)).clamp(0.0, 0.5)
    score = (1 - bad - 0.02 * draws.normal().abs()).clamp(0.5, 1.0)
    return ImageNoise(shift, visibility, presence.clamp(0.0, 1.0), score, doubt)


def _shifts(draws: Draws, doubt: Tensor, failed: Tensor) -> Tensor:
    """Draw shifts (B, 33, 2): each landmark's own, its limb's, the whole body's and failures."""
    limb = torch.tensor(LIMBS, device=draws.device)
    along = draws.device_tensor(list(_ALONG))[:, None]
    sigma = draws.device_tensor([_SIGMA_BY_PART[part] for part in _PARTS])
    size = (sigma * doubt)[..., None]
    common = draws.heavy(_NUM_LIMBS, 2)[:, limb] * along
    shift = size * (0.75 * draws.heavy(33, 2) + 0.65 * common)
    # BlazePose marks hips lower or higher for a whole person, by clothes.
    hips = torch.zeros(33, 1, device=draws.device)
    hips[23:25] = 1.0
    sag = (0.003 + 0.008 * draws.normal())[:, None, None] * draws.device_tensor([0.0, 1.0])
    shift = shift + hips * sag + 0.004 * draws.heavy(2)[:, None]
    away = draws.uniform(0.05, 0.22, _NUM_LIMBS, 1) * torch.nn.functional.normalize(
        draws.normal(_NUM_LIMBS, 2), dim=-1
    )
    return shift + failed[..., None] * along * away[:, limb]


def swap_sides(draws: Draws, places: Tensor, doubt: Tensor) -> Tensor:
    """Confuse left and right of some people's arms, legs or whole bodies, more when in doubt."""
    doubtful = doubt.mean(-1) > 1.8
    whole = draws.chance(0.006)
    result = places
    for left, right in (_ARMS, _LEGS):
        rate = torch.where(doubtful, 0.03, 0.006)
        swapped = whole | (draws.uniform(0.0, 1.0) < rate)
        order = torch.arange(33, device=places.device)
        order[left], order[right] = order[right].clone(), order[left].clone()
        result = torch.where(swapped[:, None, None], result[:, order], result)
    return result


def draw_turns(draws: Draws, median: float, upper: float) -> Tensor:
    """Draw rotations about any axis, (B, 3, 3), whose angle has a median and a 90th percentile.

    Args:
        draws: Random numbers.
        median: Degrees.
        upper: Degrees.
    """
    spread = math.log(upper / median) / 1.2816
    angle = math.radians(median) * (spread * draws.normal()).exp()
    vectors = angle.clamp(max=math.pi)[:, None] * draws.directions()
    from metrichmsr_ros.body.skinning import rotation_matrices

    return rotation_matrices(vectors)
