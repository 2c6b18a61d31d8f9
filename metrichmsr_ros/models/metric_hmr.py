"""MetricHMR: evidence about people → metric people (MetricHMSR, Fig. 2).

Encoders → HumanMoE → heads; docs/model.md says what is the paper's and what is ours.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
import json
from os import PathLike
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
import torch
from torch import nn, Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.body_points import BodyPoints
from metrichmsr_ros.geometry.vectors import length, unit
from metrichmsr_ros.models.blazepose_encoder import BlazePoseEncoder
from metrichmsr_ros.models.canonical import canonical, CropFrame
from metrichmsr_ros.models.evidence import Evidence
from metrichmsr_ros.models.heads import PoseHead, Position, PositionHead, ShapeHead
from metrichmsr_ros.models.human_moe import HumanMoE
from metrichmsr_ros.models.prediction import Prediction
from metrichmsr_ros.models.ray_encoder import RayEncoder

CHECKPOINTS = Path(__file__).parent / 'checkpoints'
CONFIG_FILE, WEIGHTS_FILE = 'config.json', 'model.safetensors'


class CheckpointError(ValueError):
    """A checkpoint is missing, unreadable or does not fit."""


@dataclass(frozen=True)
class MetricHMRConfig:
    """Sizes of the network; the defaults are the ``blazepose`` size.

    Attributes:
        dim: Width of the tokens.
        heads: Attention heads.
        expert_hidden: Hidden units of an expert.
        routed_experts: Routed image experts, 0 for none.
        patch_blocks: HumanMoE blocks gated token by token.
        global_blocks: HumanMoE blocks gated person by person.
        ray_patch: Cells of the ray map along a patch's side.
        person_tokens: Tokens of the whole person.
        person_hidden: Hidden units of the perceptron that makes them.
        head_hidden: Hidden units of the heads.

    Raises:
        ValueError: If a value is out of its range.
    """

    dim: int = 128
    heads: int = 4
    expert_hidden: int = 128
    routed_experts: int = 4
    patch_blocks: int = 2
    global_blocks: int = 2
    ray_patch: int = 4
    person_tokens: int = 4
    person_hidden: int = 512
    head_hidden: int = 256

    def __post_init__(self) -> None:
        may_be_zero = {'routed_experts', 'patch_blocks', 'global_blocks'}
        for name, value in asdict(self).items():
            least = 0 if name in may_be_zero else 1
            if not isinstance(value, int) or value < least:
                raise ValueError(f'{name} is {value!r}: it must be an integer of at least {least}')
        if not self.patch_blocks + self.global_blocks:
            raise ValueError('patch_blocks and global_blocks are 0: there must be a block')

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MetricHMRConfig:
        """Build a config in which every field is named.

        Raises:
            ValueError: A field is unknown, missing or out of its range.
        """
        names = {item.name for item in fields(cls)}
        _check_names(set(values), names, 'config')
        return cls(**values)


class MetricHMR(nn.Module):
    """The network; a pure function of the evidence.

    Attributes:
        config: Its sizes.
    """

    def __init__(self, config: MetricHMRConfig, body: BodyModel) -> None:
        """Prepare a network with random weights.

        Args:
            config: Sizes.
            body: The body whose parameters it estimates.
        """
        super().__init__()
        self.config = config
        dim, features = config.dim, (config.person_tokens + 2) * config.dim
        self.image_encoder = BlazePoseEncoder(
            dim, person_tokens=config.person_tokens, person_hidden=config.person_hidden
        )
        self.ray_encoder = RayEncoder(dim, heads=config.heads, patch=config.ray_patch)
        self.human_moe = HumanMoE(
            dim,
            heads=config.heads,
            hidden=config.expert_hidden,
            routed=config.routed_experts,
            patch_blocks=config.patch_blocks,
            global_blocks=config.global_blocks,
        )
        self.pose_head = PoseHead(features, config.head_hidden)
        self.shape_head = ShapeHead(features, config.head_hidden)
        self.position_head = PositionHead(features, dim, config.head_hidden)
        self.points = BodyPoints(body)

    @property
    def body(self) -> BodyModel:
        """The body whose parameters are estimated."""
        return self.points.body

    def forward(self, evidence: Evidence) -> Prediction:
        """Estimate B people.

        Args:
            evidence: On this module's device.

        Returns:
            The people, in the camera frame of the evidence.
        """
        crop = canonical(evidence)
        image = self.image_encoder(evidence, crop)
        rays = self.ray_encoder(crop.ray_map, crop.frame.angle)
        image, rays, router = self.human_moe(image, rays)
        own, landmark_tokens = image.tensor_split([self.config.person_tokens], dim=1)
        means = [landmark_tokens.mean(1), rays.mean(1)]
        person = torch.cat([own.flatten(1), *means], dim=-1)
        rotations, shape = self.pose_head(person, crop.torso), self.shape_head(person)
        joints, landmarks = self.points(rotations, shape)
        position = self.position_head(
            person,
            landmark_tokens,
            landmarks,
            plane=crop.plane,
            seen=crop.seen,
            angle=crop.frame.angle,
        )
        return _in_camera_axes(crop.frame, rotations, shape, joints, landmarks, position, router)

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Write config and weights.

        Args:
            folder: Made if it does not exist; files of an older checkpoint are replaced.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        config = {'network': asdict(self.config), 'body_model': self.body.name}
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + '\n')
        weights = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(weights, folder / WEIGHTS_FILE)

    @classmethod
    def from_pretrained(
        cls, path_or_name: str | PathLike[str], *, body: BodyModel | None = None
    ) -> MetricHMR:
        """Load a network, ready for inference on the CPU.

        Args:
            path_or_name: Folder of a checkpoint, or the name of one that ships.
            body: The body that it was trained for; None = the body that ships.

        Raises:
            CheckpointError: The checkpoint is missing, unreadable or does not fit: unknown or
                missing keys are listed.
        """
        folder = find_checkpoint(path_or_name)
        body = BodyModel.load() if body is None else body
        try:
            config = json.loads((folder / CONFIG_FILE).read_text())
            _check_names(set(config), {'network', 'body_model'}, 'config')
            if config['body_model'] != body.name:
                raise ValueError(f'it is for body {config["body_model"]!r}, not {body.name!r}')
            network = cls(MetricHMRConfig.from_dict(config['network']), body)
            weights = load_file(folder / WEIGHTS_FILE)
            network._check_weights(weights)
        except (OSError, ValueError, TypeError, SafetensorError) as error:
            raise CheckpointError(f'checkpoint {folder}: {error}') from error
        network.load_state_dict(weights)
        return network.eval()

    def _check_weights(self, weights: dict[str, Tensor]) -> None:
        wanted = self.state_dict()
        _check_names(set(weights), set(wanted), 'weights')
        for name, value in wanted.items():
            if weights[name].shape != value.shape:
                shapes = tuple(weights[name].shape), tuple(value.shape)
                raise ValueError(f'{name} is {shapes[0]}: it must be {shapes[1]}')


def find_checkpoint(path_or_name: str | PathLike[str]) -> Path:
    """Return the folder of a checkpoint, given itself or the name of one that ships.

    Raises:
        CheckpointError: There is none.
    """
    for folder in (Path(path_or_name), CHECKPOINTS / path_or_name):
        if (folder / CONFIG_FILE).is_file():
            return folder
    shipped = sorted(config.parent.name for config in CHECKPOINTS.glob(f'*/{CONFIG_FILE}'))
    raise CheckpointError(
        f'no checkpoint at {str(path_or_name)!r}: it must be a folder with {CONFIG_FILE}, '
        f'or one that ships: {", ".join(shipped) or "none does"}'
    )


def _in_camera_axes(
    frame: CropFrame,
    rotations: Tensor,
    shape: Tensor,
    joints: Tensor,
    landmarks: Tensor,
    position: Position,
    router: Tensor,
) -> Prediction:
    """Turn what was found in crop axes back into camera axes."""
    axes = frame.axes
    place, depth = position.place, position.place[:, 2:] / frame.angle.unsqueeze(-1)
    in_crop = torch.cat([place[:, :2], depth], -1)
    pelvis = (axes @ in_crop.unsqueeze(-1)).squeeze(-1)
    distance = length(in_crop)
    along, across = position.log_sigma.split([1, 2], dim=-1)
    root = axes @ rotations[:, 0]
    return Prediction(
        rotations=torch.cat([root.unsqueeze(1), rotations[:, 1:]], dim=1),
        shape=shape,
        pelvis=pelvis,
        pelvis_axes=_ray_axes(pelvis, right=axes[:, :, 0]),
        pelvis_log_sigma=torch.cat([along + distance.log(), across], -1),
        confidence_logit=position.confidence_logit,
        joints=joints @ axes.mT + pelvis.unsqueeze(1),
        landmarks=landmarks @ axes.mT + pelvis.unsqueeze(1),
        landmark_weights=position.weights,
        router=router,
    )


def _ray_axes(points: Tensor, *, right: Tensor) -> Tensor:
    """Return columns along the rays of ``points``, then right and down, (B, 3, 3)."""
    ray = unit(points)
    right = right - (right * ray).sum(-1, keepdim=True) * ray
    right = unit(right)
    return torch.stack([ray, right, torch.linalg.cross(ray, right)], dim=-1)


def _check_names(found: set[str], wanted: set[str], what: str) -> None:
    unknown, missing = sorted(found - wanted), sorted(wanted - found)
    if unknown or missing:
        raise ValueError(f'{what}: unknown {unknown}, missing {missing}')
