"""MetricHMR: evidence about people → metric people (MetricHMSR, Fig. 2).

Encoders → HumanMoE → heads; docs/model.md says what is the paper's and what is ours.
"""

from __future__ import annotations

from dataclasses import asdict
from os import PathLike

import numpy as np
import torch
from torch import nn, Tensor
from torch.nn import functional

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.body_points import BodyPoints
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.vectors import length, unit
from metrichmsr_ros.models.canonical import approached, CropFrame
from metrichmsr_ros.models.checkpoint import (
    CheckpointError,
    CONFIG_FILE,
    find_checkpoint,
    load_weights,
    read_config,
    reading,
    write_checkpoint,
)
from metrichmsr_ros.models.encoders import build_encoders
from metrichmsr_ros.models.estimate import Estimate, EstimateHeads, Feedback
from metrichmsr_ros.models.evidence import Evidence
from metrichmsr_ros.models.gather import evidence_of_boxes
from metrichmsr_ros.models.human_moe import HumanMoE, stages
from metrichmsr_ros.models.image_encoder import ImageEncoder
from metrichmsr_ros.models.image_evidence import ImageEvidence
from metrichmsr_ros.models.network_config import check_names, MetricHMRConfig
from metrichmsr_ros.models.prediction import Prediction
from metrichmsr_ros.structures import Frame


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

        Raises:
            ValueError: It has ViTPose, and ``transformers`` is not installed.
        """
        super().__init__()
        self.config = config
        self.image_encoder, self.ray_encoder = build_encoders(config)
        encoder: ImageEncoder = self.image_encoder
        self.human_moe = nn.ModuleList(
            HumanMoE(
                config.dim,
                heads=config.heads,
                hidden=config.expert_hidden,
                routed=config.routed_experts,
                per_token=blocks,
            )
            for blocks in stages(config.patch_blocks, config.global_blocks, config.stages)
        )
        features = (config.person_tokens + 1) * config.dim + encoder.summary_width
        self.heads = nn.ModuleList(
            EstimateHeads(features, config.dim, config.head_hidden) for _ in range(config.stages)
        )
        self.feedback = nn.ModuleList(
            Feedback(
                config.dim,
                person_tokens=config.person_tokens,
                hidden=config.head_hidden,
                landmark_share=encoder.landmark_share,
            )
            for _ in range(config.stages - 1)
        )
        self.points = BodyPoints(body)

    @property
    def body(self) -> BodyModel:
        """The body whose parameters are estimated."""
        return self.points.body

    def forward(self, evidence: Evidence | ImageEvidence) -> Prediction:
        """Estimate B people.

        Args:
            evidence: Of the kind that the image encoder takes, on this module's device.

        Returns:
            The people, in the camera frame of the evidence.
        """
        return self.estimates(evidence)[-1]

    def estimates(self, evidence: Evidence | ImageEvidence) -> list[Prediction]:
        """Return what every stage estimates, the first one first; training teaches all of them.

        Args:
            evidence: As of ``forward``.
        """
        encoder: ImageEncoder = self.image_encoder
        crop = encoder.canonical(evidence)
        image = encoder(evidence, crop)
        frame = approached(crop.frame)
        rays = self.ray_encoder(crop.ray_map, frame.angle)
        tokens = torch.cat([image, rays], 1)
        router: list[Tensor] = []
        found: list[Estimate] = []
        for stage, (human_moe, heads) in enumerate(zip(self.human_moe, self.heads, strict=True)):
            if found:
                told = self.feedback[stage - 1](found[-1], frame.angle)
                tokens = tokens + functional.pad(told, (0, 0, 0, tokens.shape[1] - told.shape[1]))
            tokens, normed, gates = human_moe(tokens, rays.shape[1])
            router.extend(gates)
            own, parts, around = normed.tensor_split(
                [self.config.person_tokens, image.shape[1]], dim=1
            )
            estimate = heads(
                torch.cat([own.flatten(1), encoder.summary(parts), around.mean(1)], dim=-1),
                encoder.landmarks(parts, crop),
                body=self.points,
                frame=frame,
                torso=crop.torso,
                before=found[-1] if found else None,
            )
            found.append(estimate)
        gates = torch.stack(router, dim=1)
        return [_in_camera_axes(crop.frame, estimate, gates) for estimate in found]

    @torch.inference_mode()
    def infer(
        self,
        image: np.ndarray,
        camera: Camera,
        boxes: np.ndarray,
        *,
        landmark_network: str | None = None,
    ) -> Prediction:
        """Estimate the people in boxes of an image.

        Args:
            image: (H, W, 3) uint8, RGB.
            camera: Its camera.
            boxes: Of whole people: x_min, y_min, x_max, y_max, (N, 4), pixels.
            landmark_network: Which of BlazePose's reads landmarks, where they are needed: the one
                that these weights were trained for; None = heavy where it has been fetched.

        Returns:
            N people, in the order of the boxes, on this module's device.

        Raises:
            AssetError: BlazePose is needed and its files are missing or corrupt.
            ValueError: A box is empty or not finite, or the image is not of the camera's size.
        """
        frame = Frame(image, camera, stamp=0)
        evidence = evidence_of_boxes(self.config, frame, boxes, landmark_network)
        return self(evidence.to(next(self.parameters()).device))

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Write config and weights.

        Args:
            folder: Made if it does not exist; files of an older checkpoint are replaced.
        """
        config = {'network': asdict(self.config), 'body_model': self.body.name}
        write_checkpoint(folder, config, self)

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
        with reading(folder):
            config = read_config(folder)
            check_names(set(config), {'network', 'body_model'}, 'config')
            if config['body_model'] != body.name:
                raise ValueError(f'it is for body {config["body_model"]!r}, not {body.name!r}')
            network = cls(MetricHMRConfig.from_dict(config['network']), body)
            load_weights(network, folder)
        return network.eval()


def body_of_checkpoint(path_or_name: str | PathLike[str]) -> str:
    """Return the name of the body that a checkpoint was trained for.

    Raises:
        CheckpointError: The checkpoint is missing, or does not say.
    """
    folder = find_checkpoint(path_or_name)
    try:
        return str(read_config(folder)['body_model'])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f'checkpoint {folder}: its {CONFIG_FILE} names no body') from error


def _in_camera_axes(frame: CropFrame, estimate: Estimate, router: Tensor) -> Prediction:
    """Turn what was found in crop axes back into camera axes."""
    position, rotations = estimate.position, estimate.rotations
    axes = frame.axes
    place, depth = position.place, position.place[:, 2:] / frame.angle.unsqueeze(-1)
    in_crop = torch.cat([place[:, :2], depth], -1)
    pelvis = (axes @ in_crop.unsqueeze(-1)).squeeze(-1)
    distance = length(in_crop)
    along, across = position.log_sigma.split([1, 2], dim=-1)
    along = along + distance.detach().log()
    root = axes @ rotations[:, 0]
    rays = functional.pad(estimate.found.plane * frame.angle[:, None, None], (0, 1), value=1.0)
    return Prediction(
        rotations=torch.cat([root.unsqueeze(1), rotations[:, 1:]], dim=1),
        shape=estimate.shape,
        pelvis=pelvis,
        pelvis_axes=_ray_axes(pelvis, right=axes[:, :, 0]),
        pelvis_log_sigma=torch.cat([along, across], -1),
        confidence_logit=position.confidence_logit,
        joints=estimate.points.joints @ axes.mT + pelvis.unsqueeze(1),
        landmarks=estimate.points.landmarks @ axes.mT + pelvis.unsqueeze(1),
        landmark_rays=rays @ axes.mT,
        landmark_weights=position.weights,
        router=router,
    )


def _ray_axes(points: Tensor, *, right: Tensor) -> Tensor:
    """Return columns along the rays of ``points``, then right and down, (B, 3, 3)."""
    ray = unit(points)
    right = right - (right * ray).sum(-1, keepdim=True) * ray
    right = unit(right)
    return torch.stack([ray, right, torch.linalg.cross(ray, right)], dim=-1)
