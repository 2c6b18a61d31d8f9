import cv2
import numpy as np
import pytest

from metrichmsr_ros.perception.blazepose.crops import (
    check_image,
    check_rois,
    crop,
    crop_to_image,
    rois_from_axes,
)


def test_crop_of_the_same_size_is_the_image():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    roi = np.array([31.5, 31.5, 64, 0])
    np.testing.assert_array_equal(crop(image, roi, 64, border=cv2.BORDER_CONSTANT), image)


def test_crop_of_whole_pixels_moves_and_pads():
    image = np.random.default_rng(0).integers(1, 256, (40, 50, 3), np.uint8)
    roi = np.array([5.5, 4.5, 32, 0])  # begins at pixel (-10, -11)
    read = crop(image, roi, 32, border=cv2.BORDER_CONSTANT)
    np.testing.assert_array_equal(read[11:, 10:], image[:21, :22])
    assert not read[:11].any()
    replicated = crop(image, roi, 32, border=cv2.BORDER_REPLICATE)
    np.testing.assert_array_equal(replicated[:11, 10:], np.repeat(image[:1, :22], 11, axis=0))


def test_quarter_turn_is_exact():
    image = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    roi = np.array([15.5, 15.5, 32, np.pi / 2])
    # The person's up is the image's right: turned upright, the right column is the top row.
    expected = np.rot90(image)
    np.testing.assert_array_equal(crop(image, roi, 32, border=cv2.BORDER_CONSTANT), expected)


def test_centre_of_the_crop_is_the_centre_of_the_roi():
    rng = np.random.default_rng(2)
    for roi in rng.uniform([-50, -50, 20, -4], [700, 500, 900, 4], (20, 4)):
        middle = crop_to_image(roi, 256) @ [127.5, 127.5, 1]
        np.testing.assert_allclose(middle, roi[:2], atol=1e-9)
        corners = crop_to_image(roi, 256) @ np.array([[-0.5, 255.5], [-0.5, -0.5], [1, 1]])
        assert np.linalg.norm(corners[:, 1] - corners[:, 0]) == pytest.approx(roi[2])


@pytest.mark.parametrize(
    ('up', 'angle'),
    [((0, -10), 0), ((10, 0), np.pi / 2), ((-10, 0), -np.pi / 2), ((0, 10), np.pi)],
)
def test_roi_angle_is_clockwise_from_up(up, angle):
    roi = rois_from_axes(np.array([[5.0, 6.0]]), np.array([[5.0, 6.0]]) + up, factor=1.25)[0]
    np.testing.assert_allclose(roi, [5, 6, 25, angle], atol=1e-6)


def test_degenerate_axis_gives_a_readable_roi():
    roi = rois_from_axes(np.zeros((1, 2)), np.zeros((1, 2)), factor=1.25)
    assert check_rois(roi)[0, 2] == 1


@pytest.mark.parametrize(
    'rois', [[[0, 0, 0, 0]], [[0, 0, -1, 0]], [[np.nan, 0, 1, 0]], [[0, 0, 1]], [0, 0, 1, 0]]
)
def test_bad_rois_are_refused(rois):
    with pytest.raises(ValueError, match='rois'):
        check_rois(np.array(rois, float))


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_bad_images_are_refused(image):
    with pytest.raises(ValueError, match='must be uint8'):
        check_image(image)
