from functools import cache
import pickle

import numpy as np
import pytest
import scipy.sparse
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.joints import PARENTS
from metrichmsr_ros.body.landmarks import BLAZEPOSE_NAMES, LANDMARK_NAMES
from metrichmsr_ros.body.model_file import BodyModelError, SMPL_SURFACE_POINTS


@cache
def random_arrays(num_vertices):
    rng = np.random.default_rng(0)
    weights = rng.random((num_vertices, 24)) ** 8
    regressor = rng.random((24, num_vertices)) ** 20
    return {
        'v_template': rng.normal(size=(num_vertices, 3)),
        'shapedirs': 0.02 * rng.normal(size=(num_vertices, 3, 10)),
        'posedirs': 0.001 * rng.standard_normal((num_vertices, 3, 207), np.float32),
        'weights': weights / weights.sum(1, keepdims=True),
        'J_regressor': regressor / regressor.sum(1, keepdims=True),
        'kintree_table': np.array([(2**32 - 1, *PARENTS[1:]), range(24)], np.uint32),
        'f': rng.integers(0, num_vertices, (40, 3)).astype(np.uint32),
    }


def body_arrays(num_vertices=6890):
    """Return random arrays in the schema of an official SMPL file."""
    return dict(random_arrays(num_vertices))


def small_arrays(**changes):
    arrays = body_arrays(50)
    names = sorted(SMPL_SURFACE_POINTS)
    arrays |= {'surface_names': np.array(names), 'surface_vertices': np.arange(len(names))}
    arrays |= changes
    return {key: value for key, value in arrays.items() if value is not None}


def save_npz(path, arrays):
    np.savez(path, **arrays)
    return path


def save_pickle(path, content):
    path.write_bytes(pickle.dumps(content, protocol=2))
    return path


def random_inputs(count=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        scale * torch.randn(count, *shape, generator=generator)
        for scale, shape in ((0.5, (24, 3)), (1.0, (10,)), (2.0, (3,)))
    )


# The classes of chumpy and scipy, as an official pickle names them.
class Ch:
    def __init__(self, **state):
        self.__dict__.update(state)


Ch.__module__, Ch.__qualname__ = 'chumpy.ch', 'Ch'


class Select(Ch):
    pass


Select.__module__, Select.__qualname__ = 'chumpy.reordering', 'Select'


@pytest.fixture
def official_pickle(tmp_path, monkeypatch):
    """Write a file as the official ones are: chumpy arrays and a sparse regressor."""
    import sys
    import types

    for name in ('chumpy', 'chumpy.ch', 'chumpy.reordering'):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules['chumpy.ch'].Ch = Ch
    sys.modules['chumpy.reordering'].Select = Select
    arrays = body_arrays()
    flat = np.random.default_rng(1).permutation(arrays['shapedirs'].size)
    shuffled = np.empty(flat.size)
    shuffled[flat] = arrays['shapedirs'].ravel()
    content = arrays | {
        'v_template': Ch(x=arrays['v_template']),
        'shapedirs': Select(
            a=Ch(x=shuffled), idxs=flat, preferred_shape=arrays['shapedirs'].shape
        ),
        'J_regressor': scipy.sparse.csc_matrix(arrays['J_regressor']),
        'bs_type': 'lrotmin',
        'J': Ch(unknown='expression'),
    }
    path = save_pickle(tmp_path / 'SMPL_NEUTRAL.pkl', content)
    # They were written by a NumPy older than the renaming of its core.
    path.write_bytes(path.read_bytes().replace(b'numpy._core.', b'numpy.core.'))
    for name in ('chumpy', 'chumpy.ch', 'chumpy.reordering'):
        monkeypatch.delitem(sys.modules, name)
    return path, arrays


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


def test_reads_chumpy_and_sparse_arrays_of_an_official_pickle(official_pickle, tmp_path):
    path, arrays = official_pickle
    body = BodyModel.load(path)
    plain = BodyModel.load(save_npz(tmp_path / 'plain.npz', arrays))
    for name, value in plain.named_buffers():
        assert torch.equal(value, body.get_buffer(name)), name
    assert body.name == 'SMPL_NEUTRAL'


def test_refuses_a_pickle_that_runs_code(tmp_path):
    marker = tmp_path / 'ran'

    class Malicious:
        def __reduce__(self):
            return open, (str(marker), 'w')

    path = save_pickle(tmp_path / 'evil.pkl', body_arrays() | {'weights': Malicious()})
    with pytest.raises(BodyModelError, match=r'evil\.pkl: refused: .*open.* only NumPy arrays'):
        BodyModel.load(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    'payload',
    [
        b'cos\nsystem\n(S"true"\ntR.',
        b'cnumpy\nsave\n.',
        b'cbuiltins\neval\n.',
        b'cscipy.io\nloadmat\n.',
    ],
)
def test_refuses_every_other_callable(tmp_path, payload):
    path = tmp_path / 'evil.pkl'
    path.write_bytes(payload)
    with pytest.raises(BodyModelError, match='refused: the pickle names'):
        BodyModel.load(path)


def test_refuses_an_unknown_chumpy_expression(official_pickle, tmp_path):
    path, _ = official_pickle
    data = path.read_bytes().replace(b'preferred_shape', b'preferred_shabe')
    path.write_bytes(data)
    with pytest.raises(BodyModelError, match='chumpy object with unknown state'):
        BodyModel.load(path)


@pytest.mark.parametrize(
    ('changes', 'rule'),
    [
        ({'weights': None}, r"missing keys \['weights'\]"),
        ({'v_template': None, 'f': None}, r"missing keys \['v_template', 'f'\]"),
        (
            {'v_template': np.zeros((50, 2))},
            r'v_template must have shape \(any, 3\), got \(50, 2\)',
        ),
        ({'v_template': np.zeros((0, 3))}, 'v_template must have shape'),
        ({'shapedirs': np.zeros((49, 3, 10))}, r'shapedirs must have shape \(50, 3, any\)'),
        ({'shapedirs': np.zeros((50, 3, 9))}, 'at least 10 components, got 9'),
        ({'posedirs': np.zeros((50, 3, 9))}, 'posedirs must have shape'),
        ({'weights': np.full((50, 24), 0.5)}, 'sum to one'),
        ({'weights': np.full((50, 24), np.nan)}, 'weights must be finite'),
        ({'J_regressor': np.zeros((50, 24))}, 'J_regressor must have shape'),
        ({'kintree_table': np.zeros((2, 24))}, 'must be the SMPL tree'),
        ({'f': np.full((4, 3), 50)}, r'vertex indices 0\.\.49'),
        ({'f': np.full((4, 3), 0.5)}, 'vertex indices'),
        ({'f': np.full((4, 3), 'a')}, 'f is not an array of numbers'),
        ({'surface_names': None}, 'must name its surface points'),
        ({'surface_names': np.array(['nose'])}, 'surface_names lacks'),
        ({'surface_vertices': np.full(len(SMPL_SURFACE_POINTS), 50)}, 'surface_vertices must be'),
        ({'limb_regressor': np.zeros((3, 50))}, 'limb_regressor must have shape'),
    ],
)
def test_errors_name_file_and_rule(tmp_path, changes, rule):
    path = save_npz(tmp_path / 'body.npz', small_arrays(**changes))
    with pytest.raises(BodyModelError, match=rule) as caught:
        BodyModel.load(path)
    assert str(caught.value).startswith(str(path))


def test_missing_and_misnamed_files(tmp_path):
    with pytest.raises(BodyModelError, match=r'none\.npz: no such file'):
        BodyModel.load(tmp_path / 'none.npz')
    with pytest.raises(BodyModelError, match='no such file'):
        BodyModel.load(tmp_path)
    (tmp_path / 'body.obj').touch()
    with pytest.raises(BodyModelError, match=r"must be \.npz or \.pkl, got '\.obj'"):
        BodyModel.load(tmp_path / 'body.obj')


@pytest.mark.parametrize('keep', [0, 10, 0.5, 0.99])
@pytest.mark.parametrize('suffix', ['npz', 'pkl'])
def test_truncated_files(tmp_path, suffix, keep):
    path = tmp_path / f'body.{suffix}'
    save_npz(path, small_arrays()) if suffix == 'npz' else save_pickle(path, small_arrays())
    data = path.read_bytes()
    path.write_bytes(data[: keep if isinstance(keep, int) else int(keep * len(data))])
    with pytest.raises(BodyModelError, match=rf'body\.{suffix}: (not a readable npz|truncated)'):
        BodyModel.load(path)


def test_damaged_bytes_inside_an_archive(tmp_path):
    path = tmp_path / 'body.npz'
    np.savez_compressed(path, **small_arrays())
    data = bytearray(path.read_bytes())
    data[200:2000] = bytes(1800)
    path.write_bytes(data)
    with pytest.raises(BodyModelError, match=r'body\.npz: not a readable npz'):
        BodyModel.load(path)


def test_pickles_of_other_things(tmp_path):
    with pytest.raises(BodyModelError, match='must hold a dict, got list'):
        BodyModel.load(save_pickle(tmp_path / 'body.pkl', [1, 2]))
    (tmp_path / 'text.pkl').write_text('Please log in to download this file')
    with pytest.raises(BodyModelError, match='not a pickle'):
        BodyModel.load(tmp_path / 'text.pkl')


def test_objects_in_an_npz_are_not_unpickled(tmp_path):
    path = save_npz(tmp_path / 'body.npz', small_arrays(weights=np.array([{}], dtype=object)))
    with pytest.raises(BodyModelError, match='not a readable npz'):
        BodyModel.load(path)


def test_uses_the_first_ten_of_many_components(tmp_path):
    arrays = small_arrays()
    more = np.concatenate([arrays['shapedirs'], np.ones((50, 3, 5))], axis=2)
    body = BodyModel.load(save_npz(tmp_path / 'body.npz', arrays | {'shapedirs': more}))
    plain = BodyModel.load(save_npz(tmp_path / 'plain.npz', arrays))
    assert torch.equal(body.shapedirs, plain.shapedirs)


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
    small_body.pose_numpy(*arrays)


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
