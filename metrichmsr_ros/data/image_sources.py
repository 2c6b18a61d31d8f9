"""Sources that OpenCV reads: a video file, a webcam, photographs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
import math
from pathlib import Path
import time

import cv2
import numpy as np

from metrichmsr_ros.data.source_frame import FRAME_ID, Intrinsics, repeat, SourceError, SourceFrame
from metrichmsr_ros.stamps import NS_PER_S

IMAGE_SUFFIXES = frozenset({'.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.ppm'})
PHOTO_RATE = 10.0
_PHOTO_SECONDS = 1.0
_FALLBACK_RATE = 30.0  # of a stream whose own rate is missing or absurd


class VideoSource:
    """A video file at its own rate, ``rate`` if given."""

    def __init__(
        self, path: Path, intrinsics: Intrinsics, *, rate: float | None = None, loop: bool = False
    ) -> None:
        self.name = path.name
        self.frame_id = FRAME_ID
        self.loop = loop
        self._path = path
        capture = self._open()
        own = capture.get(cv2.CAP_PROP_FPS)
        readable, first = capture.read()
        capture.release()
        if not readable:
            raise SourceError(f'{path} has no readable picture')
        self.rate = rate or _plausible(own)
        self._camera = intrinsics.camera(first.shape[1], first.shape[0])

    def __iter__(self) -> Iterator[SourceFrame]:
        return repeat(self._one_pass, loop=self.loop, rate=self.rate)

    def _one_pass(self) -> Iterator[SourceFrame]:
        capture = self._open()
        try:
            index = 0
            while (picture := capture.read())[0]:
                image = cv2.cvtColor(picture[1], cv2.COLOR_BGR2RGB)
                yield SourceFrame(
                    image, self._camera, round(index * NS_PER_S / self.rate), self.frame_id
                )
                index += 1
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path))
        if not capture.isOpened():
            raise SourceError(f'{self._path} is not a video that OpenCV can read')
        return capture


class WebcamSource:
    """A V4L2 device; stamps are the system's time at the read. Only one iteration at a time."""

    loop = False

    def __init__(self, device: str, intrinsics: Intrinsics, *, rate: float | None = None) -> None:
        self.name = device
        self.frame_id = FRAME_ID
        self._capture = cv2.VideoCapture(device)
        if not self._capture.isOpened():
            raise SourceError(f'{device} does not open as a camera; is it plugged in and free?')
        if rate:
            self._capture.set(cv2.CAP_PROP_FPS, rate)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self.rate = rate or _plausible(self._capture.get(cv2.CAP_PROP_FPS))
        readable, first = self._capture.read()
        if not readable:
            raise SourceError(f'{device} opens but gives no picture')
        self._camera = intrinsics.camera(first.shape[1], first.shape[0])

    def __iter__(self) -> Iterator[SourceFrame]:
        while (picture := self._capture.read())[0]:
            stamp = time.time_ns()
            image = cv2.cvtColor(picture[1], cv2.COLOR_BGR2RGB)
            yield SourceFrame(image, self._camera, stamp, self.frame_id)


class PhotoSource:
    """Photographs in the order of their names, each shown for a second.

    The camera of each is ``<stem>.yaml`` beside it where that exists, else the given intrinsics.
    """

    def __init__(
        self, path: Path, intrinsics: Intrinsics, *, rate: float | None = None, loop: bool = True
    ) -> None:
        self.name = path.name
        self.frame_id = FRAME_ID
        self.rate = rate or PHOTO_RATE
        self.loop = loop
        self._intrinsics = intrinsics
        self._paths = photographs(path) if path.is_dir() else [path]
        if not self._paths:
            raise SourceError(f'{path} holds no image ({", ".join(sorted(IMAGE_SUFFIXES))})')
        self._first = self._read(self._paths[0])

    def __iter__(self) -> Iterator[SourceFrame]:
        return repeat(self._one_pass, loop=self.loop, rate=self.rate)

    def _one_pass(self) -> Iterator[SourceFrame]:
        shown = max(1, round(self.rate * _PHOTO_SECONDS))
        for number, path in enumerate(self._paths):
            frame = self._first if number == 0 else self._read(path)
            for repetition in range(shown):
                index = number * shown + repetition
                yield replace(frame, stamp=round(index * NS_PER_S / self.rate))

    def _read(self, path: Path) -> SourceFrame:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise SourceError(f'{path} is not an image that OpenCV can read')
        own = path.with_suffix('.yaml')
        intrinsics = Intrinsics(camera_info=own) if own.is_file() else self._intrinsics
        camera = intrinsics.camera(image.shape[1], image.shape[0])
        rgb = np.ascontiguousarray(image[..., ::-1])
        return SourceFrame(rgb, camera, 0, self.frame_id)


def photographs(folder: Path) -> list[Path]:
    """Return the image files of ``folder`` in the order of their names."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)


def _plausible(rate: float) -> float:
    return rate if math.isfinite(rate) and 1.0 <= rate <= 1000.0 else _FALLBACK_RATE
