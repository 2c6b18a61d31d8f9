import math

import numpy as np
import roma
import torch

from metrichmsr_ros.body.joints import JOINT_NAMES, PARENTS, pose_joints
from metrichmsr_ros.body.skinning import (
    ancestor_hops,
    forward_kinematics,
    pose_offsets,
    rotation_matrices,
    skin,
)

TREE = {'parents': torch.tensor(PARENTS), 'hops': ancestor_hops(PARENTS)}


def random(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def tiny_body():
    """Twelve vertices about a random skeleton: rest vertices, rest joints, weights, posedirs."""
    weights = random(12, 24, seed=3).abs()
    return (
        random(2, 12, 3, seed=1),
        random(2, 24, 3, seed=2),
        weights / weights.sum(1, keepdim=True),
        0.01 * random(207, 36, seed=4),
    )


def pose_tiny(pose, vertices, joints, weights, posedirs):
    rotations = rotation_matrices(pose)
    rest = vertices + pose_offsets(rotations, posedirs)
    rotations, posed = forward_kinematics(rotations, joints, **TREE)
    shifts = posed - (rotations @ joints.unsqueeze(-1)).squeeze(-1)
    return skin(rest, rotations, shifts, weights), posed


def test_tree_has_every_joint_once_and_parents_first():
    assert len(JOINT_NAMES) == len(PARENTS) == len(set(JOINT_NAMES)) == 24
    assert all(parent < joint for joint, parent in enumerate(PARENTS))
    sides = [name for name in JOINT_NAMES if name.startswith('left_')]
    assert all(name.replace('left_', 'right_') in JOINT_NAMES for name in sides)


def test_rotation_matrices_equal_roma_from_tiny_to_whole_turns():
    vectors = random(400, 3)
    vectors *= torch.logspace(-9, 0.8, 400, dtype=torch.float64)[:, None] / vectors.norm(
        dim=1, keepdim=True
    )
    expected = roma.rotvec_to_rotmat(vectors)
    torch.testing.assert_close(rotation_matrices(vectors), expected, atol=1e-12, rtol=0)


def test_rotation_matrices_are_exact_enough_in_single_precision():
    vectors = random(300, 3) * torch.logspace(-6, 0.3, 300, dtype=torch.float64)[:, None]
    error = rotation_matrices(vectors.float()).double() - rotation_matrices(vectors)
    assert error.abs().max() < 1e-6


def test_rotation_at_zero_is_identity_with_a_finite_gradient():
    vectors = torch.zeros(1, 3, requires_grad=True)
    matrix = rotation_matrices(vectors)
    assert torch.equal(matrix[0], torch.eye(3))
    (gradient,) = torch.autograd.grad(matrix[0, 2, 1], vectors)
    torch.testing.assert_close(gradient, torch.tensor([[1.0, 0.0, 0.0]]))


def test_forward_kinematics_equals_the_chain_of_parents():
    rotations = rotation_matrices(random(3, 24, 3))
    rest = random(3, 24, 3, seed=1)
    world, joints = forward_kinematics(rotations, rest, **TREE)
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            expected, position = rotations[:, 0], rest[:, 0]
        else:
            expected = world[:, parent] @ rotations[:, joint]
            offset = (rest[:, joint] - rest[:, parent]).unsqueeze(-1)
            position = joints[:, parent] + (world[:, parent] @ offset).squeeze(-1)
        torch.testing.assert_close(world[:, joint], expected)
        torch.testing.assert_close(joints[:, joint], position)


def test_numpy_kinematics_are_those_of_torch():
    rotations, rest = rotation_matrices(random(3, 24, 3)), random(24, 3, seed=1)
    world, joints = forward_kinematics(rotations, rest.expand(3, -1, -1), **TREE)
    ours, R_body = pose_joints(rotations.numpy(), rest.numpy())
    torch.testing.assert_close(torch.from_numpy(ours), joints)
    torch.testing.assert_close(torch.from_numpy(R_body), world)


def test_hops_of_a_single_joint_are_empty():
    assert ancestor_hops([-1]).shape == (0, 2)


def test_no_rotation_leaves_the_rest_pose():
    vertices, joints, _, _ = tiny_body()
    posed, posed_joints = pose_tiny(torch.zeros(2, 24, 3).double(), *tiny_body())
    torch.testing.assert_close(posed, vertices)
    torch.testing.assert_close(posed_joints, joints)


def test_root_rotation_turns_everything_rigidly_about_the_root():
    vertices, joints, weights, posedirs = tiny_body()
    pose = torch.zeros(2, 24, 3, dtype=torch.float64)
    pose[:, 0, 1] = math.pi / 2
    posed, posed_joints = pose_tiny(pose, vertices, joints, weights, posedirs)
    turn = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]], dtype=torch.float64)
    root = joints[:, :1]
    torch.testing.assert_close(posed, (vertices - root) @ turn.T + root)
    torch.testing.assert_close(posed_joints, (joints - root) @ turn.T + root)


def test_batch_members_do_not_influence_each_other():
    vertices, joints, weights, posedirs = tiny_body()
    pose = random(2, 24, 3)
    both, _ = pose_tiny(pose, vertices, joints, weights, posedirs)
    alone, _ = pose_tiny(pose[1:], vertices[1:], joints[1:], weights, posedirs)
    torch.testing.assert_close(both[1:], alone)


def test_gradcheck():
    vertices, joints, weights, posedirs = tiny_body()
    pose = (0.5 * random(1, 24, 3)).requires_grad_()
    pose.data[0, 5] = 0.0
    inputs = (pose, vertices[:1].requires_grad_(), joints[:1].requires_grad_())
    assert torch.autograd.gradcheck(
        lambda *values: pose_tiny(*values, weights, posedirs), inputs, fast_mode=True
    )


def test_compiles_as_one_graph():
    inputs = random(2, 24, 3), *tiny_body()
    compiled = torch.compile(pose_tiny, backend='aot_eager', fullgraph=True)
    torch.testing.assert_close(compiled(*inputs), pose_tiny(*inputs))


def test_skinning_weights_blend_linearly():
    rest = torch.zeros(1, 1, 3)
    rotations = torch.eye(3).expand(1, 2, 3, 3)
    translations = torch.tensor([[[1.0, 0, 0], [0, 2.0, 0]]])
    posed = skin(rest, rotations, translations, torch.tensor([[0.25, 0.75]]))
    np.testing.assert_allclose(posed[0, 0], [0.25, 1.5, 0.0])
