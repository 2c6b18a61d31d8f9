from pathlib import Path

import cv2
from made_bags import DEPTH, Recorder, RED
import numpy as np
import pytest

from metrichmsr_ros.data.sources import SourceError
from metrichmsr_ros.data.synthetic.world import WorldConfig
from metrichmsr_ros.ros.parameters import DEFAULTS
from metrichmsr_ros.ros.presets import (
    load_preset,
    parameter_arguments,
    preset_names,
    preset_of_source,
    TOPICS,
)

FOLDER = Path(__file__).parents[1] / 'config' / 'cameras'


def test_all_presets_of_the_readme_are_there():
    assert preset_names(FOLDER) == ['bag', 'realsense', 'synthetic', 'usb', 'zed']


@pytest.mark.parametrize('name', preset_names(FOLDER))
def test_presets_name_topics_and_parameters_that_the_node_has(name):
    preset = load_preset(name, FOLDER)
    assert set(preset.topics) == set(TOPICS)
    assert set(preset.parameters) <= set(DEFAULTS)
    for parameter, value in preset.parameters.items():
        assert type(value) is type(DEFAULTS[parameter])


def test_a_file_is_a_preset_too(tmp_path):
    path = tmp_path / 'mine.yaml'
    path.write_text(
        'topics: {image: a, camera_info: b, depth: c, depth_camera_info: d}\n'
        'frame: f\nparameters: {}\n'
    )
    preset = load_preset(str(path), FOLDER)
    assert preset.remappings[:2] == [('image', 'a'), ('camera_info', 'b')]


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"'kinect' is not one of bag, realsense"):
        load_preset('kinect', FOLDER)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('topics: {image: a', 'is not YAML'),
        ('- 1', 'must have the keys'),
        ('topics: {image: a}\nframe: f\nparameters: {}', 'topics must be exactly'),
    ],
)
def test_rejects_bad_files(tmp_path, text, message):
    path = tmp_path / 'bad.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_preset(str(path), FOLDER)


def test_arguments_quote_what_yaml_would_misread():
    words = parameter_arguments({'source': "it's 1", 'on': True, 'rate': 2.0})
    assert words == ['-p', "source:='it''s 1'", '-p', 'on:=true', '-p', 'rate:=2.0']


def test_a_source_without_depth_asks_for_none(tmp_path):
    cv2.imwrite(str(tmp_path / 'photo.png'), np.zeros((8, 8, 3), np.uint8))
    preset = preset_of_source(str(tmp_path / 'photo.png'), FOLDER)
    assert preset.parameters == {'depth_source': 'none'}
    assert preset.topics == load_preset('bag', FOLDER).topics


@pytest.mark.parametrize('with_depth', [True, False])
def test_a_bag_with_a_depth_topic_asks_for_it_though_it_starts_later(tmp_path, with_depth):
    recorder = Recorder(tmp_path / 'walk', 'mcap')
    with recorder.writer:
        for n in range(5):
            recorder.image('/rgb', 10.0 + n, RED, 'rgb8')
        if with_depth:
            recorder.image('/depth', 14.0, DEPTH, '16UC1')
    preset = preset_of_source(str(tmp_path / 'walk'), FOLDER)
    assert preset.parameters['depth_source'] == ('topic' if with_depth else 'none')


def test_the_synthetic_presets_floor_is_that_of_the_room():
    preset = preset_of_source('synthetic', FOLDER)
    assert preset.parameters['depth_source'] == 'ground'
    assert preset.parameters['camera_height'] == WorldConfig().camera_height
    assert preset.parameters['camera_tilt'] == WorldConfig().camera_tilt


def test_a_missing_source_is_told():
    with pytest.raises(SourceError, match='nowhere does not exist'):
        preset_of_source('nowhere', FOLDER)
