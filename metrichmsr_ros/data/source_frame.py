"""What a camera source yields, and what every source has; no ROS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.stamps import NS_PER_S
from metrichmsr_ros.structures import DepthImage, Frame, People

# Of a source that does not name its own.
FRAME_ID = 'camera_optical_frame'


class SourceError(ValueError):
    """A source cannot be opened or read; the message is one sentence for the user."""


@dataclass(frozen=True)
class SourceFrame:
    """One picture of a source.

    Attributes:
        image: (H, W, 3) uint8, RGB, as the sensor saw it.
        camera: Camera of ``image``; ``camera.calibrated`` is False where nothing is known of it.
        stamp: The source's own time, integer nanoseconds, increasing.
        frame_id: Camera optical frame.
        depth: Measured depth paired with the image, or None.
        depth_stamp: Time of ``depth``, integer nanoseconds, or None without depth.
        truth: True people, or None where the source has no truth.
        truth_depth_z: True depth on the image's pixels, (H, W) float32, metres, or None.
    """

    image: np.ndarray
    camera: Camera
    stamp: int
    frame_id: str
    depth: DepthImage | None = None
    depth_stamp: int | None = None
    truth: People | None = None
    truth_depth_z: np.ndarray | None = None

    def as_frame(self) -> Frame:
        """Return what the pipeline takes."""
        depth = self.depth
        if depth is not None and self.depth_stamp is not None:
            depth = replace(depth, stamp=self.depth_stamp)  # how far people have moved since
        return Frame(self.image, self.camera, self.stamp, depth)


class Source(Protocol):
    """A camera: iterate over it, each iteration from the start, by its stamps to play it live.

    Attributes:
        name: What it is, for people.
        rate: Frames per second of the stamps, on average.
        frame_id: Camera optical frame of its pictures.
        loop: Whether iteration goes round without end; stamps keep growing.
    """

    name: str
    rate: float
    frame_id: str
    loop: bool

    def __iter__(self) -> Iterator[SourceFrame]: ...


@dataclass(frozen=True)
class Intrinsics:
    """How the user describes a camera that does not describe itself.

    Attributes:
        fov: Horizontal field of view, radians, or None.
        camera_info: camera_calibration YAML file, or None; excludes ``fov``.
    """

    fov: float | None = None
    camera_info: Path | None = None

    def __post_init__(self) -> None:
        if self.fov is not None and self.camera_info is not None:
            raise SourceError('give the field of view or the camera_info file, not both')
        if self.fov is not None and not 0.0 < self.fov < np.pi:
            raise SourceError(f'fov={self.fov} rad is not between 0 and π')

    def camera(self, width: int, height: int) -> Camera:
        """Return the camera of images of ``width`` x ``height`` pixels.

        Raises:
            SourceError: The YAML file is missing, is no calibration or is of another aspect.
        """
        if self.fov is not None:
            return Camera.from_fov(width, height, self.fov)
        if self.camera_info is None:
            return Camera.uncalibrated(width, height)
        try:
            return Camera.from_calibration_yaml(self.camera_info, width=width, height=height)
        except OSError as error:
            raise SourceError(f'{self.camera_info}: {error.strerror}') from None
        except ValueError as error:
            raise SourceError(f'{self.camera_info}: {error}') from None


def repeat(
    one_pass: Callable[[], Iterator[SourceFrame]], *, loop: bool, rate: float
) -> Iterator[SourceFrame]:
    """Yield the frames of ``one_pass``, again and again if ``loop``, with stamps that go on.

    Args:
        one_pass: Starts the source from its beginning.
        loop: Go on after the last frame with the first.
        rate: Frames per second, for the time between the last frame and the first.
    """
    offset = 0
    while True:
        first = last = None
        for frame in one_pass():
            first = frame.stamp if first is None else first
            last = frame.stamp
            yield frame if offset == 0 else _later(frame, offset)
        if not loop or first is None or last is None:
            return
        offset += last - first + round(NS_PER_S / rate)


def _later(frame: SourceFrame, offset: int) -> SourceFrame:
    depth_stamp = None if frame.depth_stamp is None else frame.depth_stamp + offset
    return replace(frame, stamp=frame.stamp + offset, depth_stamp=depth_stamp)
