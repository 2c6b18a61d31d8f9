"""Which topics of a bag are the camera: by type, encoding, name and frame. No ROS."""

from __future__ import annotations

from dataclasses import dataclass
import logging
from typing import Any

from metrichmsr_ros.data.image_messages import is_colour, is_depth
from metrichmsr_ros.data.source_frame import SourceError

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BagTopics:
    """Topics to read; empty = chosen by type and encoding, or there is none.

    Attributes:
        image: Image or CompressedImage.
        camera_info: CameraInfo of ``image``.
        depth: Image (16UC1, 32FC1) or compressedDepth, seen from the frame of ``image``.
        depth_camera_info: CameraInfo of ``depth``.
    """

    image: str = ''
    camera_info: str = ''
    depth: str = ''
    depth_camera_info: str = ''


def choose_topics(heads: dict[str, Any], wanted: BagTopics, bag: str) -> BagTopics:
    """Choose a bag's camera.

    Args:
        heads: First message of every topic.
        wanted: The user's choice.
        bag: The bag's name, for errors.

    Returns:
        Topics that exist; raw colour before compressed, with CameraInfo beside it before without.

    Raises:
        SourceError: No colour image, or a wanted topic is not there.
    """
    for topic in (wanted.image, wanted.camera_info, wanted.depth, wanted.depth_camera_info):
        if topic and topic not in heads:
            raise SourceError(f'{bag} has no topic {topic}; it has {", ".join(sorted(heads))}')
    infos = [t for t, m in heads.items() if hasattr(m, 'distortion_model')]
    images = [t for t in heads if t not in infos]
    colour = [t for t in images if is_colour(heads[t])]
    if not wanted.image and not colour:
        raise SourceError(
            f'{bag} has no colour image; it has {", ".join(sorted(heads)) or "nothing"}'
        )

    def rank(topic: str) -> tuple[bool, bool, bool, str]:
        message = heads[topic]
        encoding = getattr(message, 'encoding', None)
        return encoding == 'mono8', not _beside(topic, infos), encoding is None, topic

    image = wanted.image or min(colour, key=rank)
    info = wanted.camera_info or _info_of(image, infos, heads)
    depth = wanted.depth or _depth_of(image, [t for t in images if is_depth(heads[t])], heads)
    depth_info = wanted.depth_camera_info or _info_of_depth(depth, infos, heads)
    return BagTopics(image, info, depth, depth_info)


def _beside(image: str, infos: list[str], levels: tuple[int, ...] = (1, 2)) -> str:
    """Return the CameraInfo topic that image_transport pairs with ``image``."""
    parts = image.split('/')
    for level in levels:  # …/image_raw and …/image_raw/compressed
        topic = '/'.join([*parts[:-level], 'camera_info'])
        if topic in infos:
            return topic
    return ''


def _info_of(image: str, infos: list[str], heads: dict[str, Any]) -> str:
    """Return the CameraInfo of ``image``: beside it, else of its frame."""
    frame_id = heads[image].header.frame_id
    same_frame = (t for t in infos if heads[t].header.frame_id == frame_id)
    return _beside(image, infos) or next(same_frame, '')


def _info_of_depth(depth: str, infos: list[str], heads: dict[str, Any]) -> str:
    """Return the CameraInfo beside ``depth``, or ''.

    Only in the frame of the depth: where depth is registered to the colour image, that of the
    depth sensor itself may lie beside it. And no namespace further up, where the colour's may be.
    """
    if not depth:
        return ''
    info = _beside(depth, infos, (1,) if hasattr(heads[depth], 'encoding') else (2,))
    frames = [heads[topic].header.frame_id.lstrip('/') for topic in (info, depth) if topic]
    return info if len(set(frames)) == 1 else ''


def _depth_of(image: str, depths: list[str], heads: dict[str, Any]) -> str:
    """Return a depth topic in the frame of ``image``, or ''; raw before compressed."""
    frame_id = heads[image].header.frame_id
    aligned = [t for t in depths if heads[t].header.frame_id == frame_id]
    if depths and not aligned:
        _logger.warning('no depth topic of %s is in the frame %s of the image', depths, frame_id)
    return min(aligned, key=lambda t: (not hasattr(heads[t], 'encoding'), t), default='')
