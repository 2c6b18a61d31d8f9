import numpy as np
import pytest
from scipy.special import logit

from metrichmsr_ros.perception.blazepose.anchors import (
    anchor_centres,
    Candidates,
    concatenate,
    decode,
    merge,
    NUM_ANCHORS,
    NUM_VALUES,
)


def candidate(x, y, radius, score, *, head=None):
    hips, up = np.array([x, y], float), np.array([0, -radius])
    head_centre = hips + 0.7 * up if head is None else np.array(head, float)
    shoulders = hips + 0.5 * up
    return Candidates(
        scores=np.array([score]),
        faces=np.array([[*head_centre, 0.2 * radius, 0.2 * radius]]),
        points=np.array([[hips, hips + up, shoulders, shoulders + up]]),
    )


def test_anchors_in_closed_form():
    centres = anchor_centres()
    assert centres.shape == (NUM_ANCHORS, 2)
    assert 28 * 28 * 2 + 14 * 14 * 2 + 7 * 7 * 6 == NUM_ANCHORS
    np.testing.assert_allclose(centres[:2], 0.5 / 28)
    np.testing.assert_allclose(centres[2], [1.5 / 28, 0.5 / 28])  # x runs first
    np.testing.assert_allclose(centres[2 * 28], [0.5 / 28, 1.5 / 28])
    np.testing.assert_allclose(centres[1568], 0.5 / 14)
    np.testing.assert_allclose(centres[1960:1966], 0.5 / 7)
    np.testing.assert_allclose(centres[-1], 6.5 / 7)
    np.testing.assert_allclose(centres.mean(axis=0), 0.5)


def test_decode_adds_the_anchor_to_places_and_not_to_sizes():
    values = np.zeros((NUM_ANCHORS, NUM_VALUES), np.float32)
    logits = np.full(NUM_ANCHORS, -9.0)
    values[700] = [1, 2, 30, 40, 5, 6, 7, 8, 9, 10, 11, 12]
    logits[700] = logit(0.75)
    found = decode(values, logits, anchor_centres(), min_score=0.5)
    anchor = 224 * anchor_centres()[700]
    np.testing.assert_allclose(found.scores, [0.75])
    np.testing.assert_allclose(found.faces, [[anchor[0] + 1, anchor[1] + 2, 30, 40]])
    np.testing.assert_allclose(found.points[0], anchor + np.arange(5, 13).reshape(4, 2))
    assert not values[0].any(), 'the input must stay as it was'


def test_decode_of_nothing_is_nobody():
    values = np.zeros((NUM_ANCHORS, NUM_VALUES), np.float32)
    found = decode(values, np.full(NUM_ANCHORS, -1.0), anchor_centres(), min_score=0.5)
    assert found.points.shape == (0, 4, 2)
    assert merge(found).faces.shape == (0, 4)
    assert merge(found).boxes().shape == found.rois(factor=1.25).shape == (0, 4)


def test_merge_averages_by_score_and_keeps_the_best_score():
    merged = merge(concatenate([candidate(103, 100, 50, 0.4), candidate(100, 100, 50, 0.8)]))
    np.testing.assert_allclose(merged.scores, [0.8])
    np.testing.assert_allclose(merged.points[0, 0], [101, 100])


def test_merge_keeps_neighbours_and_sizes_apart():
    people = [
        candidate(100, 100, 50, 0.9),
        candidate(125, 100, 50, 0.8),  # shoulder to shoulder
        candidate(100, 100, 20, 0.7),  # far away behind the first
    ]
    assert len(merge(concatenate(people)).scores) == 3


def test_merge_joins_readings_of_one_head():
    half_seen = candidate(100, 130, 80, 0.6, head=(100, 65))
    merged = merge(concatenate([candidate(100, 100, 50, 0.9), half_seen]))
    assert len(merged.scores) == 1


def test_merge_is_ordered_and_ignores_the_order_of_its_input():
    people = [candidate(100 * i, 50, 40, score) for i, score in enumerate((0.6, 0.9, 0.7))]
    merged = merge(concatenate(people))
    np.testing.assert_allclose(merged.scores, [0.9, 0.7, 0.6])
    np.testing.assert_allclose(merge(concatenate(people[::-1])).points, merged.points)


def test_boxes_and_rois_follow_the_body_axis():
    standing = candidate(100, 200, 50, 0.9)
    box = standing.boxes()[0]
    assert box[3] - box[1] == pytest.approx(2.5 * (box[2] - box[0]))
    np.testing.assert_allclose((box[:2] + box[2:]) / 2, [100, 200])
    np.testing.assert_allclose(standing.rois(factor=1.25), [[100, 200, 125, 0]], atol=1e-5)
    lying = Candidates(standing.scores, standing.faces, standing.points[..., ::-1])
    box = lying.boxes()[0]
    assert box[2] - box[0] == pytest.approx(2.5 * (box[3] - box[1]))
