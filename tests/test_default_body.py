from importlib.resources import files
import zipfile

import numpy as np
import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.joints import JOINT_INDEX, JOINT_NAMES, PARENTS
from metrichmsr_ros.body.landmarks import BLAZEPOSE_NAMES, LANDMARK_NAMES

DATA = files('metrichmsr_ros.body.data') / 'anny_smpl24.npz'

# Means over Anny's own men, women and children of 5 to 9 years: the shape that stands for them,
# their height and distances between joints in metres. Printed by
#     python scripts/default_body anny_smpl24.npz
ANNY_PEOPLE = {
    'men': (
        [0.403, -0.504, 0.024, 0.401, -0.41, 0.261, 0.014, 0.171, -0.101, -0.062],
        1.741,
        {'thigh': 0.424, 'shank': 0.420, 'hips': 0.235, 'shoulders': 0.370, 'upper arm': 0.265,
         'forearm': 0.243, 'trunk': 0.489},
    ),
    'women': (
        [-0.389, 0.487, -0.023, -0.387, 0.396, -0.252, -0.014, -0.165, 0.098, 0.06],
        1.630,
        {'thigh': 0.387, 'shank': 0.389, 'hips': 0.215, 'shoulders': 0.333, 'upper arm': 0.248,
         'forearm': 0.216, 'trunk': 0.455},
    ),
    'children': (
        [-3.059, -1.345, 0.387, -0.785, -1.302, 1.126, -0.615, 0.358, 0.085, 0.213],
        1.221,
        {'thigh': 0.288, 'shank': 0.288, 'hips': 0.161, 'shoulders': 0.251, 'upper arm': 0.186,
         'forearm': 0.169, 'trunk': 0.332},
    ),
}  # fmt: skip
BONES = {
    'thigh': ('left_hip', 'left_knee'),
    'shank': ('left_knee', 'left_ankle'),
    'hips': ('left_hip', 'right_hip'),
    'shoulders': ('left_shoulder', 'right_shoulder'),
    'upper arm': ('left_shoulder', 'left_elbow'),
    'forearm': ('left_elbow', 'left_wrist'),
    'trunk': ('pelvis', 'neck'),
}
# Directions of SMPL's bones in its rest pose, and the most that ours may differ, degrees.
SMPL_DIRECTIONS = {
    'left_knee': ((0.034, -0.375, -0.005), 8),
    'left_ankle': ((-0.014, -0.398, -0.044), 8),
    'left_foot': ((0.026, -0.056, 0.119), 20),
    'spine1': ((0.0, 0.109, -0.027), 8),
    'spine2': ((0.0, 0.135, 0.001), 8),
    'left_elbow': ((0.26, -0.013, -0.028), 2),
    'left_wrist': ((0.249, 0.009, -0.001), 2),
    'left_hand': ((0.084, -0.008, -0.015), 2),
}


@pytest.fixture(scope='module')
def body():
    return BodyModel.load()


@pytest.fixture(scope='module')
def arrays():
    with np.load(str(DATA)) as archive:
        return dict(archive)


@pytest.fixture(scope='module')
def rest(body):
    """Surface of the mean adult in the T-pose."""
    return body.rest_vertices(torch.zeros(1, 10))[0]


def joint(points, name):
    return points[..., JOINT_INDEX[name], :]


def posed(body, **rotations):
    pose = torch.zeros(1, 24, 3)
    for name, rotation in rotations.items():
        pose[0, JOINT_INDEX[name]] = torch.tensor(rotation)
    return body(pose, torch.zeros(1, 10), torch.zeros(1, 3))


def volume(vertices, faces):
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


def test_file_is_small_dated_by_nobody_and_in_the_smpl_schema(arrays):
    assert len(DATA.read_bytes()) < 1_000_000
    with zipfile.ZipFile(str(DATA)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert arrays['v_template'].shape == (6890, 3)
    assert arrays['shapedirs'].shape == (6890, 3, 10)
    assert arrays['f'].shape == (13776, 3)
    assert tuple(arrays['kintree_table'][0]) == PARENTS
    assert str(arrays['name']) == 'anny_smpl24'


def test_weights_are_a_partition_of_unity_over_few_joints(arrays):
    weights = arrays['weights']
    assert weights.min() >= 0
    assert np.abs(weights.sum(1) - 1).max() < 1e-6
    assert (weights > 0).sum(1).max() <= 4
    assert (weights.sum(0) > 0).all()


def test_regressor_gives_the_joints_of_any_shape(body, arrays):
    shape = 2 * torch.randn(6, 10, generator=torch.Generator().manual_seed(0))
    regressed = torch.tensor(arrays['J_regressor']) @ body.rest_vertices(shape)
    assert (regressed - body.rest_joints(shape)).abs().max() < 1e-5
    assert np.abs(arrays['J_regressor'].sum(1) - 1).max() < 1e-5


def test_surface_is_closed_and_faces_outwards(body, rest):
    edges = np.sort(body.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert (counts == 2).all()
    assert 0.05 < volume(rest, body.faces) < 0.09


@pytest.mark.parametrize('group', ANNY_PEOPLE)
def test_heights_and_bones_are_those_of_annys_people(body, group):
    shape, height, bones = ANNY_PEOPLE[group]
    shape = torch.tensor([shape])
    # Anny's height is measured in its A-pose with the legs apart: ours stand 2 mm taller.
    assert body.heights(shape).item() == pytest.approx(height, abs=0.006)
    joints = body.rest_joints(shape)[0]
    for bone, (start, end) in BONES.items():
        length = torch.linalg.norm(joint(joints, start) - joint(joints, end)).item()
        assert length == pytest.approx(bones[bone], abs=0.004), bone


def test_zero_shape_is_the_mean_adult_and_the_first_component_is_height(body):
    shape = torch.zeros(4, 10)
    shape[:, 0] = torch.tensor([0.0, 1.0, -1.0, -3.0])
    mean, tall, small, child = body.heights(shape).tolist()
    assert mean == pytest.approx(1.687, abs=0.005)
    assert tall - mean == pytest.approx(mean - small, abs=0.003)
    assert tall - mean == pytest.approx(0.152, abs=0.005)
    assert 1.1 < child < 1.35


def test_children_have_larger_heads(body):
    shape = torch.tensor([[0.0] * 10, ANNY_PEOPLE['children'][0]])
    landmarks = body.landmarks(body.rest_vertices(shape))
    head = (landmarks['head_top'] - landmarks['neck'])[:, 1] / body.heights(shape)
    assert head[1] > 1.1 * head[0]


def test_bones_point_where_smpl_has_them(body):
    joints = body.rest_joints(torch.zeros(1, 10))[0]
    for name, (direction, most) in SMPL_DIRECTIONS.items():
        parent = JOINT_NAMES[PARENTS[JOINT_INDEX[name]]]
        bone = joint(joints, name) - joint(joints, parent)
        cosine = torch.cosine_similarity(bone, torch.tensor(direction), dim=0)
        assert torch.rad2deg(torch.arccos(cosine.clamp(max=1))) < most, name
    mid_hip = (joint(joints, 'left_hip') + joint(joints, 'right_hip')) / 2
    assert 0.08 < (joint(joints, 'pelvis') - mid_hip)[1] < 0.1
    assert abs((joint(joints, 'pelvis') - mid_hip)[2]) < 0.01


def test_joints_are_mirror_images(body):
    joints = body.rest_joints(torch.zeros(1, 10))[0]
    mirror = torch.tensor([-1.0, 1.0, 1.0])
    for name in JOINT_NAMES:
        twin = name.replace('left', '*').replace('right', 'left').replace('*', 'right')
        assert torch.allclose(joint(joints, name) * mirror, joint(joints, twin), atol=2e-3), name


def test_axes_are_left_up_forward(body, rest):
    points = {name: point[0] for name, point in body.landmarks(rest[None]).items()}
    assert points['left_wrist'][0] > 0.5 > -0.5 > points['right_wrist'][0]
    assert points['head_top'][1] > points['nose'][1] > points['neck'][1] > points['pelvis'][1]
    assert points['nose'][2] > points['head'][2] + 0.08
    assert points['left_foot_index'][2] > points['left_heel'][2] + 0.2
    assert points['left_heel'][2] < points['left_ankle'][2] - 0.03


def test_landmarks_lie_beside_their_joints_also_when_bent(body):
    sitting = {'left_hip': (-1.4, 0.0, 0.0), 'left_knee': (1.5, 0.0, 0.0)}
    reaching = {'left_shoulder': (0.0, 0.0, -1.2), 'left_elbow': (0.0, -1.5, 0.0)}
    for rotations in ({}, sitting, reaching):
        output = posed(body, **rotations)
        landmarks = body.landmarks(output.vertices)
        for name in LANDMARK_NAMES:
            if name in JOINT_INDEX and name != 'pelvis':
                offset = landmarks[name] - joint(output.joints, name)
                assert torch.linalg.norm(offset) < 0.035, name


def test_limbs_are_those_that_data_sets_measure(body, rest):
    points = {name: point[0] for name, point in body.landmarks(rest[None]).items()}

    def length(start, end):
        return torch.linalg.norm(points[start] - points[end]).item()

    # Of triangulated adults, scaled to this height.
    assert length('left_hip', 'left_knee') == pytest.approx(0.40, abs=0.015)
    assert length('left_knee', 'left_ankle') == pytest.approx(0.39, abs=0.015)


def test_blazepose_points_are_mirrored_and_in_order(body, rest):
    points = dict(zip(BLAZEPOSE_NAMES, body.blazepose(rest[None])[0], strict=True))
    for name, point in points.items():
        if 'left' in name:
            twin = points[name.replace('left', 'right')]
            assert point[0] > 0.01, name
            assert torch.allclose(point[1:], twin[1:], atol=4e-3), name
    landmarks = body.landmarks(rest[None])
    drop = landmarks['left_hip'][0, 1] - points['left_hip'][1]
    assert 0.02 < drop < 0.04
    assert points['left_eye_inner'][0] < points['left_eye'][0] < points['left_eye_outer'][0]
    assert points['nose'][1] > points['mouth_left'][1] > points['left_shoulder'][1]


@pytest.mark.parametrize(
    'rotations',
    [
        {'left_hip': (-1.5, 0.0, 0.0), 'left_knee': (1.5, 0.0, 0.0)},
        {'left_shoulder': (0.0, 0.0, -1.3), 'right_shoulder': (0.0, 0.0, 1.3)},
        {'left_elbow': (0.0, -2.0, 0.0), 'right_elbow': (0.0, 2.0, 0.0)},
        {'left_elbow': (1.2, 0.0, 0.0), 'neck': (0.0, 0.7, 0.0)},
    ],
)
def test_skin_neither_collapses_nor_tears_when_bent(body, rest, rotations):
    vertices = posed(body, **rotations).vertices[0]
    assert volume(vertices, body.faces) == pytest.approx(volume(rest, body.faces), rel=0.04)
    edges = body.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    stretch = (vertices[edges[:, 0]] - vertices[edges[:, 1]]).norm(dim=1)
    assert (stretch - (rest[edges[:, 0]] - rest[edges[:, 1]]).norm(dim=1)).max() < 0.06
