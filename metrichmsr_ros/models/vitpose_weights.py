"""Published weights of ViTPose, in the layout of ``transformers``: config.json and model weights.

ViTPose+ has several experts in the last layer of each block, one for each data set it was trained
on. With the first of them alone, people's joints in everyday images (COCO), a block is that of
plain ViTPose: the rows of the expert stand below those that all share.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
import re
from typing import Any

from safetensors import SafetensorError
import torch
from torch import nn, Tensor

HUB = 'hub:'
_SETTINGS = (
    'image_size', 'patch_size', 'hidden_size', 'num_hidden_layers', 'num_attention_heads',
    'mlp_ratio', 'hidden_act', 'layer_norm_eps', 'qkv_bias',
)  # fmt: skip
_FIRST_EXPERT = re.compile(r'(.*\.mlp)\.experts\.(?:experts\.)?0\.(weight|bias)')
_EXPERTS = '.mlp.experts.'


def load_vitpose(backbone: Any, source: str | PathLike[str]) -> None:
    """Load published weights into ViTPose without its head.

    Args:
        backbone: ``transformers.VitPoseBackbone``.
        source: Folder in the layout of ``transformers``, with or without the head that finds
            joints; or ``hub:owner/name``, which is fetched from the Hugging Face hub.

    Raises:
        ValueError: There is no ViTPose, or it is unreadable, incomplete or of another size.
    """
    try:
        published = _read(source, backbone.config)
        backbone.load_state_dict(_one_expert(published.state_dict()))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = ' '.join(str(error).split())
        raise ValueError(f'ViTPose at {str(source)!r}: {reason}') from error


def _read(source: str | PathLike[str], wanted: Any) -> nn.Module:
    """Return the published backbone, of the sizes of the config ``wanted``."""
    from transformers import AutoConfig, VitPoseBackbone, VitPoseForPoseEstimation

    from_hub = str(source).startswith(HUB)
    place = str(source).removeprefix(HUB)
    if not from_hub and not (Path(place) / 'config.json').is_file():
        raise ValueError(f'it must be a folder with config.json, or {HUB}owner/name')
    options: dict[str, Any] = {'local_files_only': not from_hub}
    config = AutoConfig.from_pretrained(place, **options)
    kinds: dict[str, Any] = {
        'vitpose': VitPoseForPoseEstimation,
        'vitpose_backbone': VitPoseBackbone,
    }
    if config.model_type not in kinds:
        raise ValueError(f'model_type is {config.model_type!r}: it must be {" or ".join(kinds)}')
    _check_settings(getattr(config, 'backbone_config', config), wanted)
    network, report = kinds[config.model_type].from_pretrained(
        place,
        dtype=torch.float32,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # else its reason is only in the log
        **options,
    )
    backbone = getattr(network, 'backbone', network)
    _check_report(report, 'backbone.' if backbone is not network else '')
    return backbone


def _check_report(report: dict[str, Any], prefix: str) -> None:
    """Raise a ``ValueError`` if weights under ``prefix`` are not all there, and no others."""
    for what in ('missing', 'mismatched', 'unexpected'):
        keys = [key if isinstance(key, str) else key[0] for key in report[f'{what}_keys']]
        found = sorted(key for key in keys if key.startswith(prefix))
        if found:
            more = f' and {len(found) - 2} more' if len(found) > 2 else ''
            raise ValueError(f'{what} weights: {", ".join(found[:2])}{more}')


def _check_settings(found: Any, wanted: Any) -> None:
    for name in _SETTINGS:
        values = [getattr(config, name) for config in (found, wanted)]
        values = [list(value) if isinstance(value, tuple) else value for value in values]
        if values[0] != values[1]:
            raise ValueError(f'{name} is {values[0]}: it must be {values[1]}')


def _one_expert(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of plain ViTPose that does what ViTPose+ does with its first expert."""
    plain = {name: value for name, value in weights.items() if _EXPERTS not in name}
    for name, value in weights.items():
        if found := _FIRST_EXPERT.fullmatch(name):
            shared = f'{found[1]}.fc2.{found[2]}'
            plain[shared] = torch.cat([weights[shared], value])
    return plain
