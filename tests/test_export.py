"""Every size goes through ``torch.export`` whole, into operations that TensorRT has."""

from dataclasses import fields, replace
import json
import operator
from pathlib import Path
from typing import Any

from made_evidence import made_evidence
from made_images import made_images, shaken, TINY
import pytest
import torch
from torch.export import default_decompositions, Dim, ExportedProgram

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.models.depth_refiner import DepthRefiner
from metrichmsr_ros.models.depth_refiner_input import CHANNELS, RefinerInput
from metrichmsr_ros.models.metric_hmr import MetricHMR
from metrichmsr_ros.models.network_config import MetricHMRConfig
from metrichmsr_ros.models.prediction import Prediction

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CONVERTERS = Path(__file__).with_name('tensorrt_converters.json')
BLOCKS = {'patch_blocks': 1, 'global_blocks': 1, 'stages': 2}  # more are more of the same
# Widths and depths change no operation; those of `base` and `paper` are in benchmarks/sizes.py.
CONFIGS = {'blazepose': replace(MetricHMRConfig(), **BLOCKS), 'vitpose': TINY}


@pytest.fixture(scope='module', params=CONFIGS)
def case(request: pytest.FixtureRequest) -> tuple[MetricHMR, Any, ExportedProgram]:
    """Return a network, the evidence of three people, and the export for any number of them."""
    torch.manual_seed(0)
    body, config = BodyModel.load(), CONFIGS[request.param]
    network = shaken(MetricHMR(config, body))
    vitpose = request.param == 'vitpose'
    evidence = made_images() if vitpose else made_evidence(body, 3)[0]
    people = Dim('people', min=1, max=64)
    exported = torch.export.export(
        network,
        (evidence[:2],),
        dynamic_shapes=([{0: people} for _ in fields(evidence)],),
        strict=True,  # a graph break is an error
    )
    return network, evidence, exported


def test_answers_alike_for_any_number_of_people(case: tuple):
    network, evidence, exported = case
    for count in (1, 3):
        found, wanted = exported.module()(evidence[:count]), network(evidence[:count])
        for item in fields(Prediction):
            torch.testing.assert_close(
                getattr(found, item.name), getattr(wanted, item.name), atol=1e-5, rtol=1e-4
            )


def test_every_operation_has_a_tensorrt_converter(case: tuple):
    lowered = case[2].run_decompositions(_torch_tensorrt_decompositions())
    found = {_name(node.target) for node in lowered.graph.nodes if node.op == 'call_function'}
    assert 'aten.scaled_dot_product_attention.default' in found
    assert sorted(found - set(json.loads(CONVERTERS.read_text())['targets'])) == []


def _torch_tensorrt_decompositions() -> dict:
    """Return what Torch-TensorRT 2.13 decomposes, as far as these graphs have it.

    That is core ATen, but attention stays whole, as it has a converter of its own; and an alias,
    which is what ``detach`` leaves in an exported graph, is its argument.
    """
    table = default_decompositions()
    table.pop(torch.ops.aten.scaled_dot_product_attention.default)
    table[torch.ops.aten.alias.default] = lambda tensor: tensor
    return table


def _name(target: Any) -> str:
    """Return a target's name as the list has it: sizes are computed by Python's operators."""
    if target is getattr(operator, getattr(target, '__name__', ''), None):
        return f'operator.{target.__name__}'
    return str(target)


def test_the_depth_refiner_answers_alike_for_any_number_of_images() -> None:
    torch.manual_seed(0)
    network = shaken(DepthRefiner()).eval()
    scene = RefinerInput(
        torch.randn(2, CHANNELS, 88, 160), 1 + torch.rand(2, 88, 160),
        torch.ones(2, 88, 160, dtype=torch.bool), torch.tensor([2.0, 3.0]),
    )  # fmt: skip
    images = Dim('images', min=1, max=16)
    shapes = (RefinerInput(*({0: images} for _ in scene)),)
    exported = torch.export.export(network, (scene,), dynamic_shapes=shapes, strict=True)
    one = RefinerInput(*(value[:1] for value in scene))
    for found, wanted in zip(exported.module()(one), network(one), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
