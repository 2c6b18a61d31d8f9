"""What BlazePose makes of a person: a model of its errors, limb by limb.

All image errors are in sides of the crop, because the network always sees 256 pixels of it. The
figures come from clean renders through the real network (docs/synthetic_people.md). Two do not:
turn and size of the world landmarks lean towards what was measured before on the benchmark's
photographs. Letters: B people, L = 33 landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import torch
from torch import Tensor

from metrichmsr_ros.body.skinning import rotation_matrices
from metrichmsr_ros.data.people.draws import Draws

# Per part of the body: error of a clear landmark in the image, one axis, crop sides; peak of its
# heatmap where it is seen, and where the body or a thing hides it (BlazePose hardly notices a
# hidden face, shoulder or hip); error of the world landmark along x, y, z, metres.
_PARTS = {
    'face': (0.0075, 0.92, 0.84, (0.040, 0.037, 0.067)),
    'shoulder': (0.0070, 0.87, 0.76, (0.042, 0.039, 0.060)),
    'elbow': (0.0082, 0.81, 0.18, (0.041, 0.041, 0.064)),
    'wrist': (0.0074, 0.81, 0.14, (0.043, 0.050, 0.110)),
    'hand': (0.0088, 0.76, 0.16, (0.052, 0.047, 0.140)),
    'hip': (0.0070, 0.81, 0.78, (0.028, 0.011, 0.020)),
    'knee': (0.0070, 0.81, 0.45, (0.040, 0.064, 0.053)),
    'ankle': (0.0056, 0.79, 0.50, (0.046, 0.064, 0.084)),
    'foot': (0.0078, 0.77, 0.52, (0.061, 0.069, 0.108)),
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
_HIPS = [23, 24]
_ARMS = ([11, 13, 15, 17, 19, 21], [12, 14, 16, 18, 20, 22])
_LEGS = ([23, 25, 27, 29, 31], [24, 26, 28, 30, 32])

_PEAK_SPREAD = 0.09
_TRUNK = 0.27  # half of the trunk's thickness over its length
# The error grows as exp(growth · (clear - peak)): five times at a peak of 0.05.
_ERROR_GROWTH, _CLEAR_PEAK = 3.2, 0.83
_PERSON_SPREAD = 0.42  # of the logarithm of a person's errors in the image
# BlazePose learnt from photographs, and the figures above are of renders: a person's errors are
# anywhere between this share of them and all.
_CLEAREST = 0.35
_OUTSIDE_ERROR = 14.0  # times a clear one's
# World landmarks show an adult of this size whatever the person's, and turned: photographs.
_WORLD_HEIGHT, _WORLD_HEIGHT_SPREAD = 1.60, 0.09
_WORLD_TURN, _WORLD_TURN_P90 = 8.0, 24.0  # degrees; measured 10 and 27 with the bones' errors
_WORLD_FLAT, _WORLD_FLAT_SPREAD = -0.25, 0.17  # logarithm of the depth's gain
_WORLD_COMMON, _WORLD_OWN = 0.60, 0.33  # of a limb and of a landmark, of the table's errors
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
    share = draws.log_uniform(_CLEAREST, 1.0)
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
    """Return a column of the table for each landmark, (33,) or (33, 3)."""
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
    draws: Draws, world: Tensor, height: Tensor, noise: ImageNoise, shift: Tensor, strength: float
) -> tuple[Tensor, Tensor]:
    """Return BlazePose's world landmarks: of some adult, too small, turned, bones awry.

    Args:
        draws: Random numbers.
        world: True ones, (B, 33, 3), metres.
        height: Of the people, (B,), metres.
        noise: Errors in the image; a landmark in doubt is as doubtful here.
        shift: Errors in the image, in metres of the person, image axes, (B, 33, 2).
        strength: Factor on all errors but the size's.

    Returns:
        World landmarks, (B, 33, 3), metres, and their size over the true one, (B,).
    """
    limb = torch.tensor(LIMBS, device=draws.device)
    along = draws.device_tensor(list(_ALONG))[:, None]
    # Whatever the person's height (the slope of the logarithms is -1.00 on renders).
    size = _WORLD_HEIGHT * (_WORLD_HEIGHT_SPREAD * draws.normal()).exp() / height
    doubtful = 1 + 0.15 * (noise.doubt.mean(-1) - 1.5).clamp(0, 5)
    turn = _turns(draws, strength * noise.share.sqrt() * doubtful)
    doubt = noise.doubt.sqrt().clamp(0.85, 2.2)[..., None]
    spread = _by_part(draws, 3) * doubt
    common = draws.heavy(_NUM_LIMBS, 3)[:, limb] * along
    error = spread * (_WORLD_COMMON * common + _WORLD_OWN * draws.normal(33, 3))
    error = error * noise.share[:, None, None]
    error[..., :2] += shift.clamp(-0.25, 0.25)
    flat = (strength * noise.share * (_WORLD_FLAT + _WORLD_FLAT_SPREAD * draws.normal())).exp()
    gain = torch.stack((torch.ones_like(flat), torch.ones_like(flat), flat), -1)
    turned = (world * gain[:, None]) @ turn.transpose(-1, -2)
    disturbed = size[:, None, None] * turned + strength * error
    return disturbed - disturbed[:, _HIPS].mean(1, keepdim=True), size


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


def _turns(draws: Draws, strength: Tensor) -> Tensor:
    """Draw rotations about any axis, (B, 3, 3), with a log-normal angle."""
    spread = math.log(_WORLD_TURN_P90 / _WORLD_TURN) / 1.2816
    angle = strength * math.radians(_WORLD_TURN) * (spread * draws.normal()).exp()
    return rotation_matrices(angle.clamp(max=math.pi)[:, None] * draws.directions())
