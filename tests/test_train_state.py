import pytest
import torch
from torch import nn

from metrichmsr_ros.train_state import use_bfloat16


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
