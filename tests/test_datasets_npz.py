from pathlib import Path

import numpy as np
import pytest

from metrichmsr_ros.data.datasets.arrays import DatasetError
from metrichmsr_ros.data.datasets.smpl_npz import read_smpl_npz


def content(n: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        'imgname': np.array([f'train2014/{i:012d}.jpg' for i in range(n)]),
        'center': np.full((n, 2), [300.0, 200.0]),
        'scale': np.full(n, 0.5),
        'pose_cam': rng.normal(size=(n, 72)),
        'shape': rng.normal(size=(n, 11)),
        'cam_int': np.tile(np.diag([900.0, 900, 1]), (n, 1, 1)),
        'trans_cam': np.tile([0.1, 0.2, 4.0], (n, 1)),
        'gtkps': np.zeros((n, 24, 3)),
    }


def write(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    path = folder / 'labels.npz'
    np.savez(path, **arrays)
    return path


def test_pseudo_truth_is_read_as_it_was_published(tmp_path):
    arrays = content()
    labels = read_smpl_npz(write(tmp_path, arrays), tmp_path / 'coco')

    assert len(labels) == 3
    assert labels.images[2] == tmp_path / 'coco' / 'train2014' / '000000000002.jpg'
    np.testing.assert_allclose(labels.boxes[0], [250, 150, 350, 250])
    np.testing.assert_allclose(labels.translation[0], [0.1, 0.2, 4.0])
    np.testing.assert_allclose(labels.pose[1].ravel(), arrays['pose_cam'][1])
    assert labels.shape.shape == (3, 10)
    assert not labels.quarter_turned.any()


def test_bedlam_adds_its_extrinsics_and_turns_close_ups(tmp_path):
    arrays = content()
    arrays['cam_ext'] = np.tile(np.eye(4), (3, 1, 1))
    arrays['cam_ext'][:, :3, 3] = [1.0, 0.0, 2.0]
    arrays['pose_cam'] = arrays['pose_cam'].reshape(3, 24, 3)
    path = write(tmp_path, arrays)

    labels = read_smpl_npz(path, tmp_path / '20221020_closeup_suburb_a')

    np.testing.assert_allclose(labels.translation[0], [1.1, 0.2, 6.0])
    assert labels.quarter_turned.all()
    assert not read_smpl_npz(path, tmp_path / 'static_gym').quarter_turned.any()


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('cam_int', None, r"missing keys \['cam_int'\]"),
        ('pose_cam', np.zeros((3, 165)), 'got 165: these are SMPL-X labels'),
        ('pose_cam', np.zeros((3, 69)), 'got 69$'),
        ('trans_cam', np.full((3, 3), np.inf), 'trans_cam must be finite'),
        ('scale', np.zeros((3, 1)), r'scale must be \(3\), got \(3, 1\)'),
        ('shape', np.zeros((3, 8)), r'shape must be \(3, 10\), got \(3, 8\)'),
        ('imgname', np.array([None] * 3), 'not a readable npz archive'),
    ],
)
def test_archives_of_another_layout_are_named(tmp_path, key, value, message):
    arrays = content()
    arrays[key] = value
    if value is None:
        del arrays[key]

    with pytest.raises(DatasetError, match=message):
        read_smpl_npz(write(tmp_path, arrays), tmp_path)


def test_other_arrays_of_an_archive_may_be_anything(tmp_path):
    path = write(tmp_path, {**content(), 'meta': np.array([{'a': 1}], object)})

    assert len(read_smpl_npz(path, tmp_path)) == 3


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(DatasetError, match='no such file'):
        read_smpl_npz(tmp_path / 'none.npz', tmp_path)
    (tmp_path / 'bad.npz').write_bytes(b'PK\x03\x04 no zip')
    with pytest.raises(DatasetError, match='not a readable npz'):
        read_smpl_npz(tmp_path / 'bad.npz', tmp_path)
