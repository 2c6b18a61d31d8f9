"""Labelled photographs as training takes them: evidence of the network's kind beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np
import torch
from torch import Tensor

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.body_points import BodyPoints
from metrichmsr_ros.body.skinning import rotation_matrices
from metrichmsr_ros.data.datasets.labels import PersonLabels
from metrichmsr_ros.data.datasets.smpl_npz import read_smpl_npz
from metrichmsr_ros.data.people.draws import Draws
from metrichmsr_ros.data.people.target import joined, Target
from metrichmsr_ros.models.evidence import Evidence
from metrichmsr_ros.models.gather import evidence_of_boxes
from metrichmsr_ros.models.image_evidence import ImageEvidence
from metrichmsr_ros.models.network_config import MetricHMRConfig
from metrichmsr_ros.structures import Frame

_HELD_OUT_EVERY = 50  # images; people of one image are on the same side
_BOX_GROWTH, _BOX_SHIFT = 0.15, 0.06  # spreads: of the logarithm of the side, of the centre
_MIN_DEPTH = 0.1  # metres before the camera that a point with a pixel lies at least


@dataclass(frozen=True)
class _Row:
    """One person of one archive."""

    labels: PersonLabels
    index: int


class LabelledPeople:
    """Draws people of archives of labels; their boxes are moved and sized a little.

    Attributes:
        config: Of the network, which says what evidence it takes.
    """

    def __init__(
        self,
        archives: Sequence[str | PathLike[str]],
        *,
        config: MetricHMRConfig,
        body: BodyModel,
        held_out: bool = False,
    ) -> None:
        """Read the labels, no image yet.

        Args:
            archives: ``labels.npz:images``: an archive of ``read_smpl_npz``, and the folder of
                its images.
            config: Of the network.
            body: The body that θ and β are of.
            held_out: Take the one image in fifty that is kept from training, else the others.

        Raises:
            ValueError: An archive is not written so, or none has people.
            DatasetError: An archive is unreadable or not of the layout.
        """
        self.config, self._held_out = config, held_out
        self._points = BodyPoints(body)
        self._rows = [row for archive in archives for row in self._read(str(archive))]
        if not self._rows:
            raise ValueError(f'{", ".join(map(str, archives))}: nobody in them')

    def __len__(self) -> int:
        return len(self._rows)

    def _read(self, archive: str) -> list[_Row]:
        path, colon, images = archive.rpartition(':')
        if not colon:
            raise ValueError(f'expected labels.npz:images, got {archive!r}')
        labels = read_smpl_npz(path, images)
        number = {image: i for i, image in enumerate(dict.fromkeys(labels.images))}
        return [
            _Row(labels, index)
            for index, image in enumerate(labels.images)
            if (number[image] % _HELD_OUT_EVERY == 0) == self._held_out
        ]

    @torch.no_grad()
    def sample(
        self, n: int, generator: torch.Generator
    ) -> tuple[Evidence | ImageEvidence, Target]:
        """Draw ``n`` people with replacement, on the CPU; ``generator`` decides everything.

        Raises:
            DatasetError: An image cannot be read.
        """
        draws = Draws(n, generator)
        picked = [self._rows[i] for i in draws.integers(0, len(self)).tolist()]
        growth = (_BOX_GROWTH * draws.normal(1)).exp().double().numpy()
        shift = (_BOX_SHIFT * draws.normal(2)).double().numpy()
        evidence, targets = [], []
        for row, larger, moved in zip(picked, growth, shift, strict=True):
            frame = row.labels.frame(row.index)
            box = _changed(row.labels.boxes[row.index], larger, moved)
            evidence.append(evidence_of_boxes(self.config, frame, box[None]))
            targets.append(self._target(row, frame))
        return joined(evidence), joined(targets)

    def _target(self, row: _Row, frame: Frame) -> Target:
        labels, index = row.labels, row.index
        pose, shape, translation = (
            _tensor(values[index]) for values in (labels.pose, labels.shape, labels.translation)
        )
        rotations = rotation_matrices(pose)
        pelvis = translation + self._points.body.rest_joints(shape)[:, 0]
        joints, landmarks = (points + pelvis[:, None] for points in self._points(rotations, shape))
        pixels = frame.camera.project(landmarks[0].double().numpy())
        with np.errstate(invalid='ignore'):
            inside = (pixels >= 0) & (pixels < [frame.camera.width, frame.camera.height])
        valid = torch.from_numpy(inside.all(-1))[None] & (landmarks[..., 2] > _MIN_DEPTH)
        height = self._points.body.heights(shape)
        return Target(rotations, shape, pelvis, joints, landmarks, height, valid)


def _changed(box: np.ndarray, larger: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Return a box grown about its centre, which moves by shares of its longer side."""
    low, high = box[:2], box[2:]
    half, centre = (high - low) / 2 * larger, (low + high) / 2
    centre = centre + moved * (high - low).max()
    return np.concatenate([centre - half, centre + half])


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]
