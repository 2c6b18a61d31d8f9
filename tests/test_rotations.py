"""Rotation conversions: round trips, SciPy's matrices, and what makes 6D continuous."""

import numpy as np
from scipy.spatial.transform import Rotation
import torch

from metrichmsr_ros.geometry import rotations


def random_aa() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(5, 24, 3, dtype=torch.float64, generator=generator)


def test_matrices_are_scipys():
    aa = random_aa()
    scipy = Rotation.from_rotvec(aa.reshape(-1, 3).numpy())
    matrix = rotations.aa_to_matrix(aa)
    np.testing.assert_allclose(matrix.reshape(-1, 3, 3).numpy(), scipy.as_matrix(), atol=1e-12)


def test_quarter_turn_values():
    turn = torch.tensor([0.0, 0.0, torch.pi / 2], dtype=torch.float64)
    expected = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    matrix = rotations.aa_to_matrix(turn)
    torch.testing.assert_close(matrix, expected)
    # Columns, one after the other: where x goes, then where y goes.
    expected = torch.tensor([0.0, 1, 0, -1, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(rotations.matrix_to_rot6d(matrix), expected)


def test_round_trips():
    matrix = rotations.aa_to_matrix(random_aa())
    for there, back in [
        (rotations.matrix_to_aa, rotations.aa_to_matrix),
        (rotations.matrix_to_rot6d, rotations.rot6d_to_matrix),
    ]:
        torch.testing.assert_close(back(there(matrix)), matrix, atol=1e-9, rtol=0)


def test_any_6d_is_a_rotation_and_ignores_lengths():
    rot6d = torch.randn(100, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    matrix = rotations.rot6d_to_matrix(rot6d)
    eye = torch.eye(3, dtype=torch.float64).expand(100, 3, 3)
    torch.testing.assert_close(matrix @ matrix.mT, eye, atol=1e-9, rtol=0)
    torch.testing.assert_close(torch.linalg.det(matrix), torch.ones(100, dtype=torch.float64))
    torch.testing.assert_close(matrix[..., 0], torch.nn.functional.normalize(rot6d[:, :3], dim=-1))
    torch.testing.assert_close(rotations.rot6d_to_matrix(3 * rot6d), matrix)


def test_6d_is_continuous_where_axis_angle_jumps():
    angles = torch.tensor([torch.pi - 1e-4, torch.pi + 1e-4], dtype=torch.float64)
    aa = torch.stack((angles, 0 * angles, 0 * angles), -1)
    matrix = rotations.aa_to_matrix(aa)
    jump = rotations.matrix_to_aa(matrix).diff(dim=0).norm()
    step = rotations.matrix_to_rot6d(matrix).diff(dim=0).norm()
    assert jump > 6
    assert step < 1e-3


def test_gradients_are_finite_at_the_identity():
    aa = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    rotations.aa_to_matrix(aa).sum().backward()
    assert torch.isfinite(aa.grad).all()
    rot6d = torch.tensor([1.0, 0, 0, 0, 1, 0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rotations.rot6d_to_matrix, rot6d)
