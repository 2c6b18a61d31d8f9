"""The command ``metrichmsr render``."""

from __future__ import annotations

import numpy as np
import pytest

from metrichmsr_ros import cli
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.rendered import make, readings
from metrichmsr_ros.data.rendered.shards import read_folder


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(make, 'SHARD_SIZE', 3)
    monkeypatch.setattr(make, 'SampleConfig', lambda: SampleConfig(poses=100))
    monkeypatch.setattr(readings, '_LOOKS', 3)


def test_fills_a_folder_and_tells(small, tmp_path, capsys):
    folder = tmp_path / 'people'
    assert cli.main(['render', str(folder), '--people', '3', '--seed', '7']) == 0
    people = read_folder(folder)
    assert len(people) == 3
    assert np.isfinite(people.evidence.rays.numpy()).all()
    assert '3 of 3 people' in capsys.readouterr().err


def test_bad_input_is_one_line(small, tmp_path, capsys):
    assert cli.main(['render', str(tmp_path / 'people'), '--people', '0']) == 2
    assert capsys.readouterr().err == 'metrichmsr: error: people=0 must be positive\n'
    (tmp_path / 'notes').write_text('mine')
    assert cli.main(['render', str(tmp_path), '--people', '3']) == 2
    assert 'not empty' in capsys.readouterr().err
