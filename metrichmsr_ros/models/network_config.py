"""Sizes of the network, as its checkpoints name them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

BLAZEPOSE, VITPOSE = 'blazepose', 'vitpose'
_VIT_FIELDS = (
    'image_width', 'image_layers', 'image_heads', 'ray_width', 'ray_layers', 'ray_heads',
)  # fmt: skip
_MAY_BE_ZERO = {'routed_experts', 'patch_blocks', 'global_blocks', *_VIT_FIELDS}


@dataclass(frozen=True)
class MetricHMRConfig:
    """Sizes of the network; the defaults are the ``blazepose`` size.

    Attributes:
        image_encoder: 'blazepose': tokens of BlazePose's landmarks, and a small ray encoder;
            'vitpose': ViTPose on the pixels, and a vision transformer on the ray map.
        dim: Width of the tokens.
        heads: Attention heads.
        expert_hidden: Hidden units of an expert.
        routed_experts: Routed image experts, 0 for none.
        patch_blocks: HumanMoE blocks gated token by token.
        global_blocks: HumanMoE blocks gated person by person.
        stages: Estimates in a row, the blocks spread over them; each but the first sees what the
            one before leaves unexplained.
        person_tokens: Tokens of the whole person.
        head_hidden: Hidden units of the heads.
        ray_patch: Cells of the ray map along a patch's side, of 'blazepose'.
        person_hidden: Hidden units of the perceptron that makes person tokens, of 'blazepose'.
        image_width: Width of ViTPose; this and the following are 0 without 'vitpose'.
        image_layers: Its blocks.
        image_heads: Its attention heads.
        ray_width: Width of the vision transformer on the ray map.
        ray_layers: Its blocks.
        ray_heads: Its attention heads.

    Raises:
        ValueError: If a value is out of its range.
    """

    image_encoder: str = BLAZEPOSE
    dim: int = 128
    heads: int = 4
    expert_hidden: int = 128
    routed_experts: int = 4
    patch_blocks: int = 2
    global_blocks: int = 2
    stages: int = 4
    person_tokens: int = 4
    head_hidden: int = 224
    ray_patch: int = 4
    person_hidden: int = 384
    image_width: int = 0
    image_layers: int = 0
    image_heads: int = 0
    ray_width: int = 0
    ray_layers: int = 0
    ray_heads: int = 0

    def __post_init__(self) -> None:
        if self.image_encoder not in (BLAZEPOSE, VITPOSE):
            raise ValueError(
                f'image_encoder is {self.image_encoder!r}: it must be {BLAZEPOSE} or {VITPOSE}'
            )
        values = asdict(self)
        del values['image_encoder']
        for name, value in values.items():
            least = 0 if name in _MAY_BE_ZERO else 1
            if not isinstance(value, int) or value < least:
                raise ValueError(f'{name} is {value!r}: it must be an integer of at least {least}')
            if name in _VIT_FIELDS and (value > 0) != (self.image_encoder == VITPOSE):
                rule = 'must be 0' if value else 'must not be 0'
                raise ValueError(f'{name} is {value}: with {self.image_encoder} it {rule}')
        if not self.patch_blocks + self.global_blocks:
            raise ValueError('patch_blocks and global_blocks are 0: there must be a block')
        if self.stages > self.patch_blocks + self.global_blocks:
            raise ValueError(f'stages is {self.stages}: there must be a block for each')

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MetricHMRConfig:
        """Build a config in which every field is named.

        Raises:
            ValueError: A field is unknown, missing or out of its range.
        """
        check_names(set(values), {item.name for item in fields(cls)}, 'config')
        return cls(**values)


# ViTPose-B and ViTPose-H as published; ViT-Large for rays as in the paper. What is between them
# and the answer is nowhere published: as wide as a transformer of that class, and as deep as ours.
SIZES = {
    'blazepose': MetricHMRConfig(),
    'base': MetricHMRConfig(
        image_encoder=VITPOSE,
        dim=512, heads=8, expert_hidden=512, head_hidden=512,
        image_width=768, image_layers=12, image_heads=12,
        ray_width=768, ray_layers=12, ray_heads=12,
    ),
    'paper': MetricHMRConfig(
        image_encoder=VITPOSE,
        dim=1024, heads=16, expert_hidden=1024, head_hidden=1024,
        image_width=1280, image_layers=32, image_heads=16,
        ray_width=1024, ray_layers=24, ray_heads=16,
    ),
}  # fmt: skip


def check_names(found: set[str], wanted: set[str], what: str) -> None:
    """Raise a ``ValueError`` that lists the names too many and too few, if there are any."""
    unknown, missing = sorted(found - wanted), sorted(wanted - found)
    if unknown or missing:
        raise ValueError(f'{what}: unknown {unknown}, missing {missing}')
