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
    """

    image: str = ''
    camera_info: str = ''
    depth: str = ''


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
    for topic in (wanted.image, wanted.camera_info, wanted.depth):
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
    return BagTopics(image, info, depth)


def _beside(image: str, infos: list[str]) -> str:
    """Return the CameraInfo topic that image_transport pairs with ``image``."""
    parts = image.split('/')
    for depth in (1, 2):  # …/image_raw and …/image_raw/compressed
        topic = '/'.join([*parts[:-depth], 'camera_info'])
        if topic in infos:
            return topic
    return ''


def _info_of(image: str, infos: list[str], heads: dict[str, Any]) -> str:
    """Return the CameraInfo of ``image``: beside it, else of its frame."""
    frame_id = heads[image].header.frame_id
    same_frame = (t for t in infos if heads[t].header.frame_id == frame_id)
    return _beside(image, infos) or next(same_frame, '')


def _depth_of(image: str, depths: list[str], heads: dict[str, Any]) -> str:
    """Return a depth topic in the frame of ``image``, or ''; raw before compressed."""
    frame_id = heads[image].header.frame_id
    aligned = [t for t in depths if heads[t].header.frame_id == frame_id]
    if depths and not aligned:
        _logger.warning('no depth topic of %s is in the frame %s of the image', depths, frame_id)
    return min(aligned, key=lambda t: (not hasattr(heads[t], 'encoding'), t), default='')
