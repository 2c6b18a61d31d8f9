from dataclasses import replace
import sys

import fake_mapanything
import numpy as np
import pytest

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.depth_sources.map_anything import MapAnythingDepth
from metrichmsr_ros.structures import Frame

LENS = np.array([-0.25, 0.06, 0.001, -0.001, 0.0])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    fake_mapanything.install(monkeypatch)
    (tmp_path / 'config.json').write_text('{}')
    (tmp_path / 'model.safetensors').touch()
    return str(tmp_path)


def make_camera(width, height):
    camera = Camera.from_fov(width, height, np.deg2rad(70))
    K = camera.K.copy()
    K[:2, 2] += [7.3, -4.6]  # a lens is not in the middle of its image
    return replace(camera, K=K)


def ramp(camera, axis):
    """An image whose red says where along ``axis`` it is, 1 to 255 from side to side."""
    image = np.full((camera.height, camera.width, 3), 255, np.uint8)
    steps = image.shape[1 - axis]
    along = np.rint(np.linspace(1, 255, steps)).astype(np.uint8)
    image[..., 0] = along if axis == 0 else along[:, None]
    return image


def read_off(depth_z, axis):
    """Which pixel of the image each pixel's depth belongs to, along ``axis``."""
    steps = depth_z.shape[1 - axis]
    return (depth_z - 1) / 254 * (steps - 1)


SIZES = [(640, 480), (1280, 720), (480, 640), (333, 100), (321, 241), (100, 333), (200, 200)]


@pytest.mark.parametrize('axis', [0, 1])
@pytest.mark.parametrize('distorted', [False, True])
@pytest.mark.parametrize(('width', 'height'), SIZES)
def test_depth_is_that_of_its_own_pixel(folder, width, height, distorted, axis):
    camera = make_camera(width, height)
    if distorted:
        camera = replace(camera, D=LENS)
    frame = Frame(ramp(camera, axis), camera, 3)
    found = MapAnythingDepth(folder).depth(frame)
    assert found.depth_z.shape == (height, width)
    assert found.depth_z.dtype == np.float32
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    known = np.isfinite(found.depth_z)
    assert known.mean() > (0.35 if distorted else 0.6)
    missed = read_off(found.depth_z, axis)[known] - (x, y)[axis][known]
    step = max(width, height) / 518
    assert abs(missed.mean()) < 0.25 * max(step, 0.3)
    assert np.abs(missed).max() < 1.5 * step + max(width, height) / 254 + 1


def test_what_was_cut_off_is_unknown(folder):
    camera = make_camera(640, 400)  # 16:10 becomes 518x336: columns are cut off
    depth_z = MapAnythingDepth(folder).depth(Frame(ramp(camera, 0), camera, 0)).depth_z
    known = np.isfinite(depth_z)
    assert (known == known[0]).all()
    cut = np.flatnonzero(~known[0])
    assert set(cut) <= {*range(13), *range(627, 640)}
    assert 22 <= len(cut) <= 24  # of 537 columns 19, of which each is 1.2 wide


def test_what_the_network_masks_is_unknown(folder):
    camera = make_camera(640, 480)
    image = ramp(camera, 0)
    image[:240, :, 2] = 0
    depth_z = MapAnythingDepth(folder).depth(Frame(image, camera, 0)).depth_z
    assert np.isnan(depth_z[:239]).all()
    assert np.isfinite(depth_z[242:-2, 2:-2]).all()


def test_the_network_is_called_as_it_is_published(folder):
    camera = make_camera(640, 480)
    source = MapAnythingDepth(folder, device='cpu')
    found = source.depth(Frame(ramp(camera, 0), camera, 0))
    assert fake_mapanything.MapAnything.place == folder
    (call,) = fake_mapanything.MapAnything.calls
    assert call['use_amp'] is False
    assert call['view']['intrinsics'].numpy().dtype == np.float32
    assert found.metric
    assert found.sees_people
    assert not found.measured
    assert found.source == 'mapanything'
    assert found.scale_sigma == 0.2


def test_the_missing_package_is_named_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'mapanything', None)
    with pytest.raises(ValueError, match=r'mapanything is not installed: pip install .*git\+'):
        MapAnythingDepth(str(tmp_path))


def test_a_folder_that_is_none_is_named(folder, tmp_path):
    with pytest.raises(ValueError, match=r"depth_model '.*nowhere': it must be a folder"):
        MapAnythingDepth(str(tmp_path / 'nowhere'))
