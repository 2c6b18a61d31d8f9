"""The command ``metrichmsr``: what it prints, writes and returns."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from metrichmsr_ros import cli
from metrichmsr_ros.models.methods import build_method
from metrichmsr_ros.perception.blazepose.assets import AssetError, find_assets
from metrichmsr_ros.perception.blazepose.landmarker import BlazePoseLandmarker


@pytest.fixture
def index(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((48, 64, 3), np.uint8))
    K = [[60.0, 0, 32], [0, 60, 24], [0, 0, 1]]
    truth = {'bbox_xyxy': [10, 10, 30, 40], 'joints': {'pelvis': [0.0, 0, 4]}}
    image = {'file': 'a.png', 'source': 'made', 'width': 64, 'height': 48, 'K': K}
    path = tmp_path / 'index.json'
    path.write_text(json.dumps({'schema': 1, 'images': [{**image, 'people': [truth]}]}))
    return path


def write_nobody(path, **changes):
    from metrichmsr_ros.body.body_model import BodyModel

    document = {
        'schema': 1,
        'method': 'blind',
        'body_model': BodyModel.load().name,
        'images': [{'file': 'a.png', 'seconds': 0.1, 'people': []}],
    }
    path.write_text(json.dumps({**document, **changes}))
    return path


def one_line_error(capsys) -> str:
    out, err = capsys.readouterr()
    assert out == ''
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith('metrichmsr')
    return lines[0]


def test_evaluate_prints_a_table_and_writes_the_report(index, tmp_path, capsys):
    predictions = write_nobody(tmp_path / 'out.json')
    report = tmp_path / 'reports' / 'report.json'
    code = cli.main(
        ['evaluate', str(index), '--predictions', str(predictions), '--json', str(report)]
    )
    assert code == 0
    table = capsys.readouterr().out
    assert 'blind' in table
    assert ['missed', '1', '1'] in [line.split() for line in table.splitlines()]
    document = json.loads(report.read_text())
    assert document['schema'] == 1
    assert document['sources']['overall']['missed'] == 1
    assert document['sources']['made']['recall'] == 0.0


def test_version_and_help():
    for option, text in (('--version', 'metrichmsr '), ('--help', 'evaluate')):
        run = subprocess.run(
            [sys.executable, '-m', 'metrichmsr_ros.cli', option],
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0
        assert text in run.stdout


@pytest.mark.parametrize('command', ['infer', 'evaluate'])
def test_help_of_a_command(command, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([command, '--help'])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for option in ('--boxes', '--depth-dir', '--body-model', '--method', '--json'):
        assert option in text


@pytest.mark.parametrize(
    'arguments',
    [
        [],
        ['fly'],
        ['infer'],
        ['infer', 'index.json', '--method', 'landmark_ik'],
        ['infer', 'index.json', '--method', 'x', '--json', 'o', '--boxes', 'all'],
        ['evaluate', 'index.json', '--method', 'landmark_ik', '--predictions', 'out.json'],
    ],
)
def test_wrong_usage_is_one_line_and_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert '--help' in one_line_error(capsys)


def test_people_are_predicted_or_a_method_is_named(index, capsys):
    assert cli.main(['evaluate', str(index)]) == 2
    assert '--predictions and --method' in one_line_error(capsys)


def infer_arguments(index, tmp_path, method='landmark_ik'):
    return ['infer', str(index), '--method', method, '--json', str(tmp_path / 'out.json')]


def test_missing_index(tmp_path, capsys):
    assert cli.main(infer_arguments(tmp_path / 'none.json', tmp_path)) == 2
    assert 'none.json' in one_line_error(capsys)


def test_index_against_the_schema(index, tmp_path, capsys):
    index.write_text('{"schema": 9}')
    assert cli.main(infer_arguments(index, tmp_path)) == 2
    assert '"schema": 9' in one_line_error(capsys)
    index.write_text('{"schema": 1, "images": [')
    assert cli.main(infer_arguments(index, tmp_path)) == 2
    assert 'is not JSON' in one_line_error(capsys)


def test_unknown_method(index, tmp_path, capsys):
    assert cli.main(infer_arguments(index, tmp_path, method='magic')) == 2
    assert "unknown method 'magic'" in one_line_error(capsys)
    assert not (tmp_path / 'out.json').exists()


def test_missing_image(index, tmp_path, capsys):
    (tmp_path / 'a.png').unlink()
    assert cli.main(infer_arguments(index, tmp_path)) == 2
    assert 'a.png is missing' in one_line_error(capsys)


def test_corrupt_image(index, tmp_path):
    # As a process: OpenCV's own words would go past Python's standard error.
    (tmp_path / 'a.png').write_bytes(b'junk')
    run = subprocess.run(
        [sys.executable, '-m', 'metrichmsr_ros.cli', *infer_arguments(index, tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert run.stdout == ''
    assert len(run.stderr.splitlines()) == 1, run.stderr
    assert 'a.png is not a readable image' in run.stderr


def test_wrong_body_model(index, tmp_path, capsys):
    arguments = [*infer_arguments(index, tmp_path), '--body-model', str(tmp_path / 'none.npz')]
    assert cli.main(arguments) == 2
    assert 'none.npz' in one_line_error(capsys)


def test_missing_networks(index, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'empty'))
    for choice in ([], ['--landmark-network', 'heavy']):
        assert cli.main([*infer_arguments(index, tmp_path), *choice]) == 2
        assert 'metrichmsr_ros.perception.blazepose.assets' in one_line_error(capsys)


@pytest.mark.parametrize(
    ('choice', 'read'),
    [
        ([], ['pose_landmark_heavy.tflite']),
        (['--landmark-network', 'full'], ['pose_landmark_full.tflite']),
    ],
)
def test_the_better_network_reads_single_images(index, tmp_path, monkeypatch, choice, read):
    try:
        find_assets(landmark_network='heavy')
    except AssetError as error:
        pytest.skip(str(error))
    files = []
    weights = []

    def build(name, body, *, landmark_network, **options):
        weights.append(landmark_network)
        return build_method(name, body, landmark_network=landmark_network, **options)

    monkeypatch.setattr('metrichmsr_ros.models.methods.build_method', build)

    class Network(BlazePoseLandmarker):
        def __init__(self, assets):
            files.append(assets.landmarker.name)
            super().__init__(assets)

    monkeypatch.setattr('metrichmsr_ros.infer.BlazePoseLandmarker', Network)
    assert cli.main([*infer_arguments(index, tmp_path), *choice]) == 0
    assert files == read
    assert files == [f'pose_landmark_{name}.tflite' for name in weights]


@pytest.mark.parametrize(
    ('changes', 'rule'),
    [
        ({'schema': 2}, '"schema": 1'),
        ({'images': []}, 'do not appear'),
        ({'body_model': 'somebody'}, '--body-model'),
    ],
)
def test_wrong_predictions(index, tmp_path, capsys, changes, rule):
    predictions = write_nobody(tmp_path / 'out.json', **changes)
    assert cli.main(['evaluate', str(index), '--predictions', str(predictions)]) == 2
    assert rule in one_line_error(capsys)


@pytest.mark.parametrize(
    ('option', 'value'),
    [('--boxes', 'index'), ('--checkpoint', 'index'), ('--landmark-network', 'full')],
)
def test_options_of_a_method_need_one(index, tmp_path, capsys, option, value):
    predictions = write_nobody(tmp_path / 'out.json')
    arguments = ['evaluate', str(index), '--predictions', str(predictions), option, value]
    assert cli.main(arguments) == 2
    assert f'{option} is for --method' in one_line_error(capsys)


@pytest.mark.parametrize(
    ('method', 'message'),
    [('metrichmr', "no checkpoint at 'nowhere'"), ('landmark_ik', 'landmark_ik has none')],
)
def test_a_checkpoint_that_is_not_there(index, tmp_path, capsys, method, message):
    arguments = ['infer', str(index), '--method', method, '--json', str(tmp_path / 'out.json')]
    assert cli.main([*arguments, '--checkpoint', 'nowhere']) == 2
    assert message in one_line_error(capsys)
