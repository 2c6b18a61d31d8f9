from dataclasses import replace

import cv2
import numpy as np
import pytest

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import MeshDepth
from metrichmsr_ros.structures import Frame, People, Scene, TrackState
from metrichmsr_ros.visualization import (
    color_depth,
    draw_gates,
    draw_scene,
    id_color,
    UNKNOWN_DEPTH,
    write_picture,
)

CAMERA = Camera.from_fov(320, 240, 1.0)


def make_scene(*, states=(TrackState.TRACKED, TrackState.PREDICTED), seen=1):
    """A ball at 3 m before the camera and somebody who is only predicted, in a grey image."""
    rays = CAMERA.pixel_rays().astype(float)
    unit = rays / np.linalg.norm(rays, axis=2, keepdims=True)
    along = unit[..., 2] * 3.0
    root = along**2 - (3.0**2 - 0.5**2)
    with np.errstate(invalid='ignore'):
        depth_z = ((along - np.sqrt(root)) * unit[..., 2]).astype(np.float32)
    person = np.where(np.isfinite(depth_z), 0, -1).astype(np.int16)
    if not seen:
        depth_z[:], person[:] = np.nan, -1
    people = replace(
        People.empty(4),
        ids=('aaaaa', 'bbbbb'),
        states=states,
        boxes=np.float32([[110, 70, 210, 170], [-50, 180, 60, 400]]),
        joints=np.tile(np.float32([0, 0, 3]), (2, 24, 1)),
    )
    frame = Frame(np.full((240, 320, 3), 90, np.uint8), CAMERA, 0)
    return Scene(frame, people, None, mesh=MeshDepth(depth_z, person))


def test_the_input_is_not_drawn_on():
    scene = make_scene()
    picture = draw_scene(scene)
    assert picture.shape == (240, 320, 3)
    assert picture.dtype == np.uint8
    assert (scene.frame.image == 90).all()


def test_a_surface_is_brightest_where_it_faces_the_camera_and_has_its_ids_hue():
    picture = draw_scene(make_scene())
    middle, side = picture[120, 160].astype(int), picture[120, 118].astype(int)
    assert middle.sum() > side.sum() + 60
    expected = 0.75 * np.array(id_color('aaaaa')) + 0.25 * 90
    np.testing.assert_allclose(middle, expected, atol=4)


def test_pixels_off_the_people_keep_the_image():
    picture = draw_scene(make_scene())
    assert (picture[10:40, 250:] == 90).all()


def test_without_a_mesh_there_are_boxes():
    scene = replace(make_scene(), mesh=None)
    picture = draw_scene(scene)
    assert (picture[120, 160] == 90).all()
    assert (picture[120, 110] == id_color('aaaaa')).all()


def test_predicted_people_have_a_thin_box_and_no_surface():
    picture = draw_scene(make_scene())
    assert (picture[200, 60] != 90).any()
    assert (picture[200, 62] == 90).all()
    assert (picture[210:, 5:50] == 90).all()


def test_nobody():
    scene = make_scene(seen=0)
    scene = replace(scene, people=scene.people.select([]))
    np.testing.assert_array_equal(draw_scene(scene), scene.frame.image)


@pytest.mark.parametrize('box', [[-1e9, -1e9, 1e9, 1e9], [5, 5, 5, 5], [400, 400, 500, 500]])
def test_boxes_far_outside_are_no_trouble(box):
    scene = make_scene()
    people = replace(scene.people, boxes=np.float32([box, box]))
    picture = draw_scene(replace(scene, people=people))
    assert (picture.shape, picture.dtype) == (scene.frame.image.shape, np.uint8)
    # In the corner neither the box nor its label is drawn, only what was there.
    np.testing.assert_array_equal(picture[-1, 0], draw_scene(scene)[-1, 0])


def test_surfaces_at_the_border_and_of_one_pixel():
    scene = make_scene()
    depth_z = np.full((240, 320), np.nan, np.float32)
    person = np.full((240, 320), -1, np.int16)
    depth_z[0, 0], person[0, 0] = 2.0, 0
    depth_z[-1, -5:], person[-1, -5:] = 2.0, 1
    picture = draw_scene(replace(scene, mesh=MeshDepth(depth_z, person)))
    assert (picture[0, 0] != 90).any()
    assert (picture[-1, -1] != 90).any()


def test_colors_of_ids_differ_and_stay():
    names = [a + b + 'xyz' for a in 'abcdef' for b in 'abcdef']
    assert len({id_color(name) for name in names}) > 30
    assert id_color('abcde') == id_color('abcde')
    assert all(max(id_color(name)) == 255 for name in names)


def test_depth_goes_from_red_to_blue_and_unknown_is_grey():
    depth_z = np.array([[0.5, 2.0, 10.0, np.nan, 0.0, -1.0, 0.1, 500.0, np.inf]], np.float32)
    picture = color_depth(depth_z)
    near, middle, far = picture[0, :3].astype(int)
    assert near[0] > near[2] + 50
    assert far[2] > far[0]
    assert middle[1] > max(near[1], far[1])
    assert (picture[0, 3:6] == UNKNOWN_DEPTH).all()
    np.testing.assert_array_equal(picture[0, 6], near)
    np.testing.assert_array_equal(picture[0, 7], far)
    np.testing.assert_array_equal(picture[0, 8], far)


def test_depth_colours_are_monotonous_in_the_colour_map():
    levels = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[None], cv2.COLORMAP_TURBO)
    order = {tuple(c[::-1]): i for i, c in enumerate(levels[0].tolist())}
    picture = color_depth(np.geomspace(0.5, 10, 50)[None].astype(np.float32))
    index = [order[tuple(c)] for c in picture[0].tolist()]
    assert np.all(np.diff(index) < 0)


@pytest.mark.parametrize(('near', 'far'), [(0, 5), (5, 5), (6, 5), (-1, 5)])
def test_depth_range_is_checked(near, far):
    with pytest.raises(ValueError, match=f'near is {near} and far is {far}'):
        color_depth(np.ones((2, 2)), near=near, far=far)


def test_gates_show_the_strongest_expert_and_how_strong_it_is():
    image = np.zeros((200, 100, 3), np.uint8)
    points = np.zeros((1, 33, 2))
    points[0] = [[20 + 15 * (i % 5), 60 + 20 * (i // 5)] for i in range(33)]
    gates = np.full((1, 2, 33, 2), 0.5)
    gates[0, 0, 6], gates[0, 1, 6] = [1, 0], [0, 1]
    picture = draw_gates(image, points, gates)
    assert picture.shape == (200, 200, 3)
    x, y = points[0, 6].astype(int)
    first, second = picture[y, x].astype(int), picture[y, 100 + x].astype(int)
    assert np.abs(first - second).max() > 100
    # All to one expert is a larger disc than all experts alike.
    other = points[0, 8].astype(int)
    assert (picture[y, x - 3] == picture[y, x]).all()
    assert (picture[other[1], other[0] - 3] != picture[other[1], other[0]]).any()


def test_a_picture_is_written_as_it_is(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (8, 9, 3), np.uint8)
    write_picture(tmp_path / 'a.png', picture)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / 'a.png'))[..., ::-1], picture)
    with pytest.raises(OSError, match='nowhere'):
        write_picture(tmp_path / 'nowhere' / 'a.png', picture)
