"""Which device networks and meshes run on."""

from __future__ import annotations

import torch


def resolve_device(name: str) -> str:
    """Return 'cpu' or 'cuda:<n>' for the ``device`` of a configuration.

    Raises:
        ValueError: There is no such device.
    """
    if name == 'auto':
        return 'cuda:0' if torch.cuda.is_available() else 'cpu'
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ('cpu', 'cuda'):
        raise ValueError(f'device is {name!r}: it must be auto, cpu, cuda or cuda:<n>')
    if device.type == 'cpu':
        return 'cpu'
    index, count = device.index or 0, torch.cuda.device_count()
    if index >= count:
        raise ValueError(f'device is {name!r}: this machine has {count} CUDA devices')
    return f'cuda:{index}'
