from dataclasses import fields, replace
from pathlib import Path

import yaml

from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.ros.parameters import (
    DEFAULTS,
    markdown_table,
    Parameters,
    pipeline_config,
    RULES,
    yaml_text,
)

ROOT = Path(__file__).parents[2]


def test_the_yaml_file_is_up_to_date() -> None:
    assert (ROOT / 'config' / 'metrichmsr.yaml').read_text() == yaml_text(), (
        'run: python -m metrichmsr_ros.ros.parameters yaml > config/metrichmsr.yaml'
    )


def test_the_yaml_file_holds_the_defaults() -> None:
    assert yaml.safe_load(yaml_text()) == {'/**': {'ros__parameters': DEFAULTS}}


def test_defaults_keep_their_own_rules() -> None:
    for name, rule in RULES.items():
        assert rule.objection(name, DEFAULTS[name]) == ''
        assert rule.text.endswith('.')


def test_objections_name_value_and_rule() -> None:
    assert RULES['fov'].objection('fov', 60.0) == 'fov is 60.0: it must be within 0 to 3'
    assert RULES['fov'].objection('fov', float('nan')) != ''
    assert RULES['input_qos'].objection('input_qos', 'x') == (
        "input_qos is 'x': it must be one of auto, best_effort, reliable"
    )


def test_markdown_has_a_row_per_parameter() -> None:
    lines = markdown_table().splitlines()
    assert len(lines) == 2 + len(RULES)
    assert len({line.count('|') for line in lines}) == 1


def test_pipeline_config_takes_over_what_it_knows() -> None:
    assert pipeline_config(Parameters()) == PipelineConfig()
    given = replace(
        Parameters(), body_model='/x/SMPL.pkl', depth_source='ground', camera_height=1.5,
        camera_tilt=0.1, max_people=3, device='cpu', threads=2, detector_budget_ms=5.0,
        min_score=0.3,
    )  # fmt: skip
    config = pipeline_config(given)
    assert config.body_model == Path('/x/SMPL.pkl')
    names = {item.name for item in fields(PipelineConfig)} & set(RULES) - {'body_model'}
    assert all(getattr(config, name) == getattr(given, name) for name in names)
    assert len(names) >= 8
