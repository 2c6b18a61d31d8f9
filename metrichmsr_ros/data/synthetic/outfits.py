"""What the synthetic people wear. Colours are linear RGB albedo."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outfit:
    """One way to look.

    Attributes:
        skin: Colour of the skin.
        hair: Colour of the hair.
        top: Main and second colour of shirt or jacket.
        pattern: 'plain', 'stripes', 'checks', 'print', 'jacket'.
        sleeve: Where sleeves end: 1 = elbow, 2 = wrist.
        neckline: How far the neckline opens in front, metres.
        legs: Colour of trousers.
        leg_length: Where they end: 1 = knee, 2 = ankle.
        shoes: Colours of shoe and sole.
        long_hair: Whether the hair falls over the neck.
    """

    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    top: tuple[tuple[float, float, float], tuple[float, float, float]]
    pattern: str
    sleeve: float
    neckline: float
    legs: tuple[float, float, float]
    leg_length: float
    shoes: tuple[tuple[float, float, float], tuple[float, float, float]]
    long_hair: bool = False


OUTFITS = (
    Outfit(
        (0.56, 0.34, 0.25), (0.055, 0.03, 0.016), ((0.45, 0.035, 0.04), (0.72, 0.7, 0.66)),
        'stripes', 0.62, 0.03, (0.055, 0.09, 0.17), 1.97, ((0.7, 0.69, 0.66), (0.5, 0.49, 0.46)),
    ),
    Outfit(
        (0.44, 0.25, 0.165), (0.012, 0.01, 0.009), ((0.34, 0.48, 0.66), (0.7, 0.74, 0.78)),
        'checks', 1.93, 0.06, (0.19, 0.15, 0.10), 1.97, ((0.09, 0.05, 0.03), (0.03, 0.02, 0.015)),
    ),
    Outfit(
        (0.19, 0.1, 0.062), (0.008, 0.007, 0.006), ((0.68, 0.5, 0.06), (0.05, 0.05, 0.06)),
        'print', 0.7, 0.035, (0.16, 0.17, 0.19), 1.97, ((0.55, 0.07, 0.05), (0.66, 0.64, 0.6)),
    ),
    Outfit(
        (0.6, 0.39, 0.3), (0.3, 0.18, 0.07), ((0.05, 0.28, 0.2), (0.03, 0.19, 0.13)),
        'plain', 1.93, 0.035, (0.028, 0.028, 0.032), 1.97,
        ((0.6, 0.6, 0.58), (0.66, 0.65, 0.62)), True,
    ),
    Outfit(
        (0.5, 0.31, 0.22), (0.09, 0.05, 0.025), ((0.05, 0.06, 0.1), (0.7, 0.7, 0.68)),
        'jacket', 1.95, 0.09, (0.22, 0.22, 0.23), 1.97,
        ((0.025, 0.022, 0.02), (0.015, 0.015, 0.015)),
    ),
)  # fmt: skip
