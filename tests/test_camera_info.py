"""Every rule of reading a CameraInfo or a calibration file."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from metrichmsr_ros.geometry.camera import Camera, CameraError

K = np.array([[610.0, 0, 322.5], [0, 590.0, 236.25], [0, 0, 1]])
P = np.array([[500.0, 0, 315], [0, 505.0, 242], [0, 0, 1]])  # of rectified images
D = {
    'plumb_bob': [-0.31, 0.12, 0.0012, -0.0008, -0.03],
    'rational_polynomial': [0.62, 0.21, 0.0005, -0.0004, 0.011, 0.97, 0.31, 0.035],
    'equidistant': [0.06, -0.021, 0.012, -0.003],
}
NO_ROI = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False)


def camera(model: str = 'plumb_bob') -> Camera:
    return Camera(640, 480, K, np.array(D[model]), model)


def camera_info(**changes) -> SimpleNamespace:
    values = {
        'width': 640, 'height': 480, 'distortion_model': 'plumb_bob', 'd': D['plumb_bob'],
        'k': K.ravel().tolist(), 'p': [500.0, 0, 315, 0, 0, 505.0, 242, 0, 0, 0, 1, 0],
        'r': np.eye(3).ravel().tolist(), 'binning_x': 0, 'binning_y': 0, 'roi': NO_ROI,
    }  # fmt: skip
    return SimpleNamespace(**{**values, **changes})


def test_raw_image_reads_k_and_d():
    lens = Camera.from_camera_info(camera_info(), width=640, height=480)
    assert lens == replace(camera(), K_rectified=P)
    assert lens != camera()


def test_rectified_images_have_the_matrix_of_p():
    lens = Camera.from_camera_info(camera_info(), width=640, height=480)
    pinhole = lens.rectified()
    assert pinhole.K.tolist() == [[500, 0, 315], [0, 505, 242], [0, 0, 1]]
    assert not pinhole.has_distortion
    reference = cv2.initUndistortRectifyMap(
        lens.K, lens.D, np.eye(3), pinhole.K, (640, 480), cv2.CV_32FC1
    )
    for ours, theirs in zip(lens.rectify_maps(), reference, strict=True):
        seen = ours > -1e4
        assert seen.mean() > 0.9
        np.testing.assert_allclose(ours[seen], theirs[seen], atol=2e-3)
    roi = SimpleNamespace(x_offset=100, y_offset=60, width=400, height=300, do_rectify=False)
    info = camera_info(roi=roi, binning_x=2, binning_y=2)
    part = Camera.from_camera_info(info, width=200, height=150).rectified()
    np.testing.assert_allclose(part.K[:2, 2], [(215.5 - 1) / 2, (182.5 - 1) / 2])
    np.testing.assert_allclose(lens.resized(320, 240).rectified().K[0, 0], 250)
    assert lens.camera_info_values()['p'] == camera_info().p


@pytest.mark.parametrize(
    'changes',
    [
        {'p': [0.0] * 12},
        {'p': [500.0, 0, np.nan, 0, 0, 505.0, 242, 0, 0, 0, 1, 0]},
        {'p': [500.0, 3.0, 315, 0, 0, 505.0, 242, 0, 0, 0, 1, 0]},
        {'p': [1e9, 0, 315, 0, 0, 505.0, 242, 0, 0, 0, 1, 0]},
        {'r': [0.8, 0.6, 0, -0.6, 0.8, 0, 0, 0, 1.0]},
    ],
)
def test_without_a_p_for_this_frame_rectified_images_keep_k(changes):
    lens = Camera.from_camera_info(camera_info(**changes), width=640, height=480)
    assert lens == camera()
    assert lens.rectified() == Camera(640, 480, K)


def test_an_image_without_distortion_is_its_own_rectified_one():
    lens = Camera.from_camera_info(camera_info(d=[]), width=640, height=480)
    assert lens.rectified() == Camera(640, 480, K)


def test_rectified_image_reads_p():
    lens = Camera.from_camera_info(camera_info(), width=640, height=480, rectified=True)
    assert lens.K.tolist() == [[500, 0, 315], [0, 505, 242], [0, 0, 1]]
    assert not lens.has_distortion


def test_uniform_scaling():
    lens = Camera.from_camera_info(camera_info(), width=320, height=240)
    assert lens == replace(camera(), K_rectified=P).resized(320, 240)
    # 641x481 halved by integer division is still the same image.
    odd = Camera.from_camera_info(camera_info(width=641, height=481), width=320, height=240)
    assert odd.K[0, 0] == pytest.approx(610 * 320 / 641)


def test_roi_and_binning():
    roi = SimpleNamespace(x_offset=100, y_offset=60, width=400, height=300, do_rectify=False)
    lens = Camera.from_camera_info(camera_info(roi=roi), width=400, height=300)
    p = np.random.default_rng(0).uniform((-1, -1, 2), (1, 1, 5), (20, 3))
    np.testing.assert_allclose(lens.project(p), camera().project(p) - (100, 60), atol=1e-9)
    info = camera_info(roi=roi, binning_x=2, binning_y=2)
    lens = Camera.from_camera_info(info, width=200, height=150)
    expected = (camera().project(p) - (100, 60) + 0.5) / 2 - 0.5
    np.testing.assert_allclose(lens.project(p), expected, atol=1e-9)


def test_unequal_binning():
    info = camera_info(binning_x=2, binning_y=1)
    lens = Camera.from_camera_info(info, width=320, height=480)
    assert lens.K[0, 0] == 305
    assert lens.K[1, 1] == 590


def test_no_distortion_by_whatever_name():
    for model, d in [('', []), ('', [0.0] * 5), ('equidistant', [0.0] * 4), ('plumb_bob', [])]:
        info = camera_info(distortion_model=model, d=d)
        lens = Camera.from_camera_info(info, width=640, height=480)
        assert lens == Camera(640, 480, K, K_rectified=P)


def test_zero_k_is_uncalibrated():
    info = camera_info(k=[0.0] * 9, p=[0.0] * 12, d=[], width=0, height=0)
    for rectified in (False, True):
        lens = Camera.from_camera_info(info, width=640, height=480, rectified=rectified)
        assert lens == Camera.uncalibrated(640, 480)


def test_rejects_an_empty_image():
    with pytest.raises(CameraError, match='image must have a positive width and height, got 0x0'):
        Camera.from_camera_info(camera_info(), width=0, height=0)


def replaced(values, index, value):
    return [*values[:index], value, *values[index + 1 :]]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'k': replaced(K.ravel().tolist(), 2, np.nan)}, 'K must be finite'),
        ({'k': replaced(K.ravel().tolist(), 0, np.inf)}, 'K must be finite'),
        ({'k': replaced(K.ravel().tolist(), 0, -610.0)}, 'must be positive, got fx = -610'),
        ({'k': replaced(K.ravel().tolist(), 4, 0.0)}, 'must be positive, got fx = 610, fy = 0'),
        ({'k': replaced(K.ravel().tolist(), 1, 3.0)}, r'must be \[fx 0 cx'),
        ({'k': [1.0] * 8}, 'K must have 9 numbers, got 8'),
        ({'distortion_model': 'thin_prism'}, "'thin_prism' is not one of"),
        ({'distortion_model': ''}, "'' is not one of"),
        ({'d': [0.1, 0.2]}, 'has 5 distortion coefficients, got 2'),
        ({'d': [np.nan] * 5}, 'D must be finite'),
        ({'d': [-1e4, 0, 0, 0, 0]}, 'distortion folds the image: only 0% of it can be seen'),
        ({'d': ['a'] * 5}, 'D must be numbers'),
        ({'width': 0}, 'CameraInfo must have a positive width and height, got 0x480'),
        ({'width': 640, 'height': 360}, '640x480, not a uniform scaling of the 640x360'),
        ({'binning_x': 2}, '640x480, not a uniform scaling of the 320x480'),
        (
            {'roi': SimpleNamespace(x_offset=400, y_offset=0, width=320, height=240)},
            r'roi 320x240 at \(400, 0\) must lie inside the 640x480',
        ),
        (
            {'roi': SimpleNamespace(x_offset=0, y_offset=0, width=320, height=0)},
            'CameraInfo.roi must have a positive width and height, got 320x0',
        ),
    ],
)
def test_rejects_bad_camera_info(changes, message):
    with pytest.raises(CameraError, match=message):
        Camera.from_camera_info(camera_info(**changes), width=640, height=480)


def test_rejects_bad_p_only_where_it_is_read():
    info = camera_info(p=[0.0] * 12)
    assert Camera.from_camera_info(info, width=640, height=480) == camera()
    with pytest.raises(CameraError, match='fx = 0, fy = 0 in P'):
        Camera.from_camera_info(info, width=640, height=480, rectified=True)


YAML = """image_width: 640
image_height: 480
camera_name: head
camera_matrix: {{rows: 3, cols: 3, data: {k}}}
distortion_model: plumb_bob
distortion_coefficients: {{rows: 1, cols: 5, data: {d}}}
rectification_matrix: {{rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}}
projection_matrix: {{rows: 3, cols: 4, data: [500, 0, 315, 0, 0, 505, 242, 0, 0, 0, 1, 0]}}
"""


def test_calibration_yaml(tmp_path):
    path = tmp_path / 'head.yaml'
    path.write_text(YAML.format(k=K.ravel().tolist(), d=D['plumb_bob']))
    lens = replace(camera(), K_rectified=P)
    assert Camera.from_calibration_yaml(path) == lens
    assert Camera.from_calibration_yaml(path, width=320, height=240) == lens.resized(320, 240)
    assert Camera.from_calibration_yaml(path, rectified=True).K[0, 0] == 500


@pytest.mark.parametrize('text', ['', 'a: [', 'image_width: 640', '- 1', 'camera_matrix: 3'])
def test_rejects_bad_calibration_yaml(tmp_path, text):
    path = tmp_path / 'bad.yaml'
    path.write_text(text)
    with pytest.raises(CameraError, match=r'bad\.yaml is not a camera_calibration YAML file'):
        Camera.from_calibration_yaml(path)


def test_missing_calibration_yaml(tmp_path):
    with pytest.raises(OSError, match=r'absent\.yaml'):
        Camera.from_calibration_yaml(tmp_path / 'absent.yaml')


@pytest.mark.parametrize('model', D)
def test_camera_info_values_read_back(model):
    values = camera(model).camera_info_values()
    info = SimpleNamespace(**values, binning_x=0, binning_y=0, roi=NO_ROI)
    assert len(values['k']) == len(values['r']) == 9
    assert len(values['p']) == 12
    assert Camera.from_camera_info(info, width=640, height=480) == camera(model)
