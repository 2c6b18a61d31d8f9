import pytest

from metrichmsr_ros.geometry.camera import Camera, CameraError
from metrichmsr_ros.geometry.registered import registered_camera

COLOUR = Camera.from_fov(1280, 720, 1.2)


@pytest.mark.parametrize('size', [(640, 360), (424, 240)])  # the second up to whole pixels
def test_the_same_aspect_is_a_scaling(size):
    assert registered_camera(COLOUR, *size) == COLOUR.resized(*size)


def test_the_same_size_is_the_same_camera():
    assert registered_camera(COLOUR, 1280, 720) is COLOUR


def test_another_aspect_is_refused():
    with pytest.raises(CameraError, match='depth is 640x480, the image 1280x720: without a Cam'):
        registered_camera(COLOUR, 640, 480)
