from pathlib import Path
import pickle

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.datasets.arrays import DatasetError
from metrichmsr_ros.data.datasets.emdb import read_emdb
from metrichmsr_ros.data.datasets.labels import to_camera
from metrichmsr_ros.data.datasets.threedpw import read_3dpw

FRAMES = 4
K = np.array([[1000.0, 0, 540], [0, 1000, 960], [0, 0, 1]])


def extrinsics(rng: np.random.Generator) -> np.ndarray:
    T = np.tile(np.eye(4), (FRAMES, 1, 1))
    T[:, :3, :3] = Rotation.from_rotvec(0.3 * rng.normal(size=(FRAMES, 3))).as_matrix()
    T[:, :3, 3] = [0.0, 0.0, 5.0]
    return T


def threedpw_content() -> dict:
    rng = np.random.default_rng(0)
    poses2d = rng.uniform(1, 900, size=(2, FRAMES, 3, 18))
    poses2d[1, 2] = 0  # the second person is not found in the third frame
    valid = np.ones((2, FRAMES), int)
    valid[0, 1] = 0
    return {
        'sequence': 'downtown_walk_00',
        'poses': list(0.2 * rng.normal(size=(2, FRAMES, 72))),
        'trans': list(0.3 * rng.normal(size=(2, FRAMES, 3))),
        'betas': list(rng.normal(size=(2, 10))),
        'genders': ['m', 'f'],
        'jointPositions': list(0.3 * rng.normal(size=(2, FRAMES, 72))),
        'poses2d': list(poses2d),
        'cam_poses': extrinsics(rng),
        'campose_valid': list(valid),
        'cam_intrinsics': K,
        'texture_maps': [np.zeros(1)],
    }


def emdb_content() -> dict:
    rng = np.random.default_rng(1)
    good = np.array([True, True, False, True])
    return {
        'gender': 'female', 'name': 'P0_09_outdoor_walk', 'emdb1': True, 'emdb2': False,
        'n_frames': FRAMES, 'good_frames_mask': good,
        'camera': {'intrinsics': K, 'extrinsics': extrinsics(rng), 'width': 1080, 'height': 1920},
        'smpl': {
            'poses_root': rng.normal(size=(FRAMES, 3)),
            'poses_body': 0.2 * rng.normal(size=(FRAMES, 69)),
            'trans': rng.normal(size=(FRAMES, 3)),
            'betas': rng.normal(size=10),
        },
        'kp2d': np.zeros((FRAMES, 24, 2)),
        'bboxes': {
            'bboxes': np.full((FRAMES, 4), [1.0, 2, 3, 4]),
            'invalid_idxs': np.array([2, 3]),
        },
    }  # fmt: skip


def write_3dpw(root: Path, content: object, *, protocol: int = 2) -> Path:
    file = root / 'sequenceFiles' / 'test' / 'downtown_walk_00.pkl'
    file.parent.mkdir(parents=True)
    file.write_bytes(pickle.dumps(content, protocol=protocol))
    return root


def write_emdb(root: Path, content: object) -> Path:
    file = root / 'P0' / '09_outdoor_walk' / 'P0_09_outdoor_walk_data.pkl'
    file.parent.mkdir(parents=True)
    file.write_bytes(pickle.dumps(content))
    return root


def test_3dpw_gives_one_sequence_per_person_and_its_valid_frames(tmp_path):
    content = threedpw_content()
    first, second = read_3dpw(write_3dpw(tmp_path, content), split='test')

    assert (first.name, first.gender) == ('downtown_walk_00_0', 'male')
    assert (second.name, second.gender) == ('downtown_walk_00_1', 'female')
    assert first.valid.tolist() == [True, False, True, True]
    assert second.valid.tolist() == [True, True, False, True]
    assert first.images[3] == tmp_path / 'imageFiles' / 'downtown_walk_00' / 'image_00003.jpg'
    np.testing.assert_allclose(second.pose.reshape(FRAMES, 72), content['poses'][1])
    assert len(second) == FRAMES


def test_3dpw_boxes_hold_the_projected_joints(tmp_path):
    content = threedpw_content()
    first, _ = read_3dpw(write_3dpw(tmp_path, content), split='test')

    joints = content['jointPositions'][0][2].reshape(24, 3)
    T = content['cam_poses'][2]
    image = (joints @ T[:3, :3].T + T[:3, 3]) @ K.T
    pixels = image[:, :2] / image[:, 2:]
    low, high = first.boxes[2, :2], first.boxes[2, 2:]
    np.testing.assert_allclose(high - low, 1.2 * np.ptp(pixels, axis=0))
    np.testing.assert_allclose(low + high, pixels.min(0) + pixels.max(0))


def test_labels_in_the_camera_pose_the_same_body_as_in_the_world(tmp_path):
    body = BodyModel.load()
    sequence, _ = read_3dpw(write_3dpw(tmp_path, threedpw_content()), split='test')
    shape = torch.tensor(sequence.shape, dtype=torch.float32)[None]
    labels = sequence.in_camera(body.rest_joints(shape)[0, 0].numpy())

    kept = np.flatnonzero(sequence.valid)
    assert len(labels) == len(kept) == 3
    shapes = np.tile(sequence.shape, (3, 1))
    _, world = body.pose_numpy(sequence.pose[kept], shapes, sequence.translation[kept])
    _, camera = body.pose_numpy(labels.pose, labels.shape, labels.translation)
    T = sequence.T_cam_world[kept]
    expected = world @ np.swapaxes(T[:, :3, :3], -1, -2) + T[:, None, :3, 3]
    np.testing.assert_allclose(camera, expected, atol=1e-5)
    np.testing.assert_array_equal(labels.K[0], K)


def test_transl_is_not_the_pelvis():
    T = np.tile(np.eye(4), (1, 1, 1))
    T[:, :3, :3] = Rotation.from_euler('z', 90, degrees=True).as_matrix()
    _, translation = to_camera(
        np.zeros((1, 3)), np.zeros((1, 3)), T_cam_world=T, rest_pelvis=np.array([0, -0.2, 0])
    )

    np.testing.assert_allclose(translation, [[0.2, 0.2, 0.0]], atol=1e-12)


def test_emdb_reads_its_subset_and_drops_bad_frames_and_boxes(tmp_path):
    content = emdb_content()
    root = write_emdb(tmp_path, content)
    (sequence,) = read_emdb(root, subset=1)

    assert sequence.valid.tolist() == [True, True, False, False]
    assert sequence.images[1].parts[-2:] == ('images', '00001.jpg')
    np.testing.assert_allclose(sequence.pose[:, 0], content['smpl']['poses_root'])
    np.testing.assert_allclose(sequence.boxes[0], [1, 2, 3, 4])
    assert list(read_emdb(root, subset=2)) == []


def test_unknown_splits_and_empty_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match="got 'tset'"):
        list(read_3dpw(tmp_path, split='tset'))
    with pytest.raises(ValueError, match='got 3'):
        list(read_emdb(tmp_path, subset=3))
    with pytest.raises(DatasetError, match=r'holds no \.pkl'):
        list(read_3dpw(tmp_path, split='test'))
    with pytest.raises(DatasetError, match='holds no P'):
        list(read_emdb(tmp_path, subset=1))


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('trans', None, r"missing keys \['trans'\]"),
        ('trans', [np.zeros((FRAMES, 2))] * 2, r'trans must be \(4, 3\), got \(4, 2\)'),
        ('poses', [np.full((FRAMES, 72), np.nan)] * 2, 'poses must be finite'),
        ('genders', ['x', 'f'], "got 'x'"),
        ('cam_intrinsics', 'K', 'cam_intrinsics must hold numbers'),
        ('betas', [np.zeros(3)] * 2, r'betas must be \(10\), got \(3,\)'),
    ],
)
def test_3dpw_files_of_another_layout_are_named(tmp_path, key, value, message):
    content = threedpw_content()
    content[key] = value
    if value is None:
        del content[key]

    with pytest.raises(DatasetError, match=message):
        list(read_3dpw(write_3dpw(tmp_path, content), split='test'))


def test_pickles_run_nothing(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / 'ran',))

    with pytest.raises(DatasetError, match='refused: it names'):
        list(read_3dpw(write_3dpw(tmp_path, {'sequence': Evil()}), split='test'))
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('content', [b'', b'\x80\x02}', pickle.dumps([1, 2])])
def test_broken_pickles_are_named(tmp_path, content):
    file = write_emdb(tmp_path, {}) / 'P0/09_outdoor_walk/P0_09_outdoor_walk_data.pkl'
    file.write_bytes(content)

    with pytest.raises(DatasetError, match='P0_09_outdoor_walk_data'):
        list(read_emdb(tmp_path, subset=1))
