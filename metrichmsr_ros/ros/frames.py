"""Input messages to one ``Frame``: pixels, camera and depth that belong together."""

from __future__ import annotations

from sensor_msgs.msg import CompressedImage, Image

from metrichmsr_ros.data.image_messages import decode_compressed, decode_depth, ImageError
from metrichmsr_ros.geometry.camera import Camera, CameraError
from metrichmsr_ros.geometry.registered import registered_camera
from metrichmsr_ros.ros.cameras import CameraKeeper
from metrichmsr_ros.ros.images import decode_rgb
from metrichmsr_ros.ros.messages import is_stamp
from metrichmsr_ros.ros.parameters import Parameters
from metrichmsr_ros.stamps import NS_PER_S, to_nanoseconds
from metrichmsr_ros.structures import DepthImage, Frame


def read_image(
    message: Image | CompressedImage, cameras: CameraKeeper, parameters: Parameters
) -> Frame:
    """Return the frame of an image message, without depth.

    Args:
        message: The image; its data are shared, not copied, where the encoding allows.
        cameras: CameraInfo of the image.
        parameters: ``image_rectified`` and ``fov`` are read.

    Raises:
        ImageError: The message cannot be decoded, or has no time.
        CameraError: There is no camera for it, or a contradictory one.
    """
    stamp = to_nanoseconds(message.header.stamp)
    if not is_stamp(stamp):
        raise ImageError(
            f'the stamp of the image is {stamp / NS_PER_S:.3f} s: it must be 0 to 2^31 s'
        )
    compressed = isinstance(message, CompressedImage)
    image = decode_compressed(message) if compressed else decode_rgb(message)
    height, width = image.shape[:2]
    camera = cameras.camera(
        width=width,
        height=height,
        stamp=to_nanoseconds(message.header.stamp),
        frame_id=message.header.frame_id,
        rectified=parameters.image_rectified,
        fov=parameters.fov,
    )
    return Frame(image=image, camera=camera, stamp=stamp)


def read_depth(
    message: Image, cameras: CameraKeeper, image_camera: Camera, *, frame_id: str, rectified: bool
) -> DepthImage:
    """Return the depth of an RGB-D camera with its own camera.

    Without a CameraInfo of its own, or with one without intrinsics, the depth is taken to be
    registered to the image pixel for pixel, up to a uniform scaling.

    Args:
        message: The depth image.
        cameras: CameraInfo of the depth.
        image_camera: Camera of the colour image.
        frame_id: Frame of the colour image, which the depth must share.
        rectified: Whether the images are rectified.

    Raises:
        ImageError: The message cannot be decoded.
        CameraError: The depth is of another frame or aspect, or its CameraInfo is contradictory.
    """
    if message.header.frame_id.lstrip('/') != frame_id.lstrip('/'):
        raise CameraError(
            f'depth is of frame {message.header.frame_id!r}, the image of {frame_id!r}: depth '
            'must be registered to the image'
        )
    depth_z = decode_depth(message)
    height, width = depth_z.shape
    camera = None
    if cameras.seen:
        camera = cameras.camera(
            width=width,
            height=height,
            stamp=to_nanoseconds(message.header.stamp),
            frame_id=frame_id,
            rectified=rectified,
            fov=0.0,
        )
    if camera is None or not camera.calibrated:
        camera = registered_camera(image_camera, width, height)
    stamp = to_nanoseconds(message.header.stamp)
    return DepthImage(depth_z, camera, source='topic', measured=True, stamp=stamp)
