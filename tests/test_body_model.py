import numpy as np
import pytest
from smpl_files import body_arrays, save_npz, save_pickle, small_arrays
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.landmarks import BLAZEPOSE_NAMES, LANDMARK_NAMES


def random_inputs(count=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        scale * torch.randn(count, *shape, generator=generator)
        for scale, shape in ((0.5, (24, 3)), (1.0, (10,)), (2.0, (3,)))
    )


@pytest.mark.parametrize('zero_posedirs', [False, True])
def test_equals_smplx_on_the_same_file(tmp_path, zero_posedirs):
    smplx = pytest.importorskip('smplx')
    arrays = body_arrays()
    if zero_posedirs:
        arrays['posedirs'] = np.zeros_like(arrays['posedirs'])
    path = save_pickle(tmp_path / 'SMPL_NEUTRAL.pkl', arrays)
    theirs = smplx.SMPL(str(path), batch_size=3)
    ours = BodyModel.load(path)
    assert (ours.posedirs is None) == zero_posedirs
    pose, shape, translation = random_inputs()
    expected = theirs(
        global_orient=pose[:, 0],
        body_pose=pose[:, 1:].flatten(1),
        betas=shape,
        transl=translation,
    )
    output = ours(pose, shape, translation)
    assert (output.vertices - expected.vertices).abs().max() < 1e-5
    assert (output.joints - expected.joints[:, :24]).abs().max() < 1e-5
    assert np.array_equal(ours.faces, theirs.faces)


@pytest.fixture
def small_body(tmp_path):
    return BodyModel.load(save_npz(tmp_path / 'body.npz', small_arrays()))


def test_shapes_and_numpy_agree_with_torch(small_body):
    pose, shape, translation = random_inputs()
    output = small_body(pose, shape, translation)
    assert output.vertices.shape == (3, 50, 3)
    assert output.joints.shape == (3, 24, 3)
    vertices, joints = small_body.pose_numpy(
        pose.flatten(1).numpy().astype(np.float64), shape.numpy(), translation.numpy()
    )
    assert vertices.dtype == joints.dtype == np.float32
    np.testing.assert_array_equal(vertices, output.vertices.numpy())
    np.testing.assert_array_equal(joints, output.joints.numpy())


def test_nobody_is_posed_to_nothing(small_body):
    output = small_body(*random_inputs(0))
    assert output.vertices.shape == (0, 50, 3)
    vertices, joints = small_body.pose_numpy(
        np.zeros((0, 72)), np.zeros((0, 10)), np.zeros((0, 3))
    )
    assert vertices.shape == (0, 50, 3)
    assert joints.shape == (0, 24, 3)


@pytest.mark.filterwarnings('error')
def test_numpy_arguments_may_be_read_only_and_are_not_shared(small_body):
    arrays = [value.numpy() for value in random_inputs()]
    for array in arrays:
        array.setflags(write=False)
    for output in small_body.pose_numpy(*arrays):
        assert output.flags.writeable
        assert not any(np.shares_memory(output, array) for array in arrays)


def test_pelvis_is_translation_plus_rest_pelvis(small_body):
    pose, shape, translation = random_inputs()
    joints = small_body(pose, shape, translation).joints
    rest = small_body.rest_joints(shape)
    torch.testing.assert_close(joints[:, 0], translation + rest[:, 0])


def test_heights_are_the_extent_of_the_unposed_body(small_body):
    _, shape, _ = random_inputs(5)
    extent = small_body.rest_vertices(shape)[..., 1]
    torch.testing.assert_close(small_body.heights(shape), extent.amax(1) - extent.amin(1))


def test_landmarks_move_with_the_body(small_body):
    pose, shape, translation = random_inputs()
    vertices = small_body(pose, shape, 0 * translation).vertices
    moved = small_body.landmarks(vertices + translation[:, None])
    for name, points in small_body.landmarks(vertices).items():
        torch.testing.assert_close(moved[name], points + translation, atol=1e-4, rtol=0)
    assert tuple(moved) == LANDMARK_NAMES
    assert small_body.blazepose(vertices).shape == (3, len(BLAZEPOSE_NAMES), 3)


def test_landmarks_of_the_official_topology_are_its_published_vertices(tmp_path):
    body = BodyModel.load(save_npz(tmp_path / 'smpl.npz', body_arrays()))
    output = body(*random_inputs(1))
    landmarks = body.landmarks(output.vertices)
    for name, vertex in (('nose', 332), ('head_top', 411), ('left_heel', 3387)):
        torch.testing.assert_close(landmarks[name], output.vertices[:, vertex])
    hips = (landmarks['left_hip'] + landmarks['right_hip']) / 2
    torch.testing.assert_close(landmarks['pelvis'], hips)


def test_exports_with_a_free_batch_and_gives_the_same(small_body):
    batch = torch.export.Dim('batch', min=1, max=64)
    program = torch.export.export(
        small_body, random_inputs(2), dynamic_shapes=[{0: batch}] * 3, strict=True
    )
    inputs = random_inputs(5, seed=1)
    torch.testing.assert_close(tuple(program.module()(*inputs)), tuple(small_body(*inputs)))


def test_compiles_as_one_graph(small_body):
    inputs = random_inputs(2)
    compiled = torch.compile(small_body, backend='aot_eager', fullgraph=True)
    torch.testing.assert_close(tuple(compiled(*inputs)), tuple(small_body(*inputs)))


def test_gradients_reach_all_parameters(small_body):
    inputs = [value.requires_grad_() for value in random_inputs()]
    output = small_body(*inputs)
    (output.vertices.square().sum() + output.joints.square().sum()).backward()
    assert all(value.grad.abs().sum() > 0 for value in inputs)
    assert not list(small_body.parameters())
    assert not small_body.state_dict()
