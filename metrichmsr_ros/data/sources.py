"""Every camera source by one string: what ``make demo SOURCE=`` takes. No ROS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import os
from pathlib import Path
import stat

from metrichmsr_ros.data.bag_topics import BagTopics
from metrichmsr_ros.data.image_sources import (
    IMAGE_SUFFIXES,
    photographs,
    PhotoSource,
    VideoSource,
    WebcamSource,
)
from metrichmsr_ros.data.rosbag import BAG_SUFFIXES, BagSource
from metrichmsr_ros.data.source_frame import Intrinsics, Source, SourceError, SourceFrame

__all__ = ['BagTopics', 'Source', 'SourceError', 'SourceFrame', 'open_source']

SYNTHETIC = 'synthetic'


def open_source(
    spec: str | os.PathLike[str],
    *,
    fov: float | None = None,
    camera_info: str | os.PathLike[str] | None = None,
    rate: float | None = None,
    loop: bool | None = None,
    people: int | None = None,
    depth_slop: float | None = None,
    topics: BagTopics | None = None,
    progress: Callable[[float], None] | None = None,
) -> Source:
    """Open a camera source.

    Args:
        spec: ``synthetic``, a video file, a photograph, a folder of photographs, a device like
            ``/dev/video0``, or a bag: a rosbag2 folder, ``.mcap``, ``.db3`` or ROS 1 ``.bag``.
        fov: Horizontal field of view, radians, where the source has no intrinsics.
        camera_info: camera_calibration YAML, where the source has no intrinsics.
        rate: Frames per second; default the source's own. Files are played faster or slower, their
            stamps with them; a webcam is asked for it.
        loop: Go round without end; default: synthetic, photographs and single-image bags do.
        people: Number of people of the synthetic world.
        depth_slop: Largest time between an image and its depth in a bag, seconds.
        topics: Topics of a bag, where the choice by type and encoding is not the wanted one.
        progress: Called with the share that is rendered, 0..1, where a synthetic world is not yet
            in the cache.

    Returns:
        The source; iterating over it yields ``SourceFrame``.

    Raises:
        SourceError: It is missing, empty or cannot be read.
    """
    if rate is not None and not 0.0 < rate <= 1000.0:
        raise SourceError(f'rate={rate} is not between 0 and 1000 frames per second')
    intrinsics = Intrinsics(fov, None if camera_info is None else Path(camera_info))
    spec = os.fspath(spec)
    if spec == SYNTHETIC:
        return _synthetic(people, rate, loop is not False, progress)
    path = Path(spec).expanduser()
    if not path.exists():
        raise SourceError(f'{spec} does not exist')
    if _is_bag(path):
        return BagSource(
            path, intrinsics, rate=rate, loop=loop, depth_slop=depth_slop, topics=topics
        )
    if stat.S_ISCHR(path.stat().st_mode):
        return WebcamSource(spec, intrinsics, rate=rate)
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        return PhotoSource(path, intrinsics, rate=rate, loop=loop is not False)
    return VideoSource(path, intrinsics, rate=rate, loop=bool(loop))


def _is_bag(path: Path) -> bool:
    if not path.is_dir():
        return path.suffix in BAG_SUFFIXES
    return (path / 'metadata.yaml').is_file() and not photographs(path)


def _synthetic(
    people: int | None, rate: float | None, loop: bool, progress: Callable[[float], None] | None
) -> Source:
    # Imported here: Warp and the body are not needed to play a file.
    from metrichmsr_ros.data.synthetic.source import SyntheticSource
    from metrichmsr_ros.data.synthetic.world import WorldConfig

    config = WorldConfig()
    try:
        config = replace(
            config,
            people=config.people if people is None else people,
            rate=config.rate if rate is None else rate,
        )
    except ValueError as error:
        raise SourceError(str(error)) from None
    return SyntheticSource(config, loop=loop, progress=progress)
