"""What BlazePose makes of a person: a model of its errors, limb by limb.

All image errors are in sides of the crop, because the network always sees 256 pixels of it. The
figures come from clean renders through the real network (docs/experiments.md). One does not:
the size of the world landmarks leans towards what was measured before on the benchmark's
photographs. Letters: B people, L = 33 landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.view import View
from metrichmsr_ros.data.people.world_landmarks import HEIGHT, WorldLandmarks

# Per part of the body: error of a clear landmark in the image, one axis, crop sides; peak of its
# heatmap where it is seen, and where the body or a thing hides it (BlazePose hardly notices a
# hidden face, shoulder or hip).
_PARTS = {
    'face': (0.0075, 0.92, 0.84),
    'shoulder': (0.0070, 0.87, 0.76),
    'elbow': (0.0082, 0.81, 0.18),
    'wrist': (0.0074, 0.81, 0.14),
    'hand': (0.0088, 0.76, 0.16),
    'hip': (0.0070, 0.81, 0.78),
    'knee': (0.0070, 0.81, 0.45),
    'ankle': (0.0056, 0.79, 0.50),
    'foot': (0.0078, 0.77, 0.52),
}  # fmt: skip
_PART_OF = (
    ('face',) * 11 + ('shoulder',) * 2 + ('elbow',) * 2 + ('wrist',) * 2 + ('hand',) * 6
    + ('hip',) * 2 + ('knee',) * 2 + ('ankle',) * 2 + ('foot',) * 4
)  # fmt: skip
# Limbs whose landmarks err, hide and fail together: face, arms, legs, trunk.
LIMBS: tuple[int, ...] = (0,) * 11 + (5, 5) + (1, 2) * 5 + (5, 5) + (3, 4) * 4
_NUM_LIMBS = 6
# How far along its limb a landmark is: an error of the elbow is half of that of the hand.
_ALONG = (1.0,) * 13 + (0.6,) * 2 + (1.0,) * 2 + (1.1,) * 6 + (1.0,) * 2 + (0.6,) * 2 + (1.0,) * 6
_ARMS = ([11, 13, 15, 17, 19, 21], [12, 14, 16, 18, 20, 22])
_LEGS = ([23, 25, 27, 29, 31], [24, 26, 28, 30, 32])

_PEAK_SPREAD = 0.09
_TRUNK = 0.27  # half of the trunk's thickness over its length
# The error grows as exp(growth · (clear - peak)): five times at a peak of 0.05.
_ERROR_GROWTH, _CLEAR_PEAK = 3.2, 0.83
_PERSON_SPREAD = 0.42  # of the logarithm of a person's errors in the image
# BlazePose learnt from photographs, and the figures above are of renders: a person's errors are
# anywhere between this share of them and all; those of the world landmarks, which are better on
# photographs by less, between its root and all.
CLEAREST = 0.35
_OUTSIDE_ERROR = 14.0  # times a clear one's
# World landmarks show an adult of this size whatever the person's; they are 1.69 m on renders, and
# smaller on photographs.
_WORLD_HEIGHT, _WORLD_HEIGHT_SPREAD = 1.60, 0.06
# z of the image landmarks follows the z of the world landmarks, this many times as large.
_DEPTH_GAIN, _DEPTH_GAIN_SPREAD, _DEPTH_NOISE = 3.5, 0.2, 0.02


@dataclass(frozen=True)
class ImageNoise:
    """Errors of the landmarks in the crop.

    Attributes:
        shift: To add to the crop's places, (B, 33, 2), crop sides.
        visibility: (B, 33), 0..1.
        presence: (B, 33), 0..1.
        score: (B,), 0..1.
        doubt: How wrong each landmark may be, (B, 33), 1 = a clear one.
        share: Of the errors on renders that this person's are, (B,).
    """

    shift: Tensor
    visibility: Tensor
    presence: Tensor
    score: Tensor
    doubt: Tensor
    share: Tensor


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
    across = (places[:, 11] - places[:, 12]).norm(dim=-1)[:, None]
    behind = (beside < torch.maximum(_TRUNK * length.sqrt(), 0.55 * across)) & (depth > 0.015)
    limbs = torch.ones(33, dtype=torch.bool, device=places.device)
    limbs[:13] = limbs[23:25] = False
    return hidden | (behind & limbs)


def draw_image_noise(
    draws: Draws, hidden: Tensor, outside: Tensor, pixels: Tensor, log_error: Tensor
) -> ImageNoise:
    """Draw the errors of the image landmarks.

    Args:
        draws: Random numbers.
        hidden: Landmarks hidden by something, (B, 33) bool.
        outside: Landmarks outside the image or the crop, (B, 33) bool.
        pixels: Side of the crop, (B,), pixels: small crops are blurred.
        log_error: As of ``View``, (B,).
    """
    limb = torch.tensor(LIMBS, device=draws.device)
    # BlazePose is in doubt about some limbs for no reason that could be told.
    hidden = hidden | draws.chance(0.07, _NUM_LIMBS)[:, limb]
    unseen = hidden | outside
    # Now and then a limb looks the other way: a guess that is sure of itself, a doubt for nothing.
    wrong = draws.chance(0.03, _NUM_LIMBS)[:, limb]
    peak = _by_part(draws, 1) + _PEAK_SPREAD * (
        0.7 * draws.normal(33) + 0.5 * draws.normal(_NUM_LIMBS)[:, limb]
    )
    peak = peak - 0.12 * draws.heavy(33).abs() * draws.chance(0.3, 33)
    lost = _by_part(draws, 2) + 0.22 * (
        0.6 * draws.normal(33) + 0.6 * draws.normal(_NUM_LIMBS)[:, limb]
    )
    lost = torch.where(lost < 0.02, draws.uniform(0.01, 0.15, 33), lost)
    doubtful = torch.where(unseen, lost, peak)
    visibility = torch.where(unseen ^ (wrong & ~outside), lost, peak).clamp(0.01, 0.985)
    failed = draws.chance(0.012, _NUM_LIMBS)[:, limb] & ~unseen
    failed = failed | (unseen & draws.chance(0.10, _NUM_LIMBS)[:, limb])
    visibility = torch.where(failed, visibility * draws.uniform(0.25, 1.0, 33), visibility)
    doubt = (_ERROR_GROWTH * (_CLEAR_PEAK - doubtful)).exp().clamp(0.7, 7.0)
    doubt = torch.where(hidden, doubt.clamp(min=1.8), doubt)
    far = draws.device_tensor([0.5] * 13 + [1.0] * 20)  # a face or shoulder is not far off
    doubt = torch.where(outside, _OUTSIDE_ERROR * far * draws.uniform(0.4, 1.3, 33), doubt)
    faint = torch.where(draws.chance(0.75, 33), 0.25 * lost, lost)
    visibility = torch.where(outside, faint.clamp(0.0, 1.0), visibility)
    small = 1 + 12 / pixels  # half a pixel of the image is more of a small crop
    share = draws.log_uniform(CLEAREST, 1.0)
    quality = share * (_PERSON_SPREAD * draws.normal() + log_error).exp() * small
    shift = _shifts(draws, doubt * quality[:, None], failed)
    sure = 1 - 0.02 * draws.normal(33).abs() * doubt.clamp(max=2)
    presence = torch.where(
        outside, torch.where(draws.chance(0.22, 33), sure, draws.uniform(0.0, 0.8, 33)), sure
    )
    bad = (unseen.float().mean(-1) * draws.uniform(0.0, 0.25) * draws.chance(0.3)).clamp(0.0, 0.5)
    score = (1 - bad - 0.003 * draws.heavy().abs()).clamp(0.5, 1.0)
    return ImageNoise(shift, visibility, presence.clamp(0.0, 1.0), score, doubt, share)


def _by_part(draws: Draws, column: int) -> Tensor:
    """Return a column of the table for each landmark, (33,)."""
    return torch.tensor([_PARTS[part][column] for part in _PART_OF], device=draws.device)


def _shifts(draws: Draws, size: Tensor, failed: Tensor) -> Tensor:
    """Draw shifts (B, 33, 2): each landmark's own, its limb's, the whole body's and failures."""
    limb = torch.tensor(LIMBS, device=draws.device)
    along = draws.device_tensor(list(_ALONG))[:, None]
    common = draws.normal(_NUM_LIMBS, 2)[:, limb] * along
    shift = (_by_part(draws, 0) * size)[..., None] * (0.66 * draws.heavy(33, 2) + 0.68 * common)
    shift = shift + 0.003 * draws.heavy(2)[:, None]
    away = draws.uniform(0.05, 0.2, _NUM_LIMBS, 1) * torch.nn.functional.normalize(
        draws.normal(_NUM_LIMBS, 2), dim=-1
    )
    return shift + failed[..., None] * along * away[:, limb]


def swap_sides(draws: Draws, places: Tensor, doubt: Tensor) -> Tensor:
    """Confuse left and right of some people's arms, legs or whole bodies, more when in doubt."""
    doubtful = doubt.clamp(max=6).mean(-1) > 1.8
    whole = draws.chance(0.006)
    result = places
    for left, right in (_ARMS, _LEGS):
        rate = torch.where(doubtful, 0.03, 0.006)
        swapped = whole | (draws.uniform(0.0, 1.0) < rate)
        order = torch.arange(33, device=places.device)
        order[left], order[right] = order[right].clone(), order[left].clone()
        result = torch.where(swapped[:, None, None], result[:, order], result)
    return result


def disturb_world(
    draws: Draws,
    world: Tensor,
    shift: Tensor,
    *,
    height: Tensor,
    view: View,
    share: Tensor,
    model: WorldLandmarks,
) -> tuple[Tensor, Tensor]:
    """Return BlazePose's world landmarks: of some adult, whatever the person's height.

    Args:
        draws: Random numbers.
        world: True ones about the mid-hip in the crop's axes, (B, 33, 3), metres.
        shift: Errors in the image, in metres of the person, crop axes, (B, 33, 2).
        height: Of the people, (B,), metres.
        view: How they are seen.
        share: Factor on all errors but those in the image and of the size, (B,).
        model: What BlazePose makes of people.

    Returns:
        World landmarks, (B, 33, 3), metres, in the crop's axes, and their size over the true one,
        (B,).
    """
    scale = (HEIGHT / height)[:, None, None]
    said = model.draw(draws, scale * world, scale * shift, view, share)
    size = draw_world_height(draws)
    return (size / HEIGHT)[:, None, None] * said, size / height


def draw_world_height(draws: Draws) -> Tensor:
    """Draw how tall the person of the world landmarks is, whoever it is, (B,), metres."""
    return _WORLD_HEIGHT * (_WORLD_HEIGHT_SPREAD * draws.normal()).exp()


def disturb_depth(
    draws: Draws, world: Tensor, size: Tensor, width: Tensor, strength: float
) -> Tensor:
    """Return the z of the image landmarks over the crop's side, (B, 33).

    Args:
        draws: Random numbers.
        world: From ``disturb_world``, (B, 33, 3), metres.
        size: From ``disturb_world``, (B,).
        width: Of the crop where the person is, (B,), metres.
        strength: Factor on all errors.
    """
    gain = depth_gain() * (strength * _DEPTH_GAIN_SPREAD * draws.normal()).exp()
    relative = gain[:, None] * world[..., 2] / (size * width)[:, None]
    return relative + strength * _DEPTH_NOISE * draws.heavy(33)


def depth_gain() -> float:
    """Return how many times BlazePose's z is the scale of its x and y: it is not one."""
    return _DEPTH_GAIN
