from dataclasses import replace

import numpy as np
import pytest

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.depth_sources import GroundPlane, TopicDepth
from metrichmsr_ros.structures import DepthImage, Frame

CAMERA = Camera.from_fov(160, 120, np.deg2rad(70))
LENS = replace(CAMERA, D=np.array([-0.2, 0.05, 0.001, -0.001, 0.0]))
IMAGE = np.zeros((120, 160, 3), np.uint8)


def make_frame(depth_z=None, depth_camera=CAMERA, camera=CAMERA):
    depth = None
    if depth_z is not None:
        depth = DepthImage(np.asarray(depth_z, np.float32), depth_camera)
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    return Frame(image, camera, 0, depth)


@pytest.mark.parametrize('camera', [CAMERA, LENS], ids=['pinhole', 'distorted'])
@pytest.mark.parametrize('tilt', [0.0, 0.4, -0.1, 1.2])
def test_ground_plane_points_lie_on_the_floor(camera, tilt):
    depth = GroundPlane(1.3, tilt, max_range=50.0).depth(make_frame(camera=camera))
    known = np.isfinite(depth.depth_z)
    points = (camera.pixel_rays() * depth.depth_z[..., None])[known]
    below = points @ [0, np.cos(tilt), np.sin(tilt)]
    np.testing.assert_allclose(below, 1.3, atol=1e-4)
    assert depth.depth_z[known].max() <= 50.0
    assert known.any()


def test_ground_plane_values():
    camera = Camera(3, 3, np.array([[10.0, 0, 1], [0, 10, 1], [0, 0, 1]]))
    frame = Frame(np.zeros((3, 3, 3), np.uint8), camera, 0)
    depth = GroundPlane(1.5).depth(frame)
    np.testing.assert_allclose(depth.depth_z[:, 1], [np.nan, np.nan, 15.0])
    assert depth.depth_z.dtype == np.float32
    assert depth.metric
    assert not depth.measured
    assert not depth.sees_people


def test_ground_plane_ends_at_its_range():
    near = GroundPlane(1.5, max_range=5.0).depth(make_frame()).depth_z
    far = GroundPlane(1.5, max_range=50.0).depth(make_frame()).depth_z
    assert np.nanmax(near) <= 5.0 < np.nanmax(far)
    assert np.isnan(near[far > 5.0]).all()


def test_ground_plane_is_computed_once_per_camera():
    source = GroundPlane(1.5)
    first = source.depth(make_frame())
    same = Camera.from_fov(160, 120, np.deg2rad(70))
    assert source.depth(make_frame(camera=same)) is first
    other = source.depth(make_frame(camera=LENS))
    assert other.camera == LENS
    assert not np.array_equal(other.depth_z, first.depth_z, equal_nan=True)


@pytest.mark.parametrize(
    ('arguments', 'rule'),
    [
        ((0.0,), 'camera_height is 0.0: it must be above 0'),
        ((-1.0,), 'above 0'),
        ((np.nan,), 'above 0'),
        ((1.0, 1.6), 'camera_tilt is 1.6: it must lie within'),
        ((1.0, np.nan), 'camera_tilt'),
    ],
)
def test_ground_plane_rejects_bad_input(arguments, rule):
    with pytest.raises(ValueError, match=rule):
        GroundPlane(*arguments)


def test_ground_plane_rejects_a_bad_range():
    with pytest.raises(ValueError, match='max_range is 0'):
        GroundPlane(1.0, max_range=0)


def test_topic_without_depth_says_nothing():
    assert TopicDepth().depth(make_frame()) is None


def test_topic_of_the_same_camera_passes_and_bad_pixels_become_nan():
    rng = np.random.default_rng(0)
    depth_z = rng.uniform(1, 5, (120, 160)).astype(np.float32)
    bad = depth_z.copy()
    bad[0, :5] = [0, -1, np.inf, -np.inf, np.nan]
    out = TopicDepth().depth(make_frame(bad))
    assert out.measured
    assert out.sees_people
    assert out.depth_z.dtype == np.float32
    assert np.isnan(out.depth_z[0, :5]).all()
    np.testing.assert_array_equal(out.depth_z[1:], depth_z[1:])
    np.testing.assert_array_equal(out.depth_z[0, 5:], depth_z[0, 5:])


@pytest.mark.parametrize('factor', [0.5, 2.0, 4.0])
@pytest.mark.parametrize('distorted', [False, True])
def test_topic_of_another_camera_is_the_same_scene(factor, distorted):
    # A slanted plane: its depth is known for the rays of any camera.
    def plane(camera):
        return (3.0 / (camera.pixel_rays() @ [0.2, 0.3, 1.0])).astype(np.float32)

    source = Camera.from_fov(int(160 * factor), int(120 * factor), np.deg2rad(80))
    target = LENS if distorted else CAMERA
    out = TopicDepth().depth(make_frame(plane(source), source, target))
    truth = plane(target)
    assert out.camera == target
    assert out.depth_z.shape == truth.shape
    assert np.isfinite(out.depth_z).mean() > 0.95
    known = np.isfinite(out.depth_z)
    np.testing.assert_allclose(out.depth_z[known], truth[known], rtol=0.02)


def test_topic_that_sees_less_is_nan_outside():
    source = Camera.from_fov(160, 120, np.deg2rad(35))
    out = TopicDepth().depth(make_frame(np.full((120, 160), 2.0), source)).depth_z
    assert np.isnan(out[:, [0, -1]]).all()
    assert np.isnan(out[[0, -1]]).all()
    assert (out[40:80, 60:100] == 2.0).all()


def test_topic_downsampled_keeps_a_thin_foreground_and_invents_nothing():
    source = Camera.from_fov(640, 480, np.deg2rad(70))
    depth_z = np.full((480, 640), 4.0, np.float32)
    depth_z[:, 320] = 1.0  # a pole one pixel wide
    depth_z[:, 100:140] = np.nan
    out = TopicDepth().depth(make_frame(depth_z, source)).depth_z
    assert (out == 1.0).any(axis=1).all()
    assert set(np.unique(out[np.isfinite(out)])) == {1.0, 4.0}
    assert np.isnan(out[:, 27:33]).all()


def test_topic_follows_a_change_of_cameras():
    source = TopicDepth()
    wide = Camera.from_fov(80, 60, np.deg2rad(80))
    for camera, value in ((CAMERA, 1.0), (wide, 2.0), (CAMERA, 3.0)):
        depth_z = np.full((camera.height, camera.width), value)
        out = source.depth(make_frame(depth_z, camera)).depth_z
        assert np.unique(out[np.isfinite(out)]) == value


def test_topic_of_another_size_than_its_camera_is_refused():
    with pytest.raises(ValueError, match=r'depth is 80x60 px: .* 160x120'):
        TopicDepth().depth(make_frame(np.ones((60, 80))))


def test_a_far_too_long_focal_length_of_the_depth_costs_no_memory():
    camera = replace(CAMERA, K=np.diag([1000.0, 1000, 0]) * 160 + CAMERA.K * (CAMERA.K < 90))
    wide = Camera.from_fov(160, 120, np.deg2rad(179))
    frame = make_frame(np.full((120, 160), 2.0), camera, wide)
    depth = TopicDepth().depth(frame)
    assert depth.depth_z.shape == (120, 160)
    assert np.isnan(depth.depth_z).mean() > 0.99
