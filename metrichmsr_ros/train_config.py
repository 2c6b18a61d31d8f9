"""What a training run is made of, and how a command line changes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
import json
import math
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints, TypeVar

import torch
from torch import Tensor

from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.models.network_config import MetricHMRConfig, SIZES

_Config = TypeVar('_Config')

ADAMW, MUON = 'adamw', 'muon'


@dataclass(frozen=True)
class LossWeights:
    """Factors that bring the terms to a common size; a metre, a radian and a β are not alike.

    Attributes:
        joints3d: The main figure, MPJPE: at the end 0.06 m, so 10 makes it about half the loss.
        landmarks: The surface points that the evidence is about; half of the joints, which they
            mostly repeat, but they alone see twists and the direction of the face.
        reprojection: In crop angles, 0.02 at the end: 10 makes a body that does not fit its
            evidence as dear as one that is wrong in depth.
        landmark_rays: Teaches ViTPose's queries where landmarks are, as ``reprojection``; given
            landmarks cannot be taught, so there it is a constant.
        vertices: Sampled people have bones of their own, which β does not know: 0 for them. For
            photographs with labels 5 makes it as dear as the landmarks.
        rotations: 6D entries, 0.15 at the end: 2 leaves the joints in the lead, and still fixes
            the twists that joints cannot see.
        shape: 0.6 standard deviations at the end, most of which one view cannot tell: 0.1 only
            keeps β from drifting.
        height: 0.05 m at the end; with the depth it is the metric scale, so as dear as joints.
        log_depth: The relative error of the distance, 0.05 at the end: the paper's point.
        pelvis_likelihood: Teaches σ, never the place; what the encoders feel of it is small.
        confidence: Teaches the confidence, never the body, in the same way.
        balance: Eq. 4; the usual 0.01, enough to keep experts alive.
    """

    joints3d: float = 10.0
    landmarks: float = 5.0
    reprojection: float = 10.0
    landmark_rays: float = 10.0
    vertices: float = 0.0
    rotations: float = 2.0
    shape: float = 0.1
    height: float = 5.0
    log_depth: float = 10.0
    pelvis_likelihood: float = 0.1
    confidence: float = 0.1
    balance: float = 0.01

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Return Σ weight · term; every weight needs its term."""
        weighted = [getattr(self, item.name) * terms[item.name] for item in fields(self)]
        return torch.stack(weighted).sum()


@dataclass(frozen=True)
class RunConfig:
    """What every training run has. ``steps`` or ``minutes`` end it; the schedule fits either.

    Attributes:
        out: Folder of the run: config.json, log.csv, checkpoint.pt, and the model at the end.
        init: Checkpoint to begin with, a folder or the name of one that ships; empty = random
            weights of ``model``.
        seed: Of the weights and of every batch; the validation set has its own.
        steps: Optimizer steps; 0 = as ``minutes`` allow.
        minutes: Time to train, resumed time included; 0 = as ``steps`` say.
        batch_size: Samples per step.
        learning_rate: At the end of the warm-up.
        final_rate: Of the cosine's end, as a share of ``learning_rate``.
        warmup: Share of the run in which the rate rises.
        optimizer: 'adamw', or 'muon' for the matrices of linear layers and AdamW for the rest: as
            good after half of the steps, but it computes in bfloat16, for which a CPU without
            AVX512_BF16 or AMX needs seconds a step. Needs torch 2.9.
        weight_decay: On matrices only.
        clip_norm: Largest norm of the gradient; usual ones are 5 to 20.
        ema_decay: Of the averaged weights, which are validated and exported.
        threads: Threads of torch in this process; 0 = torch's own choice.
        device: 'cpu', 'cuda', or 'auto' = a GPU where there is one.
        checkpoint_minutes: Between two checkpoints.
        log_every: Steps between two lines of the log.
        validate_every: Steps between two validations; there is always one at the end.
        resume: Go on from ``out``'s checkpoint.
    """

    out: Path = Path('runs/blazepose')
    init: str = ''
    seed: int = 0
    steps: int = 0
    minutes: float = 20.0
    batch_size: int = 128
    learning_rate: float = 1e-3
    final_rate: float = 0.01
    warmup: float = 0.03
    optimizer: str = ADAMW
    weight_decay: float = 0.05
    clip_norm: float = 20.0
    ema_decay: float = 0.999
    threads: int = 0
    device: str = 'auto'
    checkpoint_minutes: float = 5.0
    log_every: int = 50
    validate_every: int = 1000
    resume: bool = False

    def __post_init__(self) -> None:
        if (self.steps > 0) == (self.minutes > 0):
            raise ValueError(
                f'one of steps and minutes must be positive and the other 0, got '
                f'steps={self.steps}, minutes={self.minutes}'
            )
        for name in ('batch_size', 'log_every', 'validate_every'):
            at_least_one(self, name)
        for name in ('learning_rate', 'clip_norm'):
            if not getattr(self, name) > 0:
                raise ValueError(f'{name} must be positive, got {getattr(self, name)}')
        for name in ('final_rate', 'warmup', 'ema_decay'):
            a_share(self, name)
        if self.optimizer not in (ADAMW, MUON):
            raise ValueError(f'optimizer must be {ADAMW!r} or {MUON!r}, got {self.optimizer!r}')
        if self.device not in ('auto', 'cpu', 'cuda'):
            raise ValueError(f"device must be 'auto', 'cpu' or 'cuda', got {self.device!r}")


@dataclass(frozen=True)
class TrainConfig(RunConfig):
    """One training run of the network that makes people metric.

    Attributes:
        workers: Processes that make batches ahead; 0 = in this one.
        validation_people: Size of the validation set; above 256 a multiple of it is used.
        model: Sizes of the network.
        data: The people it learns from.
        body_model: SMPL-format file of the body; empty = the body that ships.
        vitpose: Published weights to begin with, of a network with ViTPose: a folder in the
            layout of transformers, or ``hub:`` and a name there.
        labels: Labelled photographs to learn from instead of sampled people, each
            ``labels.npz:images`` (see ``data/labelled.py``); labels of SMPL need ``body_model``.
        rendered: Folders of ``metrichmsr render`` whose people are mixed in.
        rendered_share: Share of them in each batch.
        earlier_stages: Factor on the loss of the network's estimates before the last one: together
            half as dear as the last, so that each is good and the last is best.
        loss: Weights of the terms.
    """

    workers: int = 1
    validation_people: int = 2048
    model: MetricHMRConfig = field(default_factory=MetricHMRConfig)
    data: SampleConfig = field(default_factory=SampleConfig)
    body_model: str = ''
    vitpose: str = ''
    labels: tuple[str, ...] = ()
    rendered: tuple[str, ...] = ()
    rendered_share: float = 0.15
    earlier_stages: float = 0.5
    loss: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, 'validation_people')
        a_share(self, 'rendered_share')


def at_least_one(config: Any, name: str) -> None:
    """Raise a ``ValueError`` unless a field is."""
    if getattr(config, name) < 1:
        raise ValueError(f'{name} must be at least 1, got {getattr(config, name)}')


def a_share(config: Any, name: str) -> None:
    """Raise a ``ValueError`` unless a field is within [0, 1)."""
    if not 0 <= getattr(config, name) < 1:
        raise ValueError(f'{name} must be in [0, 1), got {getattr(config, name)}')


def read_settings(arguments: Sequence[str]) -> dict[str, str]:
    """Return key → text of ``--key=value`` arguments; ``steps`` alone takes ``minutes`` away.

    Raises:
        ValueError: An argument of another form, or a repeated key.
    """
    settings: dict[str, str] = {}
    for argument in arguments:
        key, equals, value = argument.partition('=')
        if not (key.startswith('--') and len(key) > 2 and equals):
            raise ValueError(f'expected --key=value, got {argument!r}')
        if key[2:] in settings:
            raise ValueError(f'{key} is given twice')
        settings[key[2:]] = value
    if 'steps' in settings:
        settings.setdefault('minutes', '0')
    return settings


def configure(settings: Mapping[str, str]) -> TrainConfig:
    """Return the run of a command line; ``size`` names the network, one of ``SIZES``."""
    return of_size(TrainConfig, SIZES, settings)


def of_size(
    kind: Callable[..., _Config], sizes: Mapping[str, Any], settings: Mapping[str, str]
) -> _Config:
    """Return the run of a command line.

    Args:
        kind: Of the run; its network is the field ``model``.
        sizes: Networks by name, the usual one first.
        settings: From ``read_settings``; ``size`` names the network that the keys of ``model``
            change.

    Raises:
        ValueError: As of ``override``, or an unknown size.
    """
    size = settings.get('size', next(iter(sizes)))
    if size not in sizes:
        raise ValueError(f'size must be one of {", ".join(sizes)}, got {size!r}')
    others = {key: text for key, text in settings.items() if key != 'size'}
    return override(kind(model=sizes[size]), others)


def override(config: _Config, values: Mapping[str, str]) -> _Config:
    """Return a configuration with values replaced.

    Args:
        config: A frozen dataclass; fields may be dataclasses themselves.
        values: Key → text; keys of nested fields have dots: ``loss.height``.

    Raises:
        ValueError: An unknown key, a value of the wrong type, or one that the configuration
            itself rejects.
    """
    return _replaced(config, values, prefix='')


def flat(config: Any, *, prefix: str = '') -> dict[str, Any]:
    """Return all keys that ``override`` knows, with their values."""
    values: dict[str, Any] = {}
    for item in fields(config):
        value, key = getattr(config, item.name), prefix + item.name
        values.update(flat(value, prefix=f'{key}.') if is_dataclass(value) else {key: value})
    return values


def save_config(path: Path, config: Any) -> None:
    """Write a dataclass as a JSON object, nested ones as objects in it."""
    path.write_text(json.dumps(asdict(config), indent=2, default=str) + '\n', encoding='utf-8')


def _replaced(config: Any, values: Mapping[str, str], *, prefix: str) -> Any:
    hints = get_type_hints(type(config))
    known = {item.name for item in fields(config)}
    changes: dict[str, Any] = {}
    nested: dict[str, dict[str, str]] = {}
    for key, text in values.items():
        name, dot, rest = key.partition('.')
        if name not in known or bool(dot) != is_dataclass(getattr(config, name)):
            raise ValueError(f'unknown key {prefix}{key}; known: {", ".join(flat(config))}')
        if dot:
            nested.setdefault(name, {})[rest] = text
        else:
            changes[name] = _parsed(text, hints[name], key=prefix + key)
    for name, inner in nested.items():
        changes[name] = _replaced(getattr(config, name), inner, prefix=f'{prefix}{name}.')
    return replace(config, **changes)


def _parsed(text: str, kind: Any, *, key: str) -> Any:
    """Return the text as ``kind``: true or false for a bool, values with commas for a tuple."""
    if get_origin(kind) is tuple:
        kinds, parts = get_args(kind), text.split(',') if text else []
        if kinds[-1] is Ellipsis:
            kinds = kinds[:1] * len(parts)
        if len(kinds) != len(parts):
            raise ValueError(f'{key} must be {len(kinds)} values with commas, got {text!r}')
        return tuple(_parsed(part, one, key=key) for part, one in zip(parts, kinds, strict=True))
    try:
        if kind is bool:
            return {'true': True, 'false': False}[text.lower()]
        value = kind(text)
        if kind is float and not math.isfinite(value):
            raise ValueError
    except (ValueError, KeyError):
        expected = 'true or false' if kind is bool else kind.__name__
        raise ValueError(f'{key} must be {expected}, got {text!r}') from None
    return value
