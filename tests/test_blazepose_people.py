from dataclasses import replace

import numpy as np
import pytest

from metrichmsr_ros.perception.blazepose.people import (
    is_new_person,
    is_person,
    suppress_duplicates,
)
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.structures import Landmarks

SIZE = {'width': 640, 'height': 480}
MIN_SCORE = PipelineConfig().min_score  # what the pipeline asks of known people


def standing(x, y, height, *, score=1.0, visibility=0.8, turn=0.0, next_shift=(0.0, 0.0)):
    """A made-up standing person about the mid-hip (x, y), pixels."""
    rng = np.random.default_rng(0)
    body = np.zeros((33, 3))
    body[:11, :2] = [0, -0.38] + 0.02 * rng.normal(size=(11, 2))
    body[11:17, :2] = [
        [0.1, -0.28],
        [-0.1, -0.28],
        [0.14, -0.12],
        [-0.14, -0.12],
        [0.15, 0],
        [-0.15, 0],
    ]
    body[17:23, :2] = [[0.15, 0.04], [-0.15, 0.04]] * 3
    body[23:25, :2] = [[0.06, 0], [-0.06, 0]]
    body[25:33, :2] = [[0.06, 0.22], [-0.06, 0.22], *[[0.06, 0.44], [-0.06, 0.44]] * 3]
    cos, sin = np.cos(turn), np.sin(turn)
    points = height * body
    points[:, :2] = points[:, :2] @ [[cos, sin], [-sin, cos]] + [x, y]
    roi = np.array([[x, y, 1.25 * height, turn]])
    shifted = roi.copy()
    shifted[0, :2] += np.multiply(next_shift, 1.25 * height)
    box = np.concatenate([points[:, :2].min(axis=0), points[:, :2].max(axis=0)])[None]
    ones = np.ones((1, 33))
    values = (points[None], 0 * points[None], visibility * ones, ones, np.array([score]), box)
    return Landmarks(*(np.float32(value) for value in (*values, roi, shifted)))


def together(*people):
    return Landmarks(
        **{name: np.concatenate([getattr(p, name) for p in people]) for name in vars(people[0])}
    )


def test_a_person_is_a_person():
    person = standing(320, 240, 300)
    assert is_person(person, **SIZE, min_score=MIN_SCORE).tolist() == [True]
    assert is_new_person(person, **SIZE).tolist() == [True]


@pytest.mark.parametrize(
    'reading',
    [
        standing(320, 240, 300, score=0.4),
        standing(320, 240, 300, visibility=0.1),
        standing(-200, 240, 300),  # outside the image
    ],
)
def test_what_is_nobody(reading):
    assert not is_person(reading, **SIZE, min_score=MIN_SCORE).any()
    assert not is_new_person(reading, **SIZE).any()


def test_a_body_without_a_torso_is_nobody():
    person = standing(320, 240, 300)
    person.image[0, 11:13] = person.image[0, 23:25]
    assert not is_person(person, **SIZE, min_score=MIN_SCORE).any()


@pytest.mark.parametrize(
    'reading',
    [
        standing(320, 240, 300, score=0.7),
        standing(320, 240, 300, visibility=0.3),
        standing(320, 240, 300, next_shift=(0.06, 0)),
        standing(320, 240, 300, visibility=0.5, turn=1.4),  # clothes on the ground look like this
    ],
)
def test_new_people_must_be_surer_than_known_ones(reading):
    assert is_person(reading, **SIZE, min_score=MIN_SCORE).all()
    assert not is_new_person(reading, **SIZE).any()


def test_a_crop_that_keeps_growing_is_not_new():
    person = standing(320, 240, 300)
    person.next_rois[:, 2] *= 1.2
    assert not is_new_person(person, **SIZE).any()


def test_somebody_lying_in_plain_sight_is_a_person():
    assert is_new_person(standing(320, 240, 300, turn=1.4), **SIZE).all()


def test_half_a_person_at_the_border_is_a_person():
    assert is_new_person(standing(5, 240, 300), **SIZE).all()


def test_one_reading_of_each_person_is_kept():
    people = together(
        standing(100, 240, 300, visibility=0.7),
        standing(104, 243, 310, visibility=0.9),
        standing(400, 240, 300),
    )
    assert suppress_duplicates(people).tolist() == [1, 2]
    assert suppress_duplicates(people.select([1, 0, 2])).tolist() == [0, 2]
    assert suppress_duplicates(people, num_known=1).tolist() == [0, 2]


def test_people_beside_and_behind_each_other_are_kept():
    shoulder_to_shoulder = together(standing(200, 240, 300), standing(275, 240, 300))
    assert suppress_duplicates(shoulder_to_shoulder).tolist() == [0, 1]
    far_one_behind = together(standing(200, 240, 300), standing(215, 200, 60))
    assert suppress_duplicates(far_one_behind).tolist() == [0, 1]


def test_a_part_of_a_person_is_dropped():
    on_the_leg = standing(200, 330, 80, visibility=0.5)
    assert suppress_duplicates(together(standing(200, 240, 300), on_the_leg)).tolist() == [0]
    assert suppress_duplicates(together(on_the_leg, standing(200, 240, 300))).tolist() == [1]


def test_known_people_who_pass_each_other_are_both_kept():
    passing = together(standing(200, 240, 300), standing(230, 240, 260))
    assert suppress_duplicates(passing).tolist() == [0]
    assert suppress_duplicates(passing, num_known=2).tolist() == [0, 1]


def test_known_people_on_one_body_are_one():
    same = together(standing(200, 240, 300), standing(201, 240, 301, visibility=0.9))
    assert suppress_duplicates(same, num_known=2).tolist() == [1]


def test_a_known_person_who_is_read_off_the_one_before_is_hidden():
    hidden = standing(235, 235, 290, visibility=0.45)
    people = together(standing(200, 240, 300), hidden)
    assert suppress_duplicates(people, num_known=2).tolist() == [0]
    assert suppress_duplicates(people.select([1, 0]), num_known=2).tolist() == [1]
    beside = together(standing(200, 240, 300), standing(275, 240, 300, visibility=0.45))
    assert suppress_duplicates(beside, num_known=2).tolist() == [0, 1]


def test_known_people_on_one_body_are_one_whatever_their_crops():
    larger = standing(200, 240, 300, visibility=0.7)
    rois = larger.next_rois * np.float32([1, 1, 1.8, 1])
    people = together(standing(201, 240, 301), replace(larger, next_rois=rois))
    assert suppress_duplicates(people, num_known=2).tolist() == [0]


def test_nobody():
    nobody = standing(200, 240, 300).select([])
    assert suppress_duplicates(nobody).tolist() == []
    assert is_new_person(nobody, **SIZE).shape == (0,)


@pytest.mark.parametrize('num_known', [-1, 2])
def test_num_known_out_of_range_is_refused(num_known):
    with pytest.raises(ValueError, match='num_known'):
        suppress_duplicates(standing(200, 240, 300), num_known=num_known)
