import numpy as np
import pytest

from metrichmsr_ros.perception.blazepose.assets import AssetError, find_assets
from metrichmsr_ros.runtime.litert import LiteRtNetwork


@pytest.fixture(scope='module')
def detector_path():
    try:
        return find_assets().detector
    except AssetError as error:
        pytest.skip(str(error))


def test_runs_and_repeats(detector_path):
    network = LiteRtNetwork(detector_path)
    network.require((1, 224, 224, 3), ((1, 2254, 12), (1, 2254, 1)))
    image = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
    first = network(image)
    kept = [output.copy() for output in first]
    network(-image)
    for output, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(output, copy)  # results are not overwritten by the next call
    for output, again in zip(kept, network(image), strict=True):
        np.testing.assert_array_equal(output, again)


def test_wrong_input_is_refused(detector_path):
    network = LiteRtNetwork(detector_path)
    with pytest.raises(ValueError, match=r'must be float32 \(1, 224, 224, 3\)'):
        network(np.zeros((1, 224, 224, 3)))
    with pytest.raises(ValueError, match=r'input is float32 \(2, 224, 224, 3\)'):
        network(np.zeros((2, 224, 224, 3), np.float32))


def test_other_shapes_than_required_are_refused(detector_path):
    with pytest.raises(ValueError, match='must map'):
        LiteRtNetwork(detector_path).require((1, 256, 256, 3), ())


def test_what_is_no_network_is_refused(tmp_path):
    (tmp_path / 'text.tflite').write_text('this is not a network')
    for name in ('text.tflite', 'missing.tflite'):
        with pytest.raises(ValueError, match=f'{name} is not a network that LiteRT can run'):
            LiteRtNetwork(tmp_path / name)


def test_thread_count_is_checked(tmp_path):
    with pytest.raises(ValueError, match='num_threads is 0'):
        LiteRtNetwork(tmp_path / 'any', num_threads=0)
