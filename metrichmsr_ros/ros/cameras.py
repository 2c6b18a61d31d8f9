"""Which camera took this image: its CameraInfo or the newest, checked against the image."""

from __future__ import annotations

from typing import Any

from metrichmsr_ros.geometry.camera import Camera, CameraError
from metrichmsr_ros.stamps import to_nanoseconds

_KEPT = 30  # of the CameraInfos: a slow node takes images that are some frames old


class NoCameraInfoError(CameraError):
    """No CameraInfo has come and no field of view is given."""


class CameraKeeper:
    """Keeps the newest CameraInfos of one image topic.

    The one with the image's stamp counts, so that a change of the camera while the image waits
    does no harm. Without one the newest counts: intrinsics hold until others come, and a
    CameraInfo that is lost or late costs no image.
    """

    def __init__(self) -> None:
        self._infos: tuple[Any, ...] = ()  # newest first; replaced whole, as threads share it
        self._key: tuple[Any, ...] | None = None
        self._camera: Camera | None = None

    @property
    def seen(self) -> bool:
        """Whether a CameraInfo has come."""
        return bool(self._infos)

    def update(self, info: Any) -> None:
        """Take the newest ``sensor_msgs/CameraInfo``."""
        self._infos = (info, *self._infos[: _KEPT - 1])

    def camera(
        self,
        *,
        width: int,
        height: int,
        stamp: int,
        frame_id: str,
        rectified: bool,
        fov: float,
    ) -> Camera:
        """Return the camera of an image that has just come.

        Args:
            width: Width of the image, pixels.
            height: Height of the image, pixels.
            stamp: Stamp of the image, nanoseconds.
            frame_id: Frame of the image.
            rectified: Whether the image is rectified.
            fov: Horizontal field of view of an uncalibrated camera, radians; 0 = not known.

        Returns:
            The same object as long as nothing changes.

        Raises:
            NoCameraInfoError: There is neither a CameraInfo nor a field of view.
            CameraError: The CameraInfo is of another frame, or contradicts the image or itself.
        """
        info = self._info_at(stamp)
        if info is None and fov == 0:
            raise NoCameraInfoError('no CameraInfo has come and the parameter fov is not set')
        if info is not None and info.header.frame_id.lstrip('/') != frame_id.lstrip('/'):
            raise CameraError(
                f'CameraInfo is of frame {info.header.frame_id!r}, the image of {frame_id!r}: '
                'they must be of the same camera'
            )
        key = (width, height, rectified, fov, info and _contents(info))
        if key != self._key or self._camera is None:
            self._camera = _make_camera(info, width, height, rectified, fov)
            self._key = key
        return self._camera

    def _info_at(self, stamp: int) -> Any:
        infos = self._infos
        same = (info for info in infos if to_nanoseconds(info.header.stamp) == stamp)
        return next(same, infos[0] if infos else None)


def _make_camera(info: Any, width: int, height: int, rectified: bool, fov: float) -> Camera:
    uncalibrated = info is None or info.k[0] == 0
    if uncalibrated and fov > 0:
        return Camera.from_fov(width, height, fov)
    return Camera.from_camera_info(info, width=width, height=height, rectified=rectified)


def _contents(info: Any) -> tuple[Any, ...]:
    """Everything of a CameraInfo but its stamp."""
    roi = info.roi
    return (
        info.width, info.height, info.distortion_model, tuple(info.d), tuple(info.k),
        tuple(info.r), tuple(info.p), info.binning_x, info.binning_y, roi.x_offset, roi.y_offset,
        roi.height, roi.width, roi.do_rectify,
    )  # fmt: skip
