from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
import json
from pathlib import Path
import sys

import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people.sample import sample_batch, SampleConfig
from metrichmsr_ros.models.metric_hmr import MetricHMR
from metrichmsr_ros.train_config import override

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / 'benchmarks'))
ablation = import_module('ablation')
rows = import_module('_ablation_rows')

TINY = {
    'steps': 2, 'batch_size': 4, 'workers': 0, 'threads': 1, 'device': 'cpu',
    'validation_people': 4, 'checkpoint_minutes': 0, 'data.poses': 60, 'model.dim': 16,
    'model.heads': 2,
    'model.expert_hidden': 16, 'model.person_hidden': 16, 'model.head_hidden': 16,
}  # fmt: skip
Command = Callable[..., str]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return the command with a tiny network; it returns the document that it wrote."""
    document = tmp_path / 'ablation.md'
    document.write_text('before\n<!-- tables: x -->\nold\n<!-- /tables -->\nafter\n')

    def run(*arguments: str) -> str:
        keys = [f'--{key}={value}' for key, value in {**TINY, 'out': tmp_path / 'runs'}.items()]
        words = ['--document', str(document), '--people', '8', *arguments]
        monkeypatch.setattr(sys, 'argv', ['ablation.py', *keys, *words])
        ablation.main()
        return document.read_text()

    return run


def fail(*arguments: object, **options: object) -> None:
    raise RuntimeError('cut short')


def results(tmp_path: Path) -> dict[str, dict]:
    files = (tmp_path / 'runs').glob('*/result.json')
    return {path.parent.name.rsplit('-', 1)[0]: json.loads(path.read_text()) for path in files}


def test_rows_become_tables_and_are_not_done_twice(command, tmp_path, monkeypatch):
    names = ['camera_none', 'camera_ray_map', 'camera_rays', 'experts_0', 'experts_4']
    text = command('--rows', *names)
    assert text.startswith('before\n<!-- tables: x -->\n| What knows the camera | inside: MPJPE')
    assert text.endswith('\n<!-- /tables -->\nafter\n')
    lines = [line.split(' | ')[0] for line in text.splitlines() if line.startswith('| ')]
    assert lines == [
        '| What knows the camera', '| nothing: no rays', '| the ray map', "| the landmarks' rays",
        '| Routed experts', '| 0', '| 4',
    ]  # fmt: skip
    assert '`python ablation.py --steps=2 ' in text
    done = results(tmp_path)
    # The network that ships has four experts: one row of three tables.
    assert set(done) == {*names[:-1], 'shipped'}
    figures = {name: result['figures']['inside'] for name, result in done.items()}
    # Hardly trained, position is geometry: it needs the true camera.
    assert figures['camera_none']['root_percent'] > 2 * figures['shipped']['root_percent']
    assert figures['camera_none'] != figures['camera_ray_map']
    assert done['shipped']['figures']['outside'] != figures['shipped']

    monkeypatch.setattr(ablation, 'train', fail)
    assert command('--rows', *names) == text
    with pytest.raises(RuntimeError, match='cut short'):
        command('--rows', 'experts_4', '--seed=1')


def test_interrupted_row_goes_on(command, tmp_path, monkeypatch):
    command('--rows', 'blocks_both')
    straight = results(tmp_path)['shipped']['figures']
    folder = next((tmp_path / 'runs').iterdir())
    folder.rename(tmp_path / 'straight')
    with monkeypatch.context() as patch:
        patch.setattr(ablation, 'validate', fail)
        with pytest.raises(RuntimeError, match='cut short'):
            command('--rows', 'blocks_both')
    assert not results(tmp_path)
    command('--rows', 'blocks_both')
    assert results(tmp_path)['shipped']['figures'] == straight


def test_blinded_network_sees_no_ray_map():
    config = override(ablation.DEFAULTS, {k: str(v) for k, v in TINY.items() if '.dim' not in k})
    torch.manual_seed(0)
    model = ablation.blinded(MetricHMR(config.model, BodyModel.load()).eval())
    generator = torch.Generator().manual_seed(0)
    evidence, _ = sample_batch(3, generator, SampleConfig(poses=60))
    other = replace(evidence, ray_map=2 * evidence.ray_map)
    with torch.no_grad():
        assert torch.equal(model(evidence).joints, model(other).joints)


def test_rows_differ_from_the_shipped_network_in_one_thing():
    config = ablation.DEFAULTS.model
    networks = {row.name: row.network(config) for table in rows.TABLES.values() for row in table}
    assert networks['shipped'] == networks['experts_4'] == networks['blocks_both'] == config
    assert networks['camera_none'] == networks['camera_rays'] == config
    assert networks['experts_8'] == replace(config, routed_experts=8)
    total = config.patch_blocks + config.global_blocks
    patch, everywhere = networks['blocks_patch'], networks['blocks_global']
    assert (patch.patch_blocks, patch.global_blocks) == (total, 0)
    assert (everywhere.patch_blocks, everywhere.global_blocks) == (0, total)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'steps': '0', 'minutes': '1'}, 'give steps, not minutes'),
        ({'data.fov': '20,120'}, r'data.fov=20.0,120.0: unseen are'),
        ({'data.motions': 'x'}, 'poses are procedural here'),
    ],
)
def test_settings_that_no_table_could_be_made_of(changes, message):
    with pytest.raises(ValueError, match=message):
        ablation.Ablation(override(ablation.DEFAULTS, changes), 8)


def test_the_document_has_the_marks():
    text = (ROOT / 'docs' / 'ablation.md').read_text()
    assert 'new\n<!-- /tables -->' in ablation.fill(text, 'new\n')
    with pytest.raises(ValueError, match='marks'):
        ablation.fill('nothing', 'new\n')
