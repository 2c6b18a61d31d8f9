"""Settings of the pipeline, and what is said where one cannot be met."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from metrichmsr_ros.cache import cache_dir
from metrichmsr_ros.models.methods import METHODS
from metrichmsr_ros.perception.blazepose.assets import AssetError, CACHE, find_assets
from metrichmsr_ros.perception.config import ESTIMATORS, PipelineConfig
from metrichmsr_ros.perception.pipeline import build_pipeline


@pytest.mark.parametrize(
    ('setting', 'rule'),
    [
        ({'estimator': 'magic'}, "estimator is 'magic': it must be one of metrichmr"),
        ({'depth_source': 'radar'}, "'radar': it must be one of none, topic, ground, map"),
        ({'depth_max_age': 0.0}, 'depth_max_age is 0.0: it must be above 0 s'),
        ({'camera_height': 0.0}, 'camera_height is 0.0: it must be above 0 m'),
        ({'camera_height': float('inf')}, 'camera_height is inf'),
        ({'landmark_network': 'huge'}, "'huge': it must be one of full, heavy"),
        ({'camera_tilt': 2.0}, 'camera_tilt is 2.0'),
        ({'camera_tilt': float('nan')}, 'camera_tilt is nan'),
        ({'max_people': 0}, 'max_people is 0: it must be at least 1'),
        ({'min_score': 1.0}, 'min_score is 1.0: it must be between 0 and 1'),
        ({'detector_budget_ms': 0.0}, 'detector_budget_ms is 0.0: it must be above 0 ms'),
        ({'threads': 0}, 'threads is 0'),
    ],
)
def test_config_rejects_bad_input(setting, rule):
    with pytest.raises(ValueError, match=rule):
        PipelineConfig(**setting)


def test_the_estimators_are_those_that_can_be_built():
    assert tuple(METHODS) == ESTIMATORS


@pytest.mark.parametrize('device', ['tpu', 'cuda:99', 'cuda:x', 'mps'])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(ValueError, match=f"device is '{device}'"):
        build_pipeline(PipelineConfig(device=device))


def test_threads_count_for_torch_too_and_in_other_threads():
    before = torch.get_num_threads()
    try:
        build_pipeline(PipelineConfig(device='cpu', threads=1))
        assert torch.get_num_threads() == 1
        with ThreadPoolExecutor(1) as worker:
            assert worker.submit(torch.get_num_threads).result() == 1
    finally:
        torch.set_num_threads(before)


def test_a_missing_body_file_is_named(tmp_path):
    with pytest.raises(Exception, match=r'no_body\.npz'):
        build_pipeline(PipelineConfig(device='cpu', body_model=tmp_path / 'no_body.npz'))


def test_missing_networks_are_named_and_not_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    with pytest.raises(RuntimeError, match=r'pose_.*tflite'):
        build_pipeline(PipelineConfig(device='cpu'))


def test_a_missing_heavy_network_is_not_replaced_in_silence(tmp_path, monkeypatch):
    try:
        found = find_assets()
    except AssetError as error:
        pytest.skip(str(error))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    cached = cache_dir(CACHE)
    cached.mkdir(parents=True)
    for path in (found.detector, found.landmarker):
        (cached / path.name).symlink_to(path)
    build_pipeline(PipelineConfig(device='cpu'))
    with pytest.raises(AssetError, match=r'pose_landmark_heavy\.tflite cannot be read'):
        build_pipeline(PipelineConfig(device='cpu', landmark_network='heavy'))
