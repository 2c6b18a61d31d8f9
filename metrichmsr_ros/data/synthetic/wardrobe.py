"""Clothes, skin, hair and faces: what is painted on a body at rest, and how far cloth stands off.

All points are of the body at rest (T-pose): y up, z out of the chest, x to the body's left, in
metres; colours are linear RGB albedo.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from metrichmsr_ros.data.synthetic.outfits import Outfit
from metrichmsr_ros.data.synthetic.room import value_noise


class Layer(IntEnum):
    """What covers a point."""

    SKIN = 0
    HAIR = 1
    TOP = 2
    LEGS = 3
    SHOES = 4


@dataclass(frozen=True)
class Figure:
    """Measures of one body at rest.

    Attributes:
        joints: SMPL joints, (24, 3).
        nose: Tip of the nose, (3,).
        eyes: Left and right eye, (2, 3).
        mouth: Middle of the mouth, (3,).
        ears: Left and right ear, (2, 3).
        top: Crown, (3,).
        sole: Height of the sole.
    """

    joints: np.ndarray
    nose: np.ndarray
    eyes: np.ndarray
    mouth: np.ndarray
    ears: np.ndarray
    top: np.ndarray
    sole: float


def layers(points: np.ndarray, figure: Figure, outfit: Outfit) -> np.ndarray:
    """Return the ``Layer`` over each of ``points`` (N, 3), (N,)."""
    x, y, z = points.T
    joints = figure.joints
    side = np.abs(x)
    neck, elbow, wrist = joints[12], joints[18], joints[20]
    shoulder, pelvis, knee, ankle = joints[16], joints[0], joints[4], joints[7]
    on_arm = (side > shoulder[0]) & (y > shoulder[1] - 0.2)
    along = np.interp(side, [shoulder[0], elbow[0], wrist[0]], [0.0, 1.0, 2.0])
    down = np.interp(-y, [-pelvis[1], -knee[1], -ankle[1]], [0.0, 1.0, 2.0])
    waist = pelvis[1] + 0.03
    result = np.full(len(points), Layer.SKIN)
    front = np.clip(z - neck[2], 0, None)
    opening = outfit.neckline * np.clip(1 - side / 0.07, 0, None) + 0.30 * front
    below_neckline = (y < neck[1] + 0.012 - opening) | (side > 0.105)
    beyond_wrist = on_arm & (side > wrist[0] - 0.01)
    top = below_neckline & ~(on_arm & (along > outfit.sleeve)) & ~beyond_wrist
    result[top] = Layer.TOP
    result[~on_arm & (y < waist) & (down <= outfit.leg_length)] = Layer.LEGS
    result[~on_arm & (y < waist) & (down > outfit.leg_length)] = Layer.SKIN
    toe_side = (z > ankle[2] + 0.06) & (y < ankle[1] + 0.03)
    result[(y < ankle[1] + 0.012) | (toe_side & (y < ankle[1] + 0.02))] = Layer.SHOES
    result[_on_scalp(points, figure, outfit)] = Layer.HAIR
    return result


def stand_off(vertices: np.ndarray, figure: Figure, outfit: Outfit) -> np.ndarray:
    """Return how far cloth, hair and shoes stand off the skin along its normal, (V,) metres."""
    covered = layers(vertices, figure, outfit)
    amount = np.select(
        [covered == layer for layer in (Layer.HAIR, Layer.TOP, Layer.LEGS, Layer.SHOES)],
        [0.014, 0.013 if outfit.pattern == 'jacket' else 0.009, 0.010, 0.004],
    )
    ankle, knee = figure.joints[7], figure.joints[4]
    flare = np.clip((knee[1] - vertices[:, 1]) / (knee[1] - ankle[1]), 0, 1)
    amount += np.where(covered == Layer.LEGS, 0.012 * flare, 0.0)
    cuff = np.abs(vertices[:, 0]) - figure.joints[16, 0] > 0.06
    amount += np.where((covered == Layer.TOP) & cuff & (outfit.sleeve < 1), 0.008, 0.0)
    folds = value_noise(vertices * [14, 9, 14], seed=5)
    amount *= np.where((covered == Layer.TOP) | (covered == Layer.LEGS), 1 + 0.35 * folds, 1.0)
    # Soles stay on the floor.
    return np.where(vertices[:, 1] < figure.sole + 0.025, 0.0, amount)


def paint(points: np.ndarray, figure: Figure, outfit: Outfit, *, seed: int) -> np.ndarray:
    """Return the albedo of ``points`` (N, 3) of the skin under all that covers it, (N, 3)."""
    ragged = points.copy()
    ragged[:, 1] += 0.004 * value_noise(points * 160, seed=seed)
    covered = np.where(
        layers(ragged, figure, outfit) == Layer.HAIR,
        Layer.HAIR,
        layers(points, figure, outfit),
    )
    colour = np.empty((len(points), 3))
    painters = {
        Layer.SKIN: _skin, Layer.HAIR: _hair, Layer.TOP: _top, Layer.LEGS: _legs,
        Layer.SHOES: _shoes,
    }  # fmt: skip
    for layer, painter in painters.items():
        chosen = covered == layer
        if chosen.any():
            colour[chosen] = painter(points[chosen], figure, outfit, seed)
    return np.clip(colour, 0.004, 0.95)


def _on_scalp(points: np.ndarray, figure: Figure, outfit: Outfit) -> np.ndarray:
    x, y, z = points.T
    eye, ear = figure.eyes.mean(0), figure.ears.mean(0)
    brow = eye[1] + 0.52 * (figure.top[1] - eye[1]) - 0.9 * np.clip(np.abs(x) - 0.045, 0, None)
    nape = ear[1] - (0.16 if outfit.long_hair else 0.035)
    # From the hairline back over the ears and down to the nape.
    line = np.interp(z, [ear[2] - 0.012, ear[2] + 0.012, eye[2]], [0.0, 0.55, 1.0])
    height = nape + line * (brow - nape)
    behind = np.where(z < ear[2] - 0.012, nape, height)
    return (y > behind) & (np.abs(x) < 0.13) & (y > figure.joints[12, 1] - 0.05)


def _skin(points: np.ndarray, figure: Figure, outfit: Outfit, seed: int) -> np.ndarray:
    blotches = value_noise(points * 60, seed=seed) + value_noise(points * 18, seed=seed + 1)
    colour = np.array(outfit.skin) * (1 + 0.035 * blotches[:, None])
    joints = figure.joints
    beyond = np.clip((np.abs(points[:, 0]) - joints[22, 0]) / 0.08, 0, 1)
    knuckles = np.abs(points[:, 0]) > joints[22, 0] - 0.01
    gaps = 0.5 + 0.5 * np.cos(2 * np.pi * (points[:, 2] - joints[22, 2]) / 0.02)
    fingers = 1 - 0.35 * knuckles * (gaps > 0.9) * (beyond > 0.2)
    colour *= fingers[:, None] * [1.0, 0.97, 0.95]
    return _face(points, colour, figure, outfit)


def _face(points: np.ndarray, colour: np.ndarray, figure: Figure, outfit: Outfit) -> np.ndarray:
    """Paint cheeks, lips, nostrils, eyes and brows over skin."""
    x, y, z = points.T
    front = z > figure.ears[:, 2].mean() + 0.25 * (figure.nose[2] - figure.ears[:, 2].mean())

    def blob(
        centre: np.ndarray, radius_x: float, radius_y: float, slant: float = 0.0
    ) -> np.ndarray:
        across, up = x - centre[0], y - centre[1] - slant * (x - centre[0])
        return np.where(front, (across / radius_x) ** 2 + (up / radius_y) ** 2, np.inf)

    def blend(share: np.ndarray, paint_colour: np.ndarray) -> None:
        colour[:] = colour + share[:, None] * (paint_colour - colour)

    skin = np.array(outfit.skin)
    rosy, dark = skin * [1.05, 0.78, 0.75], skin * 0.45
    for side, eye in zip((1.0, -1.0), figure.eyes, strict=True):
        cheek = np.array([0.042 * side, (figure.nose[1] + figure.mouth[1]) / 2 + 0.008])
        blend(0.55 * np.exp(-blob(cheek, 0.022, 0.02)), rosy)
        blend(0.55 * np.exp(-blob(eye + np.array([0, 0.004, 0]), 0.021, 0.013)), skin * 0.62)
        blend((blob(eye, 0.0155, 0.0062) < 1) * 1.0, np.array([0.66, 0.63, 0.6]))
        blend((blob(eye, 0.006, 0.006) < 1) * 1.0, np.array([0.05, 0.035, 0.025]))
        lid = (blob(eye + np.array([0, 0.0045, 0]), 0.018, 0.0042, -0.1 * side) < 1) * 0.9
        blend(lid, np.array([0.03, 0.02, 0.016]))
        brow = eye + np.array([0.002 * side, 0.021, 0])
        blend((blob(brow, 0.021, 0.0046, -0.12 * side) < 1) * 0.85, np.array(outfit.hair) * 0.8)
        nostril = figure.nose + np.array([0.007 * side, -0.011, 0])
        blend(0.8 * np.exp(-blob(nostril, 0.005, 0.0035)), dark)
        wing = figure.nose + np.array([0.018 * side, -0.004, 0])
        blend(0.4 * np.exp(-blob(wing, 0.004, 0.01)), skin * 0.6)
    lips = skin * [0.95, 0.5, 0.5]
    blend((blob(figure.mouth, 0.024, 0.0085) < 1) * 0.75, lips)
    blend((blob(figure.mouth, 0.025, 0.0016) < 1) * 0.9, skin * [0.35, 0.18, 0.18])
    blend(0.45 * np.exp(-blob(figure.mouth - np.array([0, 0.017, 0]), 0.016, 0.005)), skin * 0.65)
    ear = np.linalg.norm(points[:, None] - figure.ears, axis=-1).min(-1)
    blend(0.5 * np.exp(-((ear / 0.012) ** 2)), skin * [0.75, 0.5, 0.45])
    chin = figure.mouth[1] - 0.052
    under = np.clip((chin - y) / 0.02, 0, 1) * (y > figure.joints[12, 1] - 0.02)
    blend(0.35 * under * (np.abs(x) < 0.1), skin * 0.6)
    return colour


def _hair(points: np.ndarray, _figure: Figure, outfit: Outfit, seed: int) -> np.ndarray:
    strands = value_noise(points * [190, 30, 190], seed=seed + 2)
    locks = value_noise(points * [45, 14, 45], seed=seed + 3)
    return np.array(outfit.hair) * (1 + 0.35 * strands + 0.3 * locks)[:, None] + 0.004


def _top(points: np.ndarray, figure: Figure, outfit: Outfit, seed: int) -> np.ndarray:
    x, y, z = points.T
    first, second = (np.array(c) for c in outfit.top)
    joints = figure.joints
    on_arm = (np.abs(x) > joints[16, 0] - 0.02) & (y > joints[16, 1] - 0.2)
    # Stripes and checks run round the trunk and round the arms.
    height = np.where(on_arm, np.abs(x), y)
    colour = np.tile(first, (len(points), 1))
    chest = (z > joints[9, 2]) & ~on_arm
    if outfit.pattern == 'stripes':
        colour[(height / 0.075) % 1 < 0.38] = second
    elif outfit.pattern == 'checks':
        across = np.where(on_arm, z, x)
        lines = ((height / 0.06) % 1 < 0.18).astype(float) + ((across / 0.06) % 1 < 0.18)
        colour += (lines / 2)[:, None] * (second - first)
    elif outfit.pattern == 'print':
        middle = joints[9, 1] - 0.03
        ring = np.hypot(x / 0.095, (y - middle) / 0.075)
        colour[chest & (ring < 1) & (ring > 0.72)] = second
        colour[chest & (ring < 0.5)] = second
        colour[on_arm & (np.abs(x) > joints[16, 0] + 0.1)] = second
    elif outfit.pattern == 'jacket':
        depth = np.clip((joints[12, 1] - y) / (joints[12, 1] - joints[3, 1]), 0, 1)
        colour[chest & (np.abs(x) < 0.062 * (1 - depth))] = second
        colour[chest & (np.abs(x) < 0.013) & (depth > 0.03) & (depth < 0.9)] = [0.3, 0.02, 0.03]
    if outfit.pattern in ('checks', 'jacket'):
        buttons = chest & (np.abs(x) < 0.006) & (np.abs((y / 0.09) % 1 - 0.5) < 0.07)
        colour[buttons] = [0.6, 0.58, 0.52]
    hem = np.abs(y - joints[0, 1] - 0.045) < 0.006
    cuff = on_arm & (np.abs(np.abs(x) - _sleeve_end(figure, outfit) + 0.016) < 0.004)
    seam = np.abs(np.abs(x) - joints[16, 0] + 0.005) < 0.0035
    collar = (y > joints[12, 1] - 0.03) & ~on_arm & (outfit.pattern != 'jacket')
    colour[~on_arm & hem | cuff | seam] *= 0.6
    colour[collar] *= 0.72
    return colour * _folds(points, seed + 4)


def _sleeve_end(figure: Figure, outfit: Outfit) -> float:
    places = [figure.joints[joint, 0] for joint in (16, 18, 20)]
    return float(np.interp(outfit.sleeve, [0.0, 1.0, 2.0], places))


def _legs(points: np.ndarray, figure: Figure, outfit: Outfit, seed: int) -> np.ndarray:
    x, y, z = points.T
    pelvis, hip, knee = figure.joints[0], figure.joints[1], figure.joints[4]
    colour = np.tile(np.array(outfit.legs), (len(points), 1))
    worn = np.exp(-(((y - (hip[1] + knee[1]) / 2) / 0.18) ** 2)) * (z > hip[2])
    colour *= (1 + 0.3 * worn)[:, None]
    belt = y > pelvis[1] - 0.005
    colour[belt] = [0.035, 0.022, 0.015]
    colour[belt & (np.abs(x) < 0.02) & (z > pelvis[2])] = [0.45, 0.42, 0.34]
    side_seam = np.abs(z - hip[2]) < 0.0035
    fly = (np.abs(x) < 0.003) & (z > pelvis[2]) & (y > hip[1] - 0.05)
    pocket = np.abs((y - pelvis[1] + 0.09) - 0.9 * (np.abs(x) - 0.13)) < 0.003
    colour[side_seam | fly | (pocket & (np.abs(x) > 0.09) & (y > hip[1]))] *= 0.55
    # Legs shade each other: without it the two merge in a picture.
    inner = np.clip(1 - np.abs(x) / 0.05, 0, 1) * (y < hip[1])
    return colour * (1 - 0.45 * inner)[:, None] * _folds(points, seed + 5)


def _shoes(points: np.ndarray, figure: Figure, outfit: Outfit, seed: int) -> np.ndarray:
    height = points[:, 1] - figure.sole
    colour = np.tile(np.array(outfit.shoes[0]), (len(points), 1))
    toe = points[:, 2] - figure.joints[10, 2]
    laces = (np.abs(toe + 0.03) < 0.045) & (height > 0.05) & ((toe / 0.012) % 1 < 0.35)
    colour[laces] = 0.5 * colour[laces] + 0.3
    colour[height < 0.024] = outfit.shoes[1]
    colour[np.abs(height - 0.026) < 0.003] *= 0.4
    colour[height > figure.joints[7, 1] - figure.sole] *= 0.6
    return colour * (1 + 0.05 * value_noise(points * 90, seed=seed))[:, None]


def _folds(points: np.ndarray, seed: int) -> np.ndarray:
    """Weave and creases of cloth, (N, 1)."""
    creases = value_noise(points * [16, 11, 16], seed=seed)
    fine = value_noise(points * [55, 30, 55], seed=seed + 1)
    weave = value_noise(points * 260, seed=seed + 2)
    return (1 + 0.16 * creases + 0.07 * fine + 0.04 * weave)[:, None]


def paint_faces(
    vertices: np.ndarray,
    faces: np.ndarray,
    figure: Figure,
    outfit: Outfit,
    *,
    texels: int,
    seed: int,
) -> np.ndarray:
    """Paint ``texels`` along each triangle's edge, (F · texels², 3), in the kernels' order."""
    row, column = np.divmod(np.arange(texels**2), texels)
    u, v = (row + 1 / 3) / texels, (column + 1 / 3) / texels
    read = row + column < texels  # texels past the diagonal never are
    shares = np.stack([u, v, 1 - u - v], -1)[read]
    points = np.einsum('tc,fcx->ftx', shares, vertices[faces])
    texture = np.zeros((len(faces), texels**2, 3))
    texture[:, read] = paint(points.reshape(-1, 3), figure, outfit, seed=seed).reshape(
        points.shape
    )
    return texture.reshape(-1, 3)
