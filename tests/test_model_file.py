"""Reading of SMPL-format files, the official ones and bad ones."""

import io
import zipfile

import numpy as np
import pytest
import scipy.sparse
from smpl_files import body_arrays, save_npz, save_pickle, small_arrays
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.model_file import BodyModelError, SMPL_SURFACE_POINTS


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
        ({'v_template': np.linspace(0, 1700, 150).reshape(50, 3)}, r'spans 16\d\d.*in metres'),
        ({'v_template': np.ones((50, 3)) * 1j}, 'v_template is not an array .*complex'),
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


def test_an_array_that_is_called_an_archive(tmp_path):
    with (tmp_path / 'body.npz').open('wb') as file:
        np.save(file, np.zeros(3))
    with pytest.raises(BodyModelError, match=r'body\.npz: not a readable npz'):
        BodyModel.load(tmp_path / 'body.npz')


def test_a_small_file_cannot_ask_for_all_of_the_memory(tmp_path, monkeypatch):
    header = io.BytesIO()
    shape = {'descr': '<f8', 'fortran_order': False, 'shape': (10**7, 10**6)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(tmp_path / 'body.npz', 'w') as archive:
        archive.writestr('v_template.npy', header.getvalue())
    with pytest.raises(BodyModelError, match=r'body\.npz: not a readable npz .*Unable to alloc'):
        BodyModel.load(tmp_path / 'body.npz')
    monkeypatch.setattr('metrichmsr_ros.body.model_file._MAX_BYTES', 1000)
    with pytest.raises(BodyModelError, match=r'unpacks to \d+ bytes, more than 1000'):
        BodyModel.load(save_npz(tmp_path / 'bomb.npz', small_arrays()))


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
