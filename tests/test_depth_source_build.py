import subprocess
import sys

from made_depth_networks import make_depth_anything
import pytest

from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.perception.depth_sources import (
    Background,
    build_depth_source,
    GroundPlane,
    hugging_face,
    map_anything,
    TopicDepth,
)
from metrichmsr_ros.perception.depth_sources.build import DEFAULT_MODELS
from metrichmsr_ros.perception.depth_sources.hugging_face import HuggingFaceDepth


def build(**config):
    return build_depth_source(PipelineConfig(**config), 'cpu')


def test_what_needs_no_network_is_built():
    assert build(depth_source='none') is None
    assert isinstance(build(depth_source='topic'), TopicDepth)
    assert isinstance(build(depth_source='ground'), GroundPlane)


def test_a_network_works_beside_a_stream_and_in_place_on_single_images(tmp_path):
    make_depth_anything(tmp_path)
    config = {'depth_source': 'huggingface', 'depth_model': str(tmp_path)}
    stream = build(**config)
    assert isinstance(stream, Background)
    stream.close()
    assert isinstance(build(**config, detector_budget_ms=None), HuggingFaceDepth)


@pytest.mark.parametrize(
    ('name', 'place'),
    [
        ('huggingface', (hugging_face, 'HuggingFaceDepth')),
        ('mapanything', (map_anything, 'MapAnythingDepth')),
    ],
)
def test_each_network_has_a_model_of_its_own(name, place, monkeypatch):
    class Network:
        def __init__(self, model, *, device):
            self.model, self.device = model, device

    monkeypatch.setattr(*place, Network)
    for given in ('', 'hub:owner/other'):
        source = build(depth_source=name, depth_model=given, detector_budget_ms=None)
        assert source.model == (given or DEFAULT_MODELS[name])
        assert source.device == 'cpu'


def test_who_draws_a_floor_needs_no_torch():
    program = (
        'import sys; import metrichmsr_ros.perception.depth_sources; '
        'sys.exit("torch" in sys.modules)'
    )
    assert subprocess.run([sys.executable, '-c', program]).returncode == 0


def test_a_network_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ValueError, match=r'depth_model .* must be a folder'):
        build(depth_source='huggingface', depth_model=str(tmp_path / 'nowhere'))
