"""Labelled photographs as training takes them: evidence of the network's kind beside the truth."""

from __future__ import annotations

from collections.abc import Sequence

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
from metrichmsr_ros.geometry.boxes import inside_image
from metrichmsr_ros.models.evidence import Evidence
from metrichmsr_ros.models.gather import evidence_of_boxes
from metrichmsr_ros.models.image_evidence import ImageEvidence
from metrichmsr_ros.models.network_config import MetricHMRConfig
from metrichmsr_ros.structures import Frame

_HELD_OUT_EVERY = 50  # images; people of one image are on the same side
_BOX_GROWTH, _BOX_SHIFT = 0.15, 0.06  # spreads: of the logarithm of the side, of the centre
_MIN_DEPTH = 0.1  # metres before the camera that a point with a pixel lies at least


class LabelledPeople:
    """Draws people of archives of labels; their boxes are moved and sized a little.

    Attributes:
        config: Of the network, which says what evidence it takes.
    """

    def __init__(
        self,
        labels: Sequence[PersonLabels],
        rows: np.ndarray,
        *,
        config: MetricHMRConfig,
        points: BodyPoints,
    ) -> None:
        """Take labels; ``read_labelled`` reads them.

        Args:
            labels: Of each archive.
            rows: Who may be drawn: numbers of the archive and of the person in it, (N, 2).
            config: Of the network.
            points: Of the body that θ and β are of.

        Raises:
            ValueError: Nobody may be drawn.
        """
        if not len(rows):
            raise ValueError('nobody in them, or in one image alone: one in fifty is held out')
        self.config, self._labels, self._rows, self._points = config, labels, rows, points

    def __len__(self) -> int:
        return len(self._rows)

    @torch.no_grad()
    def sample(
        self, n: int, generator: torch.Generator
    ) -> tuple[Evidence | ImageEvidence, Target]:
        """Draw ``n`` people with replacement, on the CPU; ``generator`` decides everything.

        Raises:
            DatasetError: An image cannot be read.
        """
        draws = Draws(n, generator)
        picked = self._rows[draws.integers(0, len(self)).numpy()]
        growth = (_BOX_GROWTH * draws.normal(1)).exp().double().numpy()
        shift = (_BOX_SHIFT * draws.normal(2)).double().numpy()
        evidence, targets = [], []
        for (archive, index), larger, moved in zip(picked, growth, shift, strict=True):
            labels = self._labels[archive]
            frame = labels.frame(index)
            box = _changed(labels.boxes[index], larger, moved)
            evidence.append(evidence_of_boxes(self.config, frame, box[None]))
            targets.append(self._target(labels, index, frame))
        return joined(evidence), joined(targets)

    def _target(self, labels: PersonLabels, index: int, frame: Frame) -> Target:
        pose, shape, translation = (
            _tensor(values[index]) for values in (labels.pose, labels.shape, labels.translation)
        )
        rotations = rotation_matrices(pose)
        pelvis = translation + self._points.body.rest_joints(shape)[:, 0]
        joints, landmarks = (points + pelvis[:, None] for points in self._points(rotations, shape))
        pixels = frame.camera.project(landmarks[0].double().numpy())
        inside = inside_image(pixels, width=frame.camera.width, height=frame.camera.height)
        valid = torch.from_numpy(inside)[None] & (landmarks[..., 2] > _MIN_DEPTH)
        height = self._points.body.heights(shape)
        return Target(rotations, shape, pelvis, joints, landmarks, height, valid)


def read_labelled(
    archives: Sequence[str], *, config: MetricHMRConfig, body: BodyModel
) -> tuple[LabelledPeople, LabelledPeople]:
    """Read the labels of archives once, and no image yet.

    Args:
        archives: ``labels.npz:images``: an archive of ``read_smpl_npz``, and the folder of its
            images.
        config: Of the network.
        body: The body that θ and β are of.

    Returns:
        People to learn from, and those of the one image in fifty that is kept from training.

    Raises:
        ValueError: An archive is not written so, or there is nobody on one side.
        DatasetError: An archive is unreadable or not of the layout.
    """
    labels = [_read(archive) for archive in archives]
    rows = np.concatenate(
        [
            np.stack([np.full(len(one), number), np.arange(len(one))], -1)
            for number, one in enumerate(labels)
        ]
    )
    images = [(number, image) for number, one in enumerate(labels) for image in one.images]
    order = {image: i for i, image in enumerate(dict.fromkeys(images))}
    held_out = np.array([order[image] % _HELD_OUT_EVERY == 0 for image in images], bool)
    points = BodyPoints(body)
    try:
        known, unseen = (
            LabelledPeople(labels, rows[side], config=config, points=points)
            for side in (~held_out, held_out)
        )
    except ValueError as error:
        raise ValueError(f'{", ".join(archives)}: {error}') from None
    return known, unseen


def _read(archive: str) -> PersonLabels:
    path, colon, images = archive.rpartition(':')
    if not colon:
        raise ValueError(f'expected labels.npz:images, got {archive!r}')
    return read_smpl_npz(path, images)


def _changed(box: np.ndarray, larger: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Return a box grown about its centre, which moves by shares of its longer side."""
    low, high = box[:2], box[2:]
    half, centre = (high - low) / 2 * larger, (low + high) / 2
    centre = centre + moved * (high - low).max()
    return np.concatenate([centre - half, centre + half])


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]
