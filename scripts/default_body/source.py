"""Anny people in the axes of SMPL: y up, z forward, x to the body's left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import anny
from anny.paths import get_anny_root_dir
from anny.shape_distribution import SimpleShapeDistribution
import numpy as np
from scipy.spatial import cKDTree
import torch

ADULT_AGES = (18.0, 90.0)
CHILD_AGES = (3.0, 18.0)
CHILD_SHARE = 0.1
_CHUNK = 32


@dataclass(frozen=True)
class AnnyPeople:
    """Anny's people in their own rest pose (A-pose, bent elbows).

    Attributes:
        vertices: Surfaces, (N, V, 3) float64, metres.
        bones: Heads of Anny's bones, (N, bones, 3) float64, metres.
        ages: Years, (N,) float64.
        genders: 0 male … 1 female, (N,) float64.
    """

    vertices: np.ndarray
    bones: np.ndarray
    ages: np.ndarray
    genders: np.ndarray


class AnnySource:
    """The licence-free Anny mesh without eyes and teeth, its rig, and its calibrated people."""

    def __init__(self) -> None:
        # The 'smpl' and 'smplx' topologies fetch non-commercial files: never use them.
        self.model = anny.Anny(topology='notoes')
        self.faces = self.model.get_triangular_faces().numpy().astype(np.int64)
        self.bone_labels = list(self.model.bone_labels)
        self.bone_parents = [int(parent) for parent in self.model.bone_parents]
        # That mesh does not say which vertices of MakeHuman's its own are (the index it has is of
        # another mesh), and Anny's landmarks are given on MakeHuman's: match by position.
        whole = anny.Anny()
        distances, matches = cKDTree(whole.template_vertices.numpy()).query(
            self.model.template_vertices.numpy()
        )
        self._base = np.where(
            distances < 1e-6, whole.base_mesh_vertex_indices.numpy()[matches], -1
        )

    def bone(self, label: str) -> int:
        """Return the index of a bone."""
        return self.bone_labels.index(label)

    def weights(self) -> np.ndarray:
        """Return Anny's skinning weights, (V, bones)."""
        dense = np.zeros((len(self.model.template_vertices), len(self.bone_labels)))
        indices = self.model.vertex_bone_indices.numpy()
        np.add.at(
            dense,
            (np.arange(len(dense))[:, None], indices),
            self.model.vertex_bone_weights.numpy(),
        )
        return dense / dense.sum(1, keepdims=True)

    def coco_regressor(self, label: str) -> np.ndarray:
        """Return Anny's own regressor of a COCO keypoint, (V,), sums to one."""
        path = get_anny_root_dir() / 'data' / 'keypoints' / 'coco.pth'
        of_base = torch.load(path, weights_only=True)[label].numpy().astype(np.float64)
        weights = np.where(self._base >= 0, of_base[self._base], 0.0)
        return weights / weights.sum()

    def most_moved_vertex(self, target: str) -> int:
        """Return the vertex that a facial expression of MakeHuman moves most."""
        folder = Path(get_anny_root_dir()) / 'data/faceunits01/targets/faceunits'
        rows = np.loadtxt(folder / f'{target}.target', comments='#')
        rows = rows[np.isin(rows[:, 0], self._base)]
        moved = rows[np.linalg.norm(rows[:, 1:], axis=1).argmax(), 0]
        return int(np.flatnonzero(self._base == moved)[0])

    def sample(self, count: int, *, seed: int) -> AnnyPeople:
        """Draw people from Anny's calibrated distribution, one child in ten."""
        torch.manual_seed(seed)
        num_children = round(CHILD_SHARE * count)
        parts = [
            self._sample_ages(ages, size)
            for ages, size in ((ADULT_AGES, count - num_children), (CHILD_AGES, num_children))
        ]
        return AnnyPeople(*(np.concatenate(values) for values in zip(*parts, strict=True)))

    def _sample_ages(self, ages: tuple[float, float], count: int) -> tuple[np.ndarray, ...]:
        uniform = torch.distributions.Uniform(*torch.tensor(ages, dtype=torch.float64))
        years, phenotypes = SimpleShapeDistribution(
            self.model, morphological_age_distribution=uniform
        ).sample(count)
        vertices, bones = [], []
        for start in range(0, count, _CHUNK):
            chunk = {key: value[start : start + _CHUNK] for key, value in phenotypes.items()}
            with torch.no_grad():
                output = self.model(phenotype_kwargs=chunk)
            vertices.append(_to_smpl_axes(output['rest_vertices']))
            bones.append(_to_smpl_axes(output['rest_bone_heads']))
        return (
            np.concatenate(vertices),
            np.concatenate(bones),
            years.numpy(),
            phenotypes['gender'].numpy(),
        )


def _to_smpl_axes(points: torch.Tensor) -> np.ndarray:
    """Turn Anny's axes (x left, y back, z up) into SMPL's (x left, y up, z forward)."""
    x, y, z = points.numpy().transpose(2, 0, 1)
    return np.stack([x, z, -y], axis=-1)
