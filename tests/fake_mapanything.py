"""A stand-in for the package ``mapanything``, with the interface of its version 1.1.

``preprocess_inputs`` has the published geometry; the network reads depth off the colours.
"""

from importlib.machinery import ModuleSpec
import sys
from types import ModuleType

import cv2
import numpy as np
import torch

# width, height
SIZES = [(518, 518), (518, 392), (518, 336), (518, 294), (518, 252), (518, 168), (392, 518),
         (336, 518), (294, 518), (252, 518)]  # fmt: skip


def preprocess_inputs(views):
    return [_preprocess(**view) for view in views]


def _preprocess(img, intrinsics):
    assert img.dtype == np.uint8
    assert intrinsics.shape == (3, 3)
    size = np.array(img.shape[1::-1])
    target = np.array(min(SIZES, key=lambda s: abs(s[0] / s[1] - size[0] / size[1])))
    factor = max(target / size) + 1e-8
    resized = np.floor(size * factor).astype(int)
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    img = cv2.resize(img, resized.tolist(), interpolation=kind)
    left, top = np.round((resized - target) / 2).astype(int)
    img = img[top : top + target[1], left : left + target[0]]
    K = intrinsics.copy()
    K[:2] *= factor
    K[:2, 2] += 0.5 * factor - (size * factor - resized) / 2 - 0.5 - (left, top)
    tensor = torch.from_numpy(img).permute(2, 0, 1)[None].float() / 255
    return {'img': tensor, 'intrinsics': torch.from_numpy(K)[None], 'data_norm_type': ['dinov2']}


class MapAnything(torch.nn.Module):
    """Depth is 255 · red; the mask is where blue is bright."""

    @classmethod
    def from_pretrained(cls, place):
        cls.place, cls.calls = place, []
        return cls()

    def infer(self, views, *, use_amp, apply_mask):
        (view,) = views
        assert set(view) == {'img', 'intrinsics', 'data_norm_type'}
        self.calls.append({'view': view, 'use_amp': use_amp, 'apply_mask': apply_mask})
        red, _, blue = view['img'][0]
        mask = blue > 0.5
        depth_z = 255 * red * mask
        return [{'depth_z': depth_z[None, ..., None], 'mask': mask[None, ..., None]}]


def install(monkeypatch):
    """Make ``import mapanything`` find this."""
    parts = {
        'mapanything': {},
        'mapanything.models': {'MapAnything': MapAnything},
        'mapanything.utils': {},
        'mapanything.utils.image': {'preprocess_inputs': preprocess_inputs},
    }
    for name, content in parts.items():
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        module.__path__ = []
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
