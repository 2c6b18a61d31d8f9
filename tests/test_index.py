"""The reader of an evaluation index."""

import json

import cv2
import numpy as np
import pytest

from metrichmsr_ros.data.index import read_index


def image_entry(file: str, people: list[dict]) -> dict:
    K = [[300.0, 0, 159.5], [0, 300, 119.5], [0, 0, 1]]
    return {'file': file, 'width': 320, 'height': 240, 'K': K, 'people': people}


@pytest.mark.parametrize(
    ('change', 'rule'),
    [
        (lambda d: d.update(schema=3), '"schema": 3'),
        (lambda d: d.pop('images'), 'a list "images"'),
        (lambda d: d['images'][0].pop('K'), r"images\[0\] \(a\.jpg\) has no 'K'"),
        (lambda d: d['images'][0].update(K=[[1, 2], [3, 4]]), r'K must be \(3, 3\)'),
        (lambda d: d['images'][0].update(width=0), r'images\[0\]'),
        (lambda d: d['images'][0].update(distortion_model='round'), 'round'),
        (lambda d: d['images'][0]['people'][0].update(bbox_xyxy=[5, 5, 1, 9]), 'x_min < x_max'),
        (lambda d: d['images'][0]['people'][0].update(joints={'nose': [1, 2]}), 'joint nose'),
        (lambda d: d['images'].append(d['images'][0]), 'appears more than once'),
        (lambda d: d['images'].append('b.jpg'), r'images\[1\]'),
    ],
)
def test_wrong_index_is_refused(tmp_path, change, rule):
    entry = image_entry('a.jpg', [{'bbox_xyxy': [0, 0, 5, 5]}])
    document = {'schema': 1, 'images': [entry]}
    change(document)
    path = tmp_path / 'index.json'
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=rule):
        read_index(path)


def test_images_of_the_index_are_checked(tmp_path):
    path = tmp_path / 'index.json'
    path.write_text(json.dumps({'schema': 1, 'images': [image_entry('a.png', [])]}))
    image = read_index(path)[0]
    with pytest.raises(ValueError, match=r'a\.png is missing'):
        image.read_image()
    image.path.write_bytes(b'not an image')
    with pytest.raises(ValueError, match=r'a\.png is not a readable image'):
        image.read_image()
    cv2.imwrite(str(image.path), np.zeros((9, 7, 3), np.uint8))
    with pytest.raises(ValueError, match='7x9 pixels, but the index says 320x240'):
        image.read_image()
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[..., 2] = 200  # OpenCV writes blue first
    cv2.imwrite(str(image.path), picture)
    np.testing.assert_array_equal(image.read_image()[0, 0], [200, 0, 0])


def test_brackets_without_end_are_no_json(tmp_path):
    (tmp_path / 'index.json').write_text('[' * 200_000)
    with pytest.raises(ValueError, match='is not JSON'):
        read_index(tmp_path / 'index.json')
