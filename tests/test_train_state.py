import pytest
import torch
from torch import nn

from metrichmsr_ros.train_config import ADAMW, MUON, TrainConfig
from metrichmsr_ros.train_state import make_optimizers, use_bfloat16


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide, self.narrow = nn.Linear(40, 32), nn.Linear(40, 6)
        self.filters = nn.Conv2d(32, 32, 3)
        self.table = nn.Parameter(torch.zeros(64, 64))


def test_muon_takes_the_matrices_of_wide_linear_layers_and_adamw_the_rest():
    model = Mixed()
    adamw, muon = make_optimizers(model, TrainConfig(optimizer=MUON))
    (only,) = muon.param_groups
    assert [id(value) for value in only['params']] == [id(model.wide.weight)]
    rest = [id(value) for group in adamw.param_groups for value in group['params']]
    wanted = {id(value) for value in model.parameters()} - {id(model.wide.weight)}
    assert len(rest) == len(wanted)
    assert set(rest) == wanted
    (alone,) = make_optimizers(model, TrainConfig(optimizer=ADAMW))
    assert sum(len(group['params']) for group in alone.param_groups) == 7


def test_muon_moves_a_matrix_in_all_directions_alike():
    rate, steps = 1e-3, {}
    weight = torch.randn(32, 40, generator=torch.Generator().manual_seed(0))
    gradient = weight[:, :1] * weight[:1]  # of one direction only, but for a little noise
    gradient = gradient + 0.01 * torch.randn(32, 40, generator=torch.Generator().manual_seed(1))
    for name in (ADAMW, MUON):
        model = Mixed()
        before = model.wide.weight.detach().clone()
        config = TrainConfig(optimizer=name, learning_rate=rate, weight_decay=0.0)
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        model.wide.weight.grad = gradient
        for optimizer in make_optimizers(model, config):
            optimizer.step()
        steps[name] = before - model.wide.weight.detach()
    lengths = {name: step.square().mean().sqrt().item() for name, step in steps.items()}
    assert lengths[ADAMW] == pytest.approx(rate, rel=0.01)  # its first one; later ones 0.2 of it
    assert lengths[MUON] == pytest.approx(0.2 * rate, rel=0.3)
    spreads = [torch.linalg.svdvals(value) for value in (gradient, steps[MUON])]
    before, after = (values[0] / values[15] for values in spreads)  # of half of the directions
    assert before > 100
    assert after < 3


def test_a_torch_without_muon_is_named(monkeypatch):
    monkeypatch.delattr(torch.optim, 'Muon')
    with pytest.raises(ValueError, match=r"optimizer='muon' needs torch 2\.9, this is "):
        make_optimizers(Mixed(), TrainConfig(optimizer=MUON))


def test_bfloat16_stays_inside_a_module():
    linear = nn.Linear(8, 8)
    seen = []
    linear.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    use_bfloat16(linear, torch.device('cpu'))
    x = torch.randn(4, 8)

    y = linear(x)

    assert (seen, y.dtype) == ([torch.bfloat16], torch.float32)
    assert not torch.is_autocast_enabled('cpu')
    with pytest.raises(RuntimeError):
        linear(torch.randn(4, 7))
    assert not torch.is_autocast_enabled('cpu')
