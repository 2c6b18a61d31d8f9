import numpy as np

from metrichmsr_ros.geometry.boxes import box_iou, inside_image, mesh_boxes
from metrichmsr_ros.geometry.camera import Camera


def test_iou_values():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], float)
    np.testing.assert_allclose(box_iou(boxes, boxes), [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]])


def test_iou_with_nobody():
    assert box_iou(np.zeros((0, 4)), np.ones((3, 4))).shape == (0, 3)
    np.testing.assert_array_equal(box_iou(np.zeros((1, 4)), np.zeros((1, 4))), 0)  # empty boxes


def test_the_border_of_the_image_is_inside():
    pixels = np.array([[-0.5, -0.5], [9.5, 4.5], [-0.6, 2], [9.6, 2], [2, 4.6], [np.nan, 2]])
    expected = [True, True, False, False, False, False]
    np.testing.assert_array_equal(inside_image(pixels, width=10, height=5), expected)


def test_boxes_of_surfaces_are_those_of_the_points_that_project():
    K = np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    camera = Camera(101, 81, K)
    in_view = [[-0.5, -0.2, 2], [0.5, 0.4, 2], [0, 0, 4]]
    partly_behind = [[-1, 0, 1], [0, 0.1, 1], [9, 9, -1]]  # and over the left border
    behind = [[0, 0, -1], [1, 1, -1], [0, 1, -2]]
    vertices = np.array([in_view, partly_behind, behind], np.float32)
    otherwise = np.arange(12).reshape(3, 4)

    boxes = mesh_boxes(camera, vertices, otherwise)

    assert boxes.dtype == np.float32
    expected = [[25, 30, 75, 60], [-50, 40, 50, 50], otherwise[2]]
    np.testing.assert_allclose(boxes, expected, atol=1e-4)


def test_boxes_of_nobodys_surfaces():
    boxes = mesh_boxes(Camera.from_fov(64, 48, 1.0), np.zeros((0, 5, 3)), np.zeros((0, 4)))
    assert boxes.shape == (0, 4)
