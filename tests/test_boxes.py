import numpy as np

from metrichmsr_ros.geometry.boxes import box_iou, inside_image


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
