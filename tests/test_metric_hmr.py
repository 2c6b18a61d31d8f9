from dataclasses import fields, replace
from itertools import pairwise
import json
from pathlib import Path

from made_evidence import made_evidence, receded, turned
from made_predictions import assert_same, turned_people
import pytest
import roma
from safetensors.torch import load_file, save_file
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.models.canonical import crop_frame, LEAST_ANGLE
from metrichmsr_ros.models.checkpoint import CheckpointError
from metrichmsr_ros.models.evidence import Evidence
from metrichmsr_ros.models.metric_hmr import MetricHMR
from metrichmsr_ros.models.network_config import MetricHMRConfig
from metrichmsr_ros.models.prediction import Prediction

SMALL = MetricHMRConfig(dim=32, expert_hidden=16, person_hidden=32, head_hidden=32)


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


@pytest.fixture(scope='module')
def evidence(body: BodyModel) -> Evidence:
    return made_evidence(body, 4)[0]


@pytest.fixture(scope='module')
def network(body: BodyModel) -> MetricHMR:
    torch.manual_seed(0)
    network = MetricHMR(SMALL, body)
    with torch.no_grad():  # so that no head stays near what it starts at
        for parameter in network.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
    return network.eval()


def test_predicts_bodies_before_the_camera(body: BodyModel, evidence: Evidence):
    torch.manual_seed(0)
    _, pelvis = made_evidence(body, 4)
    found = MetricHMR(SMALL, body)(evidence)
    torch.testing.assert_close(found.pelvis, pelvis, atol=0.1, rtol=0.2)  # untrained
    torch.testing.assert_close(found.joints[:, 0], found.pelvis)
    identity = torch.eye(3)
    torch.testing.assert_close(
        found.rotations.mT @ found.rotations, identity.expand(4, 24, 3, 3), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(
        found.pelvis_axes.mT @ found.pelvis_axes, identity.expand(4, 3, 3), atol=1e-5, rtol=0
    )
    assert found.router.shape == (4, 4, 17, 4)
    assert ((found.confidence > 0) & (found.confidence < 1)).all()


def test_answer_is_consistent_with_the_body(
    body: BodyModel, evidence: Evidence, network: MetricHMR
):
    found = network(evidence)
    posed = body(found.pose(), found.shape, found.translation(body))
    torch.testing.assert_close(found.joints, posed.joints, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.landmarks, body.blazepose(posed.vertices), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.vertices(body), posed.vertices)


def test_landmark_rays_are_those_of_the_evidence(evidence: Evidence, network: MetricHMR):
    rays = network(evidence).landmark_rays
    torch.testing.assert_close(rays / rays[..., 2:], evidence.rays, atol=1e-5, rtol=1e-5)


def test_covariance_is_that_of_the_axes(evidence: Evidence, network: MetricHMR):
    found = network(evidence)
    covariance = found.pelvis_covariance()
    in_axes = found.pelvis_axes.mT @ covariance @ found.pelvis_axes
    expected = torch.diag_embed((2 * found.pelvis_log_sigma).exp())
    torch.testing.assert_close(in_axes, expected, atol=1e-5, rtol=1e-4)
    along = found.along_axes(found.pelvis)
    torch.testing.assert_close(along[:, 0], found.pelvis.norm(dim=-1))
    torch.testing.assert_close(along[:, 1:], torch.zeros(4, 2), atol=1e-5, rtol=0)


@pytest.mark.parametrize('rotvec', [[0.0, 0, 1.5], [0.2, 0, 0], [0.05, -0.25, -0.8]])
def test_turning_the_camera_turns_the_answer(
    evidence: Evidence, network: MetricHMR, rotvec: list[float]
):
    R = roma.rotvec_to_rotmat(torch.tensor(rotvec))
    before, after = network(evidence), network(turned(evidence, R))
    assert_same(after, turned_people(before, R))


@pytest.mark.parametrize('factor', [1.5, 4.0])
def test_who_is_small_in_the_image_is_far_and_not_short(
    evidence: Evidence, network: MetricHMR, factor: float
):
    # From some distance on a person only gets smaller, which tells nothing of the own height.
    far = receded(evidence, 4.0)
    angles = crop_frame(far.crop_rays).angle
    assert (angles < LEAST_ANGLE).all()
    farther = receded(far, factor)
    near_by, there = network(far), network(farther)
    torch.testing.assert_close(there.shape, near_by.shape, atol=1e-3, rtol=0)
    ratio = there.pelvis.norm(dim=-1) / near_by.pelvis.norm(dim=-1)
    torch.testing.assert_close(
        ratio, angles / crop_frame(farther.crop_rays).angle, atol=0, rtol=1e-2
    )
    # Nearer than that, perspective counts.
    nearer = network(receded(evidence, 1.5)).shape - network(evidence).shape
    assert nearer.abs().max() > 1e-2


def test_people_do_not_see_each_other(evidence: Evidence, network: MetricHMR):
    together = network(evidence)
    for i in (0, 3):
        alone = network(evidence[[i]])
        for item in fields(Prediction):
            torch.testing.assert_close(
                getattr(alone, item.name)[0], getattr(together, item.name)[i],
                atol=1e-5, rtol=1e-4,
            )  # fmt: skip
    assert len(network(evidence[:0])) == 0


def test_copes_with_nothing_known(evidence: Evidence, network: MetricHMR):
    nothing = replace(evidence, presence=torch.zeros(4, 33), rays=torch.zeros(4, 33, 3))
    found = network(nothing)
    for item in fields(Prediction):
        assert torch.isfinite(getattr(found, item.name)).all(), item.name
    assert (found.pelvis[:, 2] > 0).all()
    assert (found.landmark_weights == 0).all()


def test_gradients_reach_every_parameter(body: BodyModel, evidence: Evidence):
    torch.manual_seed(0)
    network = MetricHMR(SMALL, body)
    presence = evidence.presence.clone()
    presence[0] = 0
    found = network(replace(evidence, presence=presence))
    values = [getattr(found, item.name) for item in fields(Prediction)]
    sum((torch.randn_like(value) * value).sum() for value in values).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(('routed', 'patch', 'global_'), [(0, 1, 1), (2, 1, 0), (8, 0, 1)])
def test_ablations(body: BodyModel, evidence: Evidence, routed: int, patch: int, global_: int):
    blocks = {'patch_blocks': patch, 'global_blocks': global_, 'stages': patch + global_}
    config = replace(SMALL, routed_experts=routed, **blocks)
    assert MetricHMR(config, body)(evidence).router.shape == (4, patch + global_, 17, routed)


def test_every_stage_answers_and_the_last_one_counts(network: MetricHMR, evidence: Evidence):
    found = network.estimates(evidence)
    assert len(found) == SMALL.stages
    assert_same(found[-1], network(evidence), atol=0)
    for before, after in pairwise(found):
        assert (after.joints - before.joints).abs().max() > 1e-3


def test_default_size(body: BodyModel):
    count = sum(p.numel() for p in MetricHMR(MetricHMRConfig(), body).parameters())
    assert 1e6 < count < 5e6  # 20 MB


def test_saved_network_answers_alike(
    tmp_path: Path, body: BodyModel, evidence: Evidence, network: MetricHMR
):
    network.save_pretrained(tmp_path / 'new' / 'net')
    again = MetricHMR.from_pretrained(tmp_path / 'new' / 'net', body=body)
    assert not again.training
    assert again.config == network.config
    assert_same(again(evidence), network(evidence), atol=0)


def _change_config(folder: Path, change: str) -> None:
    config = json.loads((folder / 'config.json').read_text())
    if change == 'unknown':
        config['network']['colour'] = 1
    elif change == 'missing':
        del config['network']['dim']
    elif change == 'size':
        config['network']['dim'] = 64
    elif change == 'body':
        config['body_model'] = 'smpl'
    (folder / 'config.json').write_text('{' if change == 'json' else json.dumps(config))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ('unknown', r"config: unknown \['colour'\], missing \[\]"),
        ('missing', r"config: unknown \[\], missing \['dim'\]"),
        ('size', r'is \(.*\): it must be \(.*\)'),
        ('body', "for body 'smpl', not 'anny_smpl24'"),
        ('json', 'Expecting'),
    ],
)
def test_rejects_configs_that_do_not_fit(
    tmp_path: Path, body: BodyModel, network: MetricHMR, change: str, message: str
):
    network.save_pretrained(tmp_path)
    _change_config(tmp_path, change)
    with pytest.raises(CheckpointError, match=message):
        MetricHMR.from_pretrained(tmp_path, body=body)


def test_rejects_weights_that_do_not_fit(tmp_path: Path, body: BodyModel, network: MetricHMR):
    network.save_pretrained(tmp_path)
    weights = load_file(tmp_path / 'model.safetensors')
    weights['extra'] = weights.pop('human_moe.0.norm.bias')
    save_file(weights, tmp_path / 'model.safetensors')
    message = r"weights: unknown \['extra'\], missing \['human_moe.0.norm.bias'\]"
    with pytest.raises(CheckpointError, match=message):
        MetricHMR.from_pretrained(tmp_path, body=body)
    (tmp_path / 'model.safetensors').write_bytes(b'short')
    with pytest.raises(CheckpointError):
        MetricHMR.from_pretrained(tmp_path, body=body)
    (tmp_path / 'model.safetensors').unlink()
    with pytest.raises(CheckpointError):
        MetricHMR.from_pretrained(tmp_path, body=body)


def test_names_what_ships_where_there_is_no_checkpoint(body: BodyModel):
    with pytest.raises(CheckpointError, match=r"no checkpoint at 'nowhere'.*that ships"):
        MetricHMR.from_pretrained('nowhere', body=body)
