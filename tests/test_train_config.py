from pathlib import Path

import pytest

from metrichmsr_ros.cli import main
from metrichmsr_ros.train_config import flat, override, read_settings, TrainConfig


def test_overrides_reach_nested_fields_with_their_types():
    config = override(
        TrainConfig(),
        {
            'steps': '7',
            'minutes': '0',
            'loss.height': '2.5',
            'resume': 'true',
            'out': 'a/b',
            'data.fov': '40,60',
            'data.motions': 'x',
            'model.dim': '32',
        },
    )

    assert (config.steps, config.loss.height, config.resume) == (7, 2.5, True)
    assert config.out == Path('a/b')
    assert (config.data.fov, config.data.motions) == ((40.0, 60.0), ('x',))
    assert config.model.dim == 32
    assert flat(config)['loss.height'] == 2.5


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('stepz', '3', 'unknown key stepz; known: .*loss.height'),
        ('loss', '3', 'unknown key loss'),
        ('loss.hight', '3', 'unknown key loss.hight'),
        ('out.name', 'x', 'unknown key out.name'),
        ('batch_size', '3.5', "batch_size must be int, got '3.5'"),
        ('learning_rate', 'fast', "learning_rate must be float, got 'fast'"),
        ('learning_rate', 'nan', "learning_rate must be float, got 'nan'"),
        ('resume', 'yes', "resume must be true or false, got 'yes'"),
        ('batch_size', '0', 'batch_size must be at least 1, got 0'),
        ('data.fov', '40', "data.fov must be 2 values with commas, got '40'"),
        ('model.heads', '0', 'heads is 0'),
        ('warmup', '1', r'warmup must be in \[0, 1\), got 1.0'),
        ('device', 'tpu', "device must be .* got 'tpu'"),
        ('optimizer', 'sgd', "optimizer must be 'adamw' or 'muon', got 'sgd'"),
        ('steps', '5', 'one of steps and minutes'),
    ],
)
def test_bad_overrides_name_key_and_value(key, value, message):
    with pytest.raises(ValueError, match=message):
        override(TrainConfig(), {key: value})


def test_settings_are_key_equals_value():
    assert read_settings(['--steps=5', '--out=a=b']) == {
        'steps': '5',
        'out': 'a=b',
        'minutes': '0',
    }
    for bad in (['steps=5'], ['--steps'], ['--=5'], ['x']):
        with pytest.raises(ValueError, match='expected --key=value'):
            read_settings(bad)
    with pytest.raises(ValueError, match='--seed is given twice'):
        read_settings(['--seed=1', '--seed=2'])


def test_command_lists_its_keys_and_refuses_others(capsys):
    assert main(['train', '--keys', '--loss.height=2']) == 0
    assert '--loss.height=2.0\n' in capsys.readouterr().out
    assert main(['train', '--lerning_rate=1']) == 2
    assert 'unknown key lerning_rate' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(['evaluate', 'x.json', '--method', 'm', '--steps=3'])
    assert 'unrecognized arguments: --steps=3' in capsys.readouterr().err
