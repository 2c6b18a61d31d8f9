import numpy as np
import pytest

from metrichmsr_ros.perception.detection import detections_from_boxes


def test_rois_are_squares_about_the_boxes():
    boxes = np.array([[10, 20, 50, 120], [0, 0, 200, 100]])
    detections = detections_from_boxes(boxes, np.array([0.5, 0.75]))
    np.testing.assert_allclose(detections.rois, [[30, 70, 125, 0], [100, 50, 250, 0]])
    np.testing.assert_allclose(detections.boxes, boxes)
    np.testing.assert_allclose(detections.scores, [0.5, 0.75])
    assert {detections.boxes.dtype, detections.scores.dtype, detections.rois.dtype} == {
        np.dtype(np.float32)
    }


def test_no_boxes_and_no_scores():
    assert len(detections_from_boxes(np.zeros((0, 4)))) == 0
    np.testing.assert_array_equal(detections_from_boxes(np.array([[0, 0, 1, 1]])).scores, 1)


@pytest.mark.parametrize(
    'boxes', [[[0, 0, 0, 1]], [[0, 2, 1, 1]], [[0, 0, np.nan, 1]], [[0, 0, 1]]]
)
def test_bad_boxes_are_refused(boxes):
    with pytest.raises(ValueError, match='boxes'):
        detections_from_boxes(np.array(boxes, float))


def test_scores_of_another_length_are_refused():
    with pytest.raises(ValueError, match='scores have shape'):
        detections_from_boxes(np.array([[0, 0, 1, 1]]), np.ones(2))
