import json
import sys
from types import SimpleNamespace

from made_depth_networks import make_depth_anything, make_dpt
import numpy as np
import pytest
from safetensors.torch import load_file, save_file
import torch
from transformers import AutoImageProcessor, Dinov2Config, DPTConfig, GLPNConfig, ViTConfig

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.depth_sources import hugging_face, model_folder
from metrichmsr_ros.perception.depth_sources.hugging_face import HuggingFaceDepth
from metrichmsr_ros.structures import Frame

CAMERA = Camera.from_fov(160, 120, np.deg2rad(70))
IMAGE = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8).repeat(20, 0).repeat(20, 1)
FRAME = Frame(IMAGE, CAMERA, 7)


def predicted(network, folder):
    """What the network says of ``IMAGE``, brought to its size by other means than the source's."""
    processor = AutoImageProcessor.from_pretrained(folder)
    with torch.no_grad():
        found = network(**processor(images=IMAGE, return_tensors='pt')).predicted_depth
    found = torch.nn.functional.interpolate(found[None], (120, 160), mode='bicubic')
    return found[0, 0].numpy()


def test_a_metric_network_gives_metres(tmp_path):
    network = make_depth_anything(tmp_path, depth_estimation_type='metric', max_depth=20)
    found = HuggingFaceDepth(str(tmp_path)).depth(FRAME)
    np.testing.assert_allclose(found.depth_z, predicted(network, tmp_path), rtol=1e-4)
    assert np.ptp(found.depth_z) > 0.1
    assert found.depth_z.dtype == np.float32
    assert found.camera == CAMERA
    assert found.source == 'huggingface'
    assert found.metric
    assert not found.inverse
    assert not found.measured
    assert found.sees_people
    assert found.scale_sigma == 0.2


@pytest.mark.parametrize('make', [make_depth_anything, make_dpt])
def test_a_relative_networks_depth_is_one_over_what_it_says(tmp_path, make):
    inverse = predicted(make(tmp_path), tmp_path)
    found = HuggingFaceDepth(str(tmp_path)).depth(FRAME)
    assert not found.metric
    assert found.inverse
    share = inverse / np.median(inverse[inverse > 0])
    clear = share > 0.1
    assert clear.mean() > 0.8
    np.testing.assert_allclose(found.depth_z[clear], 1 / share[clear], rtol=1e-3)
    assert np.isnan(found.depth_z[share < 0.01]).all()


def test_next_to_no_inverse_depth_is_unknown():
    inverse = np.array([[0.0, -1.0, 0.01], [1.0, 1.0, 2.0]], np.float32)
    depth_z = hugging_face._inverted(inverse)
    np.testing.assert_allclose(depth_z, [[np.nan] * 3, [1, 1, 0.5]])
    assert np.isnan(hugging_face._inverted(np.zeros((2, 2), np.float32))).all()


def test_the_sky_and_what_is_behind_the_camera_are_unknown():
    depth_z = hugging_face._plausible(np.array([[1e4, -0.1, 0.0, 3.0, np.nan, np.inf]]))
    np.testing.assert_array_equal(depth_z, [[np.nan, np.nan, np.nan, 3.0, np.nan, np.nan]])


def fake_network(model_type, field_of_view):
    """A Depth Pro that sees a wall at 1 / 0.4 image widths, as ``transformers`` processes it."""

    def post_process(output, *, target_sizes):
        (height, width), focal = target_sizes[0], None
        inverse = torch.full((height, width), 0.4)
        if field_of_view is not None:
            focal = 0.5 * width / torch.tan(torch.deg2rad(torch.tensor(field_of_view)) / 2)
            inverse = inverse * width / focal
        return [{'predicted_depth': 1 / inverse, 'focal_length': focal}]

    class Processor:
        post_process_depth_estimation = staticmethod(post_process)

        def __call__(self, **inputs):
            return {'pixel_values': torch.zeros(1)}

    class Network(torch.nn.Module):
        config = SimpleNamespace(model_type=model_type)

    Network.forward = lambda self, pixels: pixels
    return Processor(), Network()


@pytest.mark.parametrize('field_of_view', [40.0, 90.0, None])
def test_depth_pro_is_told_the_true_focal_length(tmp_path, monkeypatch, field_of_view):
    make_dpt(tmp_path)
    fake = fake_network('depth_pro', field_of_view)
    monkeypatch.setattr(hugging_face, '_load', lambda folder: fake)
    depth_z = HuggingFaceDepth(str(tmp_path)).depth(FRAME).depth_z
    np.testing.assert_allclose(depth_z, CAMERA.K[0, 0] / 160 / 0.4, rtol=1e-5)


def test_what_a_network_predicts_is_read_off_its_configuration():
    dinov2 = Dinov2Config(out_indices=[1, 2, 3, 4], reshape_hidden_states=False)
    assert hugging_face.prediction_kind(DPTConfig()) == 'inverse'
    assert hugging_face.prediction_kind(DPTConfig(backbone_config=dinov2)) == 'metric'
    assert hugging_face.prediction_kind(GLPNConfig()) == 'metric'
    with pytest.raises(ValueError, match="model_type is 'vit': it must be one of depth_anything"):
        hugging_face.prediction_kind(ViTConfig())


def test_a_folder_that_is_none_is_named(tmp_path):
    for folder in (tmp_path / 'nowhere', tmp_path):
        with pytest.raises(ValueError, match=r"depth_model '.*': it must be a folder with config"):
            HuggingFaceDepth(str(folder))
    with pytest.raises(ValueError, match=r'or hub:owner/name$'):
        HuggingFaceDepth('depth-anything/Depth-Anything-V2-Small-hf')


def without(tensor):
    def spoil(folder):
        weights = load_file(folder / 'model.safetensors')
        save_file(
            {name: value for name, value in weights.items() if tensor not in name},
            folder / 'model.safetensors',
            metadata={'format': 'pt'},
        )

    return spoil


def of_another_kind(folder):
    (folder / 'config.json').write_text(json.dumps({'model_type': 'vit'}))


@pytest.mark.parametrize(
    ('spoil', 'reason'),
    [
        (without('head.conv3'), 'missing weights: head.conv3.bias and 1 more'),
        (of_another_kind, "model_type is 'vit'"),
        (lambda folder: (folder / 'config.json').write_text('{'), 'config.json'),
        (lambda folder: (folder / 'model.safetensors').write_bytes(b'none'), 'header'),
        (lambda folder: (folder / 'preprocessor_config.json').unlink(), 'preprocessor_config'),
    ],
    ids=['incomplete', 'other kind', 'config', 'weights', 'no processor'],
)
def test_a_bad_folder_is_explained_in_one_line(tmp_path, spoil, reason):
    make_depth_anything(tmp_path)
    spoil(tmp_path)
    with pytest.raises(ValueError, match=reason) as caught:
        HuggingFaceDepth(str(tmp_path))
    assert str(caught.value).startswith(f"depth_model '{tmp_path}': ")
    assert '\n' not in str(caught.value)


def test_what_no_feature_is_fused_into_may_be_missing(tmp_path):
    make_dpt(tmp_path)
    before = HuggingFaceDepth(str(tmp_path)).depth(FRAME).depth_z
    without('fusion_stage.layers.0.residual_layer1')(tmp_path)
    after = HuggingFaceDepth(str(tmp_path)).depth(FRAME).depth_z
    # Its inverse is what the network says; sums differ in the last bits by thread.
    np.testing.assert_allclose(1 / after, 1 / before, rtol=1e-4, atol=1e-5)


def test_the_missing_package_is_named_with_the_command(tmp_path, monkeypatch):
    make_dpt(tmp_path)
    monkeypatch.setitem(sys.modules, 'transformers', None)
    with pytest.raises(
        ValueError, match=r"transformers is not installed: pip install 'metrichmsr_ros\[depth\]'"
    ):
        HuggingFaceDepth(str(tmp_path))


def test_torchvision_is_named_where_it_is_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, 'torchvision', None)
    with (
        pytest.raises(ValueError, match="'tvF' is not defined; torchvision is not installed"),
        model_folder.explained('x', needs='transformers', install='pip'),
    ):
        raise NameError("name 'tvF' is not defined")


def test_the_hub_is_asked_only_for_what_is_not_in_its_cache(tmp_path, monkeypatch):
    make_dpt(tmp_path / 'model')
    asked = []

    def snapshot_download(name, *, allow_patterns, local_files_only=False):
        asked.append((name, local_files_only))
        if local_files_only and name == 'owner/new':
            raise FileNotFoundError('not in the cache')
        if name == 'owner/unreachable':
            raise OSError('no\nnetwork')
        return str(tmp_path / 'model')

    monkeypatch.setattr('huggingface_hub.snapshot_download', snapshot_download)
    assert HuggingFaceDepth('hub:owner/cached').depth(FRAME).depth_z.shape == (120, 160)
    assert HuggingFaceDepth('hub:owner/new').depth(FRAME).depth_z.shape == (120, 160)
    assert asked == [('owner/cached', True), ('owner/new', True), ('owner/new', False)]
    with pytest.raises(ValueError, match="depth_model 'hub:owner/unreachable': no network"):
        HuggingFaceDepth('hub:owner/unreachable')
