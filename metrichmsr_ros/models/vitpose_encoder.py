"""Image tokens of ViTPose, a vision transformer trained to find people's joints.

``transformers`` has it; the extra ``vitpose`` installs that.
"""

from __future__ import annotations

from os import PathLike
from typing import NamedTuple, TYPE_CHECKING

import torch
from torch import nn, Tensor
from torch.nn import functional

from metrichmsr_ros.geometry.vectors import length
from metrichmsr_ros.models.canonical import crop_frame, CropFrame
from metrichmsr_ros.models.image_encoder import LandmarkTokens
from metrichmsr_ros.models.image_evidence import (
    IMAGE_HEIGHT,
    IMAGE_WIDTH,
    ImageEvidence,
    RAY_MAP_SIZE,
)
from metrichmsr_ros.models.landmark_queries import LandmarkQueries
from metrichmsr_ros.models.vitpose_weights import load_vitpose

if TYPE_CHECKING:
    from transformers import VitPoseBackbone

PATCH = 16
ROWS, COLUMNS = IMAGE_HEIGHT // PATCH, IMAGE_WIDTH // PATCH
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # what ViTPose was trained with
_MIN_FORWARD = 0.1  # a ray further from the crop's axis (84°) is not in its tangent plane


class CanonicalImage(NamedTuple):
    """An image crop's rays in the crop's axes, as ``Canonical`` has them.

    Attributes:
        frame: The crop's axes.
        torso: Of an upright person facing the camera: nothing else is known, (B, 3, 3).
        ray_map: (B, 2, 224, 224).
        plane: Middles of ViTPose's patches, (B, 192, 2), row by row.
    """

    frame: CropFrame
    torso: Tensor
    ray_map: Tensor
    plane: Tensor


class VitPoseEncoder(nn.Module):
    """16 x 12 tokens of ViTPose and P learned tokens of the whole person, all of width D."""

    mean: Tensor
    std: Tensor
    torso: Tensor

    def __init__(
        self, dim: int, *, person_tokens: int, width: int, layers: int, heads: int, hidden: int
    ) -> None:
        """Prepare the encoder with random weights.

        Args:
            dim: D.
            person_tokens: P.
            width: Of ViTPose.
            layers: Its blocks.
            heads: Its attention heads.
            hidden: Hidden units where landmarks are corrected.

        Raises:
            ValueError: ``transformers`` is not installed, or ``heads`` does not divide ``width``.
        """
        super().__init__()
        self.num_tokens = ROWS * COLUMNS + person_tokens
        self.person_tokens = person_tokens
        self.summary_width = dim
        self.landmark_share = None
        self.backbone = make_backbone(width=width, layers=layers, heads=heads)
        self.enter = nn.Linear(width, dim)
        self.person = nn.Parameter(0.5 * torch.randn(person_tokens, dim))
        self.queries = LandmarkQueries(dim, hidden)
        for name, values in (('mean', _MEAN), ('std', _STD)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)
        upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
        self.register_buffer('torso', upright, persistent=False)

    def load_pretrained(self, source: str | PathLike[str]) -> None:
        """Load published weights of ViTPose.

        Args:
            source: Folder in the layout of ``transformers``; or ``hub:owner/name``, which is
                fetched from the Hugging Face hub.

        Raises:
            ValueError: There is no ViTPose, or it is unreadable, incomplete or of another size.
        """
        load_vitpose(self.backbone, source)

    def canonical(self, evidence: ImageEvidence) -> CanonicalImage:
        """Bring the rays of image crops into the axes of the crops."""
        frame = crop_frame(evidence.crop_rays)
        rays = evidence.ray_map.flatten(2).mT @ frame.axes
        forward = rays[..., 2:] / length(rays)
        # Only the corners of a crop that sees half a sphere come near this.
        depth = torch.where(forward > _MIN_FORWARD, rays[..., 2:], length(rays))
        plane = rays[..., :2] / depth / frame.angle[:, None, None]
        ray_map = plane.mT.unflatten(-1, (RAY_MAP_SIZE, RAY_MAP_SIZE))
        cells = RAY_MAP_SIZE * PATCH // IMAGE_HEIGHT
        margin = (RAY_MAP_SIZE // cells - COLUMNS) // 2
        middles = functional.avg_pool2d(ray_map, cells)[..., margin : margin + COLUMNS]
        torso = self.torso.expand(frame.angle.shape[0], 3, 3)
        return CanonicalImage(frame, torso, ray_map, middles.flatten(2).mT)

    def forward(self, evidence: ImageEvidence, crop: CanonicalImage) -> Tensor:
        """Encode the images of B people.

        Args:
            evidence: The people.
            crop: Their rays; not used, as patches of every crop are at the same places.

        Returns:
            Tokens, (B, P + 192, D), the person's first.
        """
        pixels = (evidence.image - self.mean) / self.std
        if pixels.shape[0]:
            patches = self.backbone(pixels).feature_maps[-1]
        else:  # it cannot count the tokens of nobody
            patches = pixels.new_zeros(0, ROWS * COLUMNS, self.enter.in_features)
        tokens = self.enter(patches)
        return torch.cat([self.person.expand(tokens.shape[0], -1, -1), tokens], dim=1)

    def landmarks(self, tokens: Tensor, crop: CanonicalImage) -> LandmarkTokens:
        """Return where queries find the landmarks, given the tokens (B, 192, D)."""
        found, plane = self.queries(tokens, crop.plane)
        seen = plane.new_ones(plane.shape[:2], dtype=torch.bool)
        return LandmarkTokens(found, plane, seen, world=plane.new_zeros(*plane.shape[:2], 3))

    def summary(self, tokens: Tensor) -> Tensor:
        """Return the mean of the tokens, (B, D)."""
        return tokens.mean(1)


def make_backbone(*, width: int, layers: int, heads: int) -> VitPoseBackbone:
    """Return ViTPose without its head, with random weights.

    Raises:
        ValueError: ``transformers`` is not installed, or ``heads`` does not divide ``width``.
    """
    if width % heads:
        raise ValueError(f'heads is {heads}: it must divide width, {width}')
    try:
        from transformers import VitPoseBackbone, VitPoseBackboneConfig
    except ImportError as error:
        raise ValueError(
            f"ViTPose needs transformers: pip install 'metrichmsr_ros[vitpose]' ({error})"
        ) from error
    return VitPoseBackbone(
        VitPoseBackboneConfig(
            image_size=(IMAGE_HEIGHT, IMAGE_WIDTH), patch_size=(PATCH, PATCH),
            hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        )
    )  # fmt: skip
