"""Camera presets: which topics a driver publishes and which parameters suit it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from metrichmsr_ros.data.rosbag import BagSource
from metrichmsr_ros.data.sources import open_source, SYNTHETIC

TOPICS = ('image', 'camera_info', 'depth', 'depth_camera_info')


@dataclass(frozen=True)
class CameraPreset:
    """What ``config/cameras/<name>.yaml`` says.

    Attributes:
        topics: Topic of each of ``TOPICS``, the node's inputs.
        frame: Optical frame of the camera, where RViz puts its view.
        parameters: Node parameters that suit this camera.
    """

    topics: dict[str, str]
    frame: str
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def remappings(self) -> list[tuple[str, str]]:
        """Topic remappings of the node, (from, to)."""
        return list(self.topics.items())


def preset_names(folder: Path) -> list[str]:
    """Return the names of the presets in ``folder``, sorted."""
    return sorted(path.stem for path in folder.glob('*.yaml'))


def load_preset(name: str, folder: Path) -> CameraPreset:
    """Read a preset by its name in ``folder``, or by the path of a YAML file.

    Raises:
        ValueError: There is no such preset, or the file breaks the rules; the message names both.
    """
    path = Path(name) if name.endswith(('.yaml', '.yml')) else folder / f'{name}.yaml'
    if not path.is_file():
        known = ', '.join(preset_names(folder))
        raise ValueError(f'camera preset {name!r} is not one of {known} and not a YAML file')
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f'camera preset {path} is not YAML: {error}') from error
    if not isinstance(values, dict) or set(values) != {'topics', 'frame', 'parameters'}:
        raise ValueError(f'camera preset {path} must have the keys topics, frame, parameters')
    if not isinstance(values['topics'], dict) or set(values['topics']) != set(TOPICS):
        raise ValueError(f'camera preset {path}: topics must be exactly {", ".join(TOPICS)}')
    return CameraPreset(**values)


def preset_of_source(
    source: str, folder: Path, *, fov: float = 0.0, camera_info: str = ''
) -> CameraPreset:
    """Return the preset that fits what our own camera node will play.

    Args:
        source: As for ``data.sources.open_source``; opened to see whether it has depth.
        folder: Where the presets are.
        fov: Horizontal field of view, radians; 0 = as the source says.
        camera_info: camera_calibration YAML; empty = as the source says.

    Raises:
        SourceError: The source is missing or cannot be read.
    """
    if source == SYNTHETIC:  # not opened: that would render it
        return load_preset(SYNTHETIC, folder)
    preset = load_preset('bag', folder)
    opened = open_source(source, fov=fov or None, camera_info=camera_info or None)
    # Not whether the first image has depth: depth sensors often start later.
    has_depth = isinstance(opened, BagSource) and bool(opened.topics.depth)
    return preset if has_depth else replace(preset, parameters={'depth_source': 'none'})


def parameter_arguments(parameters: dict[str, Any]) -> list[str]:
    """Return the words that give a node these parameters after ``--ros-args``."""
    words = []
    for name, value in parameters.items():
        words += ['-p', f'{name}:={_yaml(value)}']
    return words


def _yaml(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower() if isinstance(value, bool) else repr(value)
