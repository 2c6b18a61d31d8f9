from dataclasses import asdict
import json

from made_images import TINY
import pytest

from metrichmsr_ros.models.network_config import MetricHMRConfig, SIZES


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'dim': 0}, 'dim is 0: it must be an integer of at least 1'),
        ({'heads': 2.5}, 'heads is 2.5: it must be an integer'),
        ({'image_layers': -1}, 'image_layers is -1: it must be an integer of at least 0'),
        ({'patch_blocks': 0, 'global_blocks': 0}, 'there must be a block'),
        ({'stages': 5}, 'stages is 5: there must be a block for each'),
        ({'stages': 0}, 'stages is 0: it must be an integer of at least 1'),
        ({'image_encoder': 'hog'}, "image_encoder is 'hog': it must be blazepose or vitpose"),
        ({'image_encoder': 'vitpose'}, 'image_width is 0: with vitpose it must not be 0'),
        ({'ray_layers': 2}, 'ray_layers is 2: with blazepose it must be 0'),
    ],
)
def test_rejects_bad_values(values: dict, message: str):
    with pytest.raises(ValueError, match=message):
        MetricHMRConfig(**values)


@pytest.mark.parametrize('config', [TINY, *SIZES.values()])
def test_is_what_its_json_says(config: MetricHMRConfig):
    assert MetricHMRConfig.from_dict(json.loads(json.dumps(asdict(config)))) == config


def test_every_field_must_be_named():
    values = asdict(MetricHMRConfig())
    del values['image_encoder']
    message = r"config: unknown \['colour'\], missing \['image_encoder'\]"
    with pytest.raises(ValueError, match=message):
        MetricHMRConfig.from_dict({**values, 'colour': 1})


def test_the_default_is_the_small_size():
    assert SIZES['blazepose'] == MetricHMRConfig()
    assert [name for name, config in SIZES.items() if config.image_width] == ['base', 'paper']
