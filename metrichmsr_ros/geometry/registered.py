"""The camera of depth that is registered to an image and has no CameraInfo of its own. No ROS."""

from __future__ import annotations

from metrichmsr_ros.geometry.camera import Camera, CameraError

_ASPECT_TOLERANCE = 0.01


def registered_camera(camera: Camera, width: int, height: int) -> Camera:
    """Return the camera of depth that is registered to an image, up to a uniform scaling.

    Args:
        camera: Camera of the image.
        width: Width of the depth, pixels.
        height: Height of the depth, pixels.

    Raises:
        CameraError: The depth is of another aspect: what it sees is anybody's guess.
    """
    if (width, height) == (camera.width, camera.height):
        return camera
    stretch = (width / camera.width) / (height / camera.height)
    if abs(stretch - 1) > _ASPECT_TOLERANCE:
        raise CameraError(
            f'depth is {width}x{height}, the image {camera.width}x{camera.height}: without a '
            'CameraInfo of its own depth must have the aspect of the image'
        )
    return camera.resized(width, height)
