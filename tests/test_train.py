from collections.abc import Callable
from dataclasses import replace
import itertools
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.body_points import BodyPoints
from metrichmsr_ros.cli import main
from metrichmsr_ros.data.people.draws import generator_of
from metrichmsr_ros.data.people.target import Target
from metrichmsr_ros.geometry.rotations import aa_to_matrix
from metrichmsr_ros.models.evidence import Evidence, RAY_MAP_SIZE
from metrichmsr_ros.models.metric_hmr import MetricHMR
from metrichmsr_ros.models.network_config import MetricHMRConfig
from metrichmsr_ros.train import train
from metrichmsr_ros.train_config import ADAMW, LossWeights, MUON, TrainConfig
from metrichmsr_ros.train_log import read_log
from metrichmsr_ros.train_people import Batches
from metrichmsr_ros.train_state import learning_rate

TINY = MetricHMRConfig(
    dim=16, heads=2, expert_hidden=16, routed_experts=2, patch_blocks=1, global_blocks=1, stages=2,
    person_tokens=1, person_hidden=32, head_hidden=32,
)  # fmt: skip


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


@pytest.fixture(scope='module')
def sample(body: BodyModel) -> Callable[[int, torch.Generator], tuple[Evidence, Target]]:
    points = BodyPoints(body)

    @torch.no_grad()
    def sample_people(n: int, generator: torch.Generator) -> tuple[Evidence, Target]:
        """Return people before the camera whose evidence is exact."""
        aa = 0.3 * torch.randn(n, 24, 3, generator=generator)
        rotations = aa_to_matrix(aa)
        rotations[:, 0] = rotations[:, 0] @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))
        shape = torch.randn(n, 10, generator=generator)
        distance = 2 + 4 * torch.rand(n, 1, generator=generator)
        pelvis = distance * torch.tensor([0.1, 0.0, 1.0])
        joints, landmarks = points(rotations, shape)
        placed = landmarks + pelvis[:, None]
        middle, half = pelvis[:, :2] / distance, 1.2 / distance
        cells = torch.linspace(-1, 1, RAY_MAP_SIZE)
        grid = torch.stack(torch.meshgrid(cells, cells, indexing='xy'))
        flat_map = middle[:, :, None, None] + half[:, :, None, None] * grid
        corners = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
        corners = middle[:, None] + half[:, None] * corners
        evidence = Evidence(
            rays=placed / placed[..., 2:],
            relative_depth=landmarks[..., 2] / 2,
            world=landmarks,
            visibility=torch.ones(n, 33),
            presence=torch.ones(n, 33),
            score=torch.ones(n),
            crop_rays=torch.cat((corners, torch.ones(n, 4, 1)), -1),
            ray_map=torch.cat((flat_map, torch.ones_like(flat_map[:, :1])), 1),
        )
        target = Target(
            rotations=rotations,
            shape=shape,
            pelvis=pelvis,
            joints=joints + pelvis[:, None],
            landmarks=placed,
            height=body.heights(shape),
            valid2d=torch.ones(n, 33, dtype=torch.bool),
        )
        return evidence, target

    return sample_people


@pytest.fixture(scope='module')
def people(body, sample) -> dict[str, Callable]:
    return {'sample': sample, 'held_out': sample}


def tiny_run(out: Path, **changes: object) -> TrainConfig:
    defaults = {
        'out': out, 'steps': 6, 'minutes': 0.0, 'batch_size': 4, 'workers': 0, 'log_every': 1,
        'validate_every': 100, 'validation_people': 4, 'checkpoint_minutes': 0.0, 'threads': 1,
        'device': 'cpu',
    }  # fmt: skip
    return TrainConfig(**{**defaults, **changes})


def network(body: BodyModel, *, seed: int = 0) -> MetricHMR:
    torch.manual_seed(seed)
    return MetricHMR(TINY, body)


def test_run_leaves_model_config_log_and_figures(tmp_path, body, sample, people):
    config = tiny_run(tmp_path / 'run', seed=3)

    figures = train(config, model=network(body), **people)

    loaded = MetricHMR.from_pretrained(tmp_path / 'run' / 'model')
    assert torch.isfinite(loaded(sample(2, torch.Generator())[0]).joints).all()
    assert set(figures) >= {'mpjpe', 'pa_mpjpe', 'root_percent', 'height_mm', 'within_sigma'}
    rows = read_log(tmp_path / 'run' / 'log.csv')
    assert [row['step'] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert '"seed": 3' in (tmp_path / 'run' / 'config.json').read_text()
    assert read_log(tmp_path / 'run' / 'validation.csv')[-1]['mpjpe'] == pytest.approx(
        figures['mpjpe'], rel=1e-4
    )


@pytest.mark.parametrize('optimizer', [ADAMW, MUON])
def test_stopped_and_resumed_run_ends_with_the_same_bits(
    tmp_path, body, sample, people, optimizer
):
    class Stop(Exception):  # noqa: N818
        pass

    def stopping(n: int, generator: torch.Generator) -> tuple[Evidence, Target]:
        if generator.initial_seed() == generator_of(0, 0, 3).initial_seed():
            raise Stop
        return sample(n, generator)

    straight, broken = tmp_path / 'straight', tmp_path / 'broken'
    train(
        tiny_run(straight, optimizer=optimizer),
        model=network(body),
        sample=sample,
        held_out=sample,
    )
    with pytest.raises(Stop):
        train(
            tiny_run(broken, optimizer=optimizer),
            model=network(body),
            sample=stopping,
            held_out=sample,
        )
    resumed = tiny_run(broken, resume=True, optimizer=optimizer)
    train(resumed, model=network(body, seed=9), **people)

    wanted = MetricHMR.from_pretrained(straight / 'model').state_dict()
    for name, value in MetricHMR.from_pretrained(broken / 'model').state_dict().items():
        assert torch.equal(value, wanted[name]), name
    timed = {'seconds', 'samples_per_s'}
    rows = [
        [{k: v for k, v in row.items() if k not in timed} for row in read_log(run / 'log.csv')]
        for run in (straight, broken)
    ]
    assert rows[0] == rows[1]


def test_workers_do_not_change_what_is_learnt(tmp_path, body, people):
    runs = {}
    for workers in (0, 2):
        config = tiny_run(tmp_path / str(workers), workers=workers, steps=3)
        runs[workers] = train(config, model=network(body), **people)

    assert runs[0] == runs[2]


def test_batches_differ_by_number_and_not_by_call(sample):
    batches = Batches(sample, batch_size=2, key=(0, 5))

    assert torch.equal(batches[1][1].joints, batches[1][1].joints)
    assert not torch.equal(batches[1][1].joints, batches[2][1].joints)
    for key in ((0, 7), (0, 5 + 2**32), (1,), (1, 5)):  # seeds that torch would take for the same
        other = Batches(sample, batch_size=2, key=key)
        assert not torch.equal(batches[1][1].joints, other[1][1].joints)


def test_minutes_end_a_run_and_its_rate_falls(tmp_path, body, people):
    config = tiny_run(tmp_path, steps=0, minutes=0.02)

    train(config, model=network(body), **people)

    rows = read_log(tmp_path / 'log.csv')
    assert rows[-1]['seconds'] <= 1.3
    assert rows[-1]['rate'] < 0.5 * config.learning_rate


def test_one_batch_is_learnt_by_heart(tmp_path, body, sample):
    """In 250 steps the loss without its likelihood falls to a quarter, the joints to a third."""
    batch = sample(8, torch.Generator().manual_seed(1))
    config = tiny_run(
        tmp_path,
        steps=250,
        checkpoint_minutes=9.0,
        learning_rate=3e-3,
        loss=LossWeights(pelvis_likelihood=0.0),
    )

    figures = train(
        config,
        model=network(body),
        sample=lambda n, generator: batch,
        held_out=lambda n, generator: batch,
    )

    rows = read_log(tmp_path / 'log.csv')
    assert rows[-1]['loss'] < rows[0]['loss'] / 4
    assert rows[-1]['joints3d'] < rows[0]['joints3d'] / 3
    assert figures['root_percent'] < 5


def test_no_run_overwrites_another_nor_resumes_nothing(tmp_path, body, people):
    with pytest.raises(ValueError, match=r'nothing to resume.*checkpoint\.pt'):
        train(tiny_run(tmp_path, resume=True), model=network(body), **people)
    (tmp_path / 'checkpoint.pt').touch()
    with pytest.raises(ValueError, match='exists: give --resume=true'):
        train(tiny_run(tmp_path), model=network(body), **people)


def test_checkpoint_of_another_network_is_refused(tmp_path, body, people):
    train(tiny_run(tmp_path, steps=1), model=network(body), **people)
    other = MetricHMR(replace(TINY, dim=32), body)

    with pytest.raises(ValueError, match=r'checkpoint\.pt does not fit this run'):
        train(tiny_run(tmp_path, resume=True), model=other, **people)
    with pytest.raises(ValueError, match=r'checkpoint\.pt does not fit this run'):
        train(tiny_run(tmp_path, resume=True, optimizer=MUON), model=network(body), **people)
    (tmp_path / 'checkpoint.pt').write_bytes(b'broken')
    with pytest.raises(ValueError, match=r'checkpoint\.pt does not fit this run'):
        train(tiny_run(tmp_path, resume=True), model=network(body), **people)


def test_a_network_without_a_finite_gradient_ends_the_run(tmp_path, body, people):
    model = network(body)
    nn.init.constant_(model.heads[-1].shape.layer.bias, float('nan'))

    with pytest.raises(FloatingPointError, match=r'10 steps in a row, at step 10 its norm is nan'):
        train(tiny_run(tmp_path, steps=20), model=model, **people)


def test_one_degenerate_sample_does_not(tmp_path, body, sample, people):
    calls = itertools.count()

    def sample_once_broken(n: int, generator: torch.Generator) -> tuple[Evidence, Target]:
        evidence, target = sample(n, generator)
        if next(calls) == 2:
            target = replace(target, pelvis=torch.full_like(target.pelvis, torch.nan))
        return evidence, target

    train(tiny_run(tmp_path), model=network(body), **{**people, 'sample': sample_once_broken})
    finite = [math.isfinite(row['loss']) for row in read_log(tmp_path / 'log.csv')]
    assert finite == [True, True, False, True, True, True]


def test_rate_rises_then_falls_to_its_end():
    config = TrainConfig(learning_rate=1.0, warmup=0.1, final_rate=0.01)
    rates = [learning_rate(share, config) for share in (0.0, 0.05, 0.1, 0.55, 1.0)]

    assert 0 < rates[0] < rates[1] < rates[2] == 1.0
    assert rates[3] == pytest.approx(0.505)
    assert rates[4] == pytest.approx(0.01)


def test_command_trains_on_sampled_people_with_poses_held_out(tmp_path):
    settings = {
        'out': tmp_path / 'run', 'steps': 2, 'batch_size': 4, 'workers': 0, 'threads': 1,
        'validation_people': 4, 'data.poses': 40, 'model.dim': 16, 'model.heads': 2,
        'model.person_hidden': 16, 'model.head_hidden': 16, 'device': 'cpu',
    }  # fmt: skip

    assert main(['train', *(f'--{key}={value}' for key, value in settings.items())]) == 0

    assert MetricHMR.from_pretrained(tmp_path / 'run' / 'model').config.dim == 16
    figures = read_log(tmp_path / 'run' / 'validation.csv')[-1]
    assert 50 < figures['mpjpe'] < 1000
    assert figures['step'] == 2


def test_sampled_people_have_no_pixels(tmp_path, capsys):
    sizes = {'image_encoder': 'vitpose', **{f'{part}_{what}': 8 for part in ('image', 'ray')
             for what in ('width', 'layers', 'heads')}}  # fmt: skip
    settings = [f'--model.{key}={value}' for key, value in sizes.items()]

    assert main(['train', f'--out={tmp_path / "run"}', '--steps=1', *settings]) == 2
    assert 'sampled people have no pixels' in capsys.readouterr().err
    assert not (tmp_path / 'run').exists()
