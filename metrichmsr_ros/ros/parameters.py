"""The node's parameters, once: descriptors, the YAML file and the README's table come from here.

Free of ROS, so that ``python -m metrichmsr_ros.ros.parameters`` prints the table anywhere (with
``yaml`` as argument: the file ``config/metrichmsr.yaml``), and of torch, because launch files read
the choices here; ``parameter_server.py`` declares them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
import sys
import textwrap
from typing import Any

from metrichmsr_ros.perception.blazepose.assets import LANDMARK_NETWORKS
from metrichmsr_ros.perception.config import (
    DEPTH_SOURCES,
    ESTIMATORS,
    FILL_SOURCES,
    FILLS,
    PipelineConfig,
)

Value = bool | int | float | str


@dataclass(frozen=True)
class Rule:
    """What is known about one parameter besides its name, type and default.

    Attributes:
        text: Its meaning with the unit.
        bounds: Least and greatest value of a number.
        choices: All values that a string may have.
        live: Whether a new value counts at once; else it can only be set while the node is
            unconfigured.
        read_only: Whether it can only be given at start-up.
    """

    text: str
    bounds: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    live: bool = False
    read_only: bool = False

    @property
    def allowed(self) -> str:
        """The range or the choices in words, '' where anything goes."""
        if self.bounds is not None:
            return f'{self.bounds[0]:g} to {self.bounds[1]:g}'
        return ', '.join(self.choices)

    @property
    def when(self) -> str:
        """When a new value is accepted, in words."""
        if self.read_only:
            return 'at start-up'
        return 'always' if self.live else 'while unconfigured'

    def objection(self, name: str, value: Value) -> str:
        """Return why ``value`` breaks the rule, '' where it does not."""
        bad = bool(self.choices) and value not in self.choices
        if self.bounds is not None and not isinstance(value, str):
            bad = not self.bounds[0] <= value <= self.bounds[1]
        return f'{name} is {value!r}: it must be {self._demand}' if bad else ''

    @property
    def _demand(self) -> str:
        return f'one of {self.allowed}' if self.choices else f'within {self.allowed}'


def _parameter(default: Value, text: str, **rule: Any) -> Any:
    return field(default=default, metadata={'rule': Rule(text, **rule)})


@dataclass(frozen=True)
class Parameters:
    """Values of all parameters; each field's meaning and rule is in its metadata."""

    autostart: bool = _parameter(
        True,
        'Configure and activate without being told; else wait for lifecycle transitions.',
        read_only=True,
    )
    device: str = _parameter(
        'auto',
        'Where meshes are cast and depth networks run: auto (CUDA if there is one), cpu, cuda or '
        'cuda:<n>. BlazePose, the pose network and the depth refiner run on the CPU.',
    )
    estimator: str = _parameter(
        PipelineConfig.estimator,
        'What makes people metric: metrichmr (the network) or landmark_ik (closed form, '
        'everybody of average build).',
        choices=ESTIMATORS,
    )
    checkpoint: str = _parameter(
        '',
        'Folder of weights for metrichmr, of any size; empty = those that ship, trained for '
        'landmark_network.',
    )
    body_model: str = _parameter(
        '', 'SMPL file (.pkl or .npz) to use instead of the default body; empty = default body.'
    )
    landmark_network: str = _parameter(
        PipelineConfig.landmark_network,
        "Which BlazePose network reads people's landmarks: full, or heavy (more accurate, three "
        'to four times slower).',
        choices=LANDMARK_NETWORKS,
    )
    image_transport: str = _parameter(
        'raw',
        'What the image topic carries; compressed subscribes to <image>/compressed.',
        choices=('raw', 'compressed'),
    )
    image_rectified: bool = _parameter(
        False, 'The image is rectified: use P of its CameraInfo, else K and D.', live=True
    )
    fov: float = _parameter(
        0.0,
        'Horizontal field of view of a camera without calibration, rad; 0 = no such camera.',
        bounds=(0.0, 3.0),
        live=True,
    )
    input_qos: str = _parameter(
        'auto',
        'Reliability of the image, depth and camera_info subscriptions; auto = as the publisher.',
        choices=('auto', 'best_effort', 'reliable'),
    )
    depth_source: str = _parameter(
        'none',
        'Where depth comes from: none, topic (an RGB-D camera), ground (a floor at camera_height '
        'under camera_tilt), or a network, which works beside the people at its own rate: '
        'mapanything or huggingface (any depth model of transformers).',
        choices=DEPTH_SOURCES,
    )
    depth_model: str = _parameter(
        '',
        "Folder of a depth network's files, or hub:owner/name to have it from the Hugging Face "
        'hub; empty = hub:depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf or '
        'hub:facebook/map-anything-apache.',
    )
    depth_max_age: float = _parameter(
        PipelineConfig.depth_max_age,
        "Greatest time between an image and a network's depth that is published with it, s.",
        bounds=(0.1, 600.0),
    )
    depth_slop: float = _parameter(
        0.05,
        'Greatest time between an image and its depth, s; about half of the time between two '
        'images, or depths, where that is less: the nearest is taken.',
        bounds=(0.001, 1.0),
    )
    camera_height: float = _parameter(
        1.0,
        'Height of the camera above the floor, m (depth_source ground, people_on_floor).',
        bounds=(0.05, 50.0),
    )
    camera_tilt: float = _parameter(
        0.0,
        'How far the optical axis points below the horizon, rad (depth_source ground, '
        'people_on_floor).',
        bounds=(-1.5, 1.5),
    )
    people_on_floor: bool = _parameter(
        PipelineConfig.people_on_floor,
        'Whether feet on the floor correct how far and how tall people are: only for a flat '
        'floor, and a camera_height and camera_tilt that were measured, to some 3 % and 0.02 rad.',
    )
    depth_refiner: str = _parameter(
        '',
        'What corrects depth by the people: folder of weights; empty = the network that ships; '
        'affine = one factor and one shift, without a network.',
    )
    depth_memory: float = _parameter(
        PipelineConfig.depth_memory,
        'Time for which depth keeps the scale of people after the last of them has left, s; then '
        'depth_state is DEPTH_UNANCHORED.',
        bounds=(0.0, 600.0),
    )
    fill: str = _parameter(
        PipelineConfig.fill,
        'What depth is where an RGB-D camera knows none (depth_source topic): none = unknown, or '
        'prior = fill_source, fitted to what the camera does know and to the people.',
        choices=FILLS,
    )
    fill_source: str = _parameter(
        PipelineConfig.fill_source, 'Where fill takes its prior from.', choices=FILL_SOURCES
    )
    depth_encoding: str = _parameter(
        '32FC1',
        'Depth images: 32FC1 (m, NaN = unknown) or 16UC1 (mm, 0 = unknown, 65535 = 65.535 m or '
        'more).',
        choices=('32FC1', '16UC1'),
        live=True,
    )
    points_people: str = _parameter(
        'include',
        'People in ~/points: include, or cut (NaN where their meshes are and close beside them).',
        choices=('include', 'cut'),
        live=True,
    )
    max_people: int = _parameter(8, 'Most people followed at once.', bounds=(1, 32))
    min_score: float = _parameter(
        0.5,
        'Probability below which the crop of a known person holds nobody; who is new needs 0.8 at '
        'least.',
        bounds=(0.05, 0.95),
    )
    detector_budget_ms: float = _parameter(
        10.0, 'Time for looking for new people in each image, ms.', bounds=(1.0, 1000.0)
    )
    temporal_filter: bool = _parameter(
        PipelineConfig.temporal_filter,
        'Filter each person over time: one build, pose and place without jitter, no frame of '
        'delay; else publish what each image shows by itself.',
    )
    threads: int = _parameter(1, 'CPU threads of one network call.', bounds=(1, 64))
    publish_tf: bool = _parameter(
        True,
        'Send the transforms camera -> pelvis_<id> on /tf, of everybody but who is NEW.',
        live=True,
    )
    marker_lifetime: float = _parameter(
        0.5,
        'Time after which a viewer forgets a mesh that is not renewed, s; 0 = never.',
        bounds=(0.0, 60.0),
        live=True,
    )


RULES: dict[str, Rule] = {item.name: item.metadata['rule'] for item in fields(Parameters)}
DEFAULTS: dict[str, Value] = asdict(Parameters())


def pipeline_config(parameters: Parameters) -> PipelineConfig:
    """Return the settings of the pipeline that ``parameters`` ask for."""
    same = {
        item.name: getattr(parameters, item.name)
        for item in fields(PipelineConfig)
        if item.name in RULES and item.name != 'body_model'
    }
    body_model = Path(parameters.body_model).expanduser() if parameters.body_model else None
    return PipelineConfig(body_model=body_model, **same)


def yaml_text() -> str:
    """Return the parameter file with all defaults and their meanings."""
    lines = [
        '# All parameters of the node with their defaults.',
        '# Made by: python -m metrichmsr_ros.ros.parameters yaml',
        '/**:',
        '  ros__parameters:',
    ]
    for name, rule in RULES.items():
        allowed = f' Allowed: {rule.allowed}.' if rule.allowed else ''
        lines += textwrap.wrap(f'{rule.text}{allowed}', 95, initial_indent='    # ',
                               subsequent_indent='    # ')  # fmt: skip
        lines.append(f'    {name}: {_yaml_value(DEFAULTS[name])}')
    return '\n'.join(lines) + '\n'


def markdown_table() -> str:
    """Return the README's table of parameters."""
    rows = [
        '| parameter | type | default | allowed | can be set | meaning |',
        '|---|---|---|---|---|---|',
    ]
    for name, rule in RULES.items():
        default = DEFAULTS[name]
        cells = (f'`{name}`', type(default).__name__, f'`{_yaml_value(default)}`', rule.allowed,
                 rule.when, rule.text)  # fmt: skip
        rows.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(rows) + '\n'


def _yaml_value(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


if __name__ == '__main__':
    sys.stdout.write(yaml_text() if sys.argv[1:] == ['yaml'] else markdown_table())
