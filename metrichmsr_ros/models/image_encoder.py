"""The wall between what looks at a person and what makes them metric."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from torch import Tensor


class LandmarkTokens(NamedTuple):
    """What the position head needs to know of the image.

    Attributes:
        tokens: Of BlazePose's 33 landmarks, (B, 33, D).
        plane: x / z and y / z of their rays in crop axes over the crop's angle, (B, 33, 2).
        seen: Whether that is known, (B, 33) bool.
        world: As in ``Canonical``, (B, 33, 3), metres; 0 from an encoder that has none.
    """

    tokens: Tensor
    plane: Tensor
    seen: Tensor
    world: Tensor


class ImageEncoder(Protocol):
    """Turns evidence about people into image tokens with positions in the crop.

    Each kind of encoder has its kind of evidence and of crop. The rest of the network only knows
    that a crop has ``frame``, ``torso`` and ``ray_map``, as in ``Canonical``.

    Attributes:
        num_tokens: P + T.
        person_tokens: P, tokens of the whole person.
        summary_width: S.
    """

    num_tokens: int
    person_tokens: int
    summary_width: int

    @property
    def landmark_share(self) -> Tensor | None:
        """How much each of T tokens is about each landmark, (T, 33); None for those of places."""

    def canonical(self, evidence: Any) -> Any:
        """Bring evidence of B people into the axes of its crops."""

    def __call__(self, evidence: Any, crop: Any) -> Tensor:
        """Return tokens, (B, P + T, D), the person's first."""

    def landmarks(self, tokens: Tensor, crop: Any) -> LandmarkTokens:
        """Return the landmarks' tokens and rays, given the T tokens (B, T, D) after HumanMoE."""

    def summary(self, tokens: Tensor) -> Tensor:
        """Return what heads read of the T tokens (B, T, D), (B, S)."""
