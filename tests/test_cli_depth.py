"""``metrichmsr evaluate --task depth``: wrong input ends in one line."""

import json

import pytest

from metrichmsr_ros import cli
from metrichmsr_ros.models.depth_refiner import DepthRefiner


@pytest.fixture
def index(tmp_path):
    image = {'file': 'a.png', 'width': 64, 'height': 48, 'people': []}
    image['K'] = [[60.0, 0, 32], [0, 60, 24], [0, 0, 1]]
    path = tmp_path / 'index.json'
    path.write_text(json.dumps({'schema': 1, 'images': [image]}))
    return path


@pytest.fixture
def refiner(tmp_path):
    DepthRefiner().save_pretrained(tmp_path / 'refiner')
    return tmp_path / 'refiner'


def error_of(capsys, *arguments) -> str:
    assert cli.main(['evaluate', *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ''
    (line,) = err.splitlines()
    return line


def test_an_index_without_depth(index, refiner, capsys):
    line = error_of(capsys, index, '--task', 'depth', '--refiner', refiner)
    assert 'index.json: no image has measured depth' in line


def test_an_unknown_task(index, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(['evaluate', str(index), '--task', 'sound'])
    assert end.value.code == 2
    assert "invalid choice: 'sound'" in capsys.readouterr().err


def test_pictures_where_none_can_be_written(index, refiner, capsys):
    line = error_of(
        capsys, index, '--task', 'depth', '--refiner', refiner, '--pictures', index / 'pictures'
    )
    assert 'Not a directory' in line


def test_a_refiner_that_is_not_there(index, capsys):
    line = error_of(capsys, index, '--task', 'depth', '--refiner', 'nowhere')
    assert "no checkpoint at 'nowhere'" in line


@pytest.mark.parametrize('frames', ['0', '-3'])
def test_no_frames(frames, refiner, capsys):
    arguments = ('synthetic', '--task', 'depth', '--refiner', refiner, '--frames', frames)
    assert f'frames={frames} must be positive' in error_of(capsys, *arguments)


@pytest.mark.parametrize(
    ('arguments', 'rule'),
    [
        (['--task', 'depth', '--predictions', 'o.json'], '--predictions is not for --task depth'),
        (['--task', 'depth', '--depth-dir', 'd'], '--depth-dir is not for --task depth'),
        (['--task', 'depth', '--frames', '3'], '--frames is for rendered rooms'),
        (['--method', 'metrichmr', '--pictures', 'd'], '--pictures is for --task depth'),
        (['--method', 'metrichmr', '--refiner', 'd'], '--refiner is for --task depth'),
    ],
)
def test_options_of_the_other_task(index, arguments, rule, capsys):
    assert rule in error_of(capsys, index, *arguments)
