"""Which CameraInfo belongs to an image."""

import pytest
from sensor_msgs.msg import CameraInfo

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.ros.cameras import CameraKeeper, NoCameraInfoError
from metrichmsr_ros.ros.messages import camera_info, to_header

pytestmark = pytest.mark.ros


def info(fov: float, stamp: int) -> CameraInfo:
    return camera_info(Camera.from_fov(64, 48, fov), header=to_header(stamp, 'optical'))


def focal_length(keeper: CameraKeeper, stamp: int) -> float:
    camera = keeper.camera(
        width=64, height=48, stamp=stamp, frame_id='optical', rectified=False, fov=0.0
    )
    return camera.K[0, 0]


def test_the_camera_info_of_the_images_own_stamp_counts() -> None:
    keeper = CameraKeeper()
    keeper.update(info(1.0, 10))
    keeper.update(info(2.0, 20))
    assert focal_length(keeper, 10) == pytest.approx(Camera.from_fov(64, 48, 1.0).K[0, 0])


def test_without_one_the_newest_counts() -> None:
    keeper = CameraKeeper()
    keeper.update(info(1.0, 10))
    keeper.update(info(2.0, 20))
    assert focal_length(keeper, 15) == pytest.approx(Camera.from_fov(64, 48, 2.0).K[0, 0])


def test_of_two_with_the_images_stamp_the_later_counts() -> None:
    keeper = CameraKeeper()
    keeper.update(info(1.0, 10))
    keeper.update(info(2.0, 10))
    assert focal_length(keeper, 10) == pytest.approx(Camera.from_fov(64, 48, 2.0).K[0, 0])


def test_none_at_all() -> None:
    with pytest.raises(NoCameraInfoError, match='no CameraInfo has come'):
        focal_length(CameraKeeper(), 10)
