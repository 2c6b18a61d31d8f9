from dataclasses import replace
import itertools
import logging

import numpy as np
import pytest

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.tracking import track_ids, Tracker
from metrichmsr_ros.structures import People, TrackState

CAMERA = Camera.from_fov(640, 480, np.deg2rad(60))
MS = 1_000_000
FRAME = 50 * MS


def make_people(pelvises, scores=None):
    """People of 1.7 m about their pelvises, four vertices each."""
    pelvises = np.asarray(pelvises, np.float32).reshape(-1, 3)
    n = len(pelvises)
    corners = np.array([[-0.25, -0.9, 0], [0.25, -0.9, 0], [-0.25, 0.8, 0], [0.25, 0.8, 0]])
    vertices = (pelvises[:, None] + corners).astype(np.float32)
    pixels = CAMERA.project(vertices.astype(np.float64))
    boxes = np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1).reshape(n, 4)
    people = People.empty(4, 'fake')
    return replace(
        people,
        ids=('',) * n,
        states=(TrackState.NEW,) * n,
        scores=np.asarray(scores if scores is not None else [0.9] * n, np.float32),
        boxes=boxes.astype(np.float32),
        pose=np.zeros((n, 24, 3), np.float32),
        shape=np.zeros((n, 10), np.float32),
        translation=pelvises - np.float32([0, -0.2, 0]),
        vertices=vertices,
        joints=np.repeat(pelvises[:, None], 24, axis=1),
        pelvis_covariance=np.full((n, 3, 3), np.nan, np.float32),
        heights=np.full(n, 1.7, np.float32),
        velocities=np.full((n, 3), np.nan, np.float32),
    )


def update(tracker, people, stamp):
    return tracker.update(people, stamp, CAMERA).people


def noisy(pelvises, rng, depth=0.04, across=0.01):
    pelvises = np.asarray(pelvises, np.float64)
    z = pelvises[:, 2:]
    factor = 1 + depth * rng.standard_normal(z.shape)
    return pelvises * factor + across * rng.standard_normal(pelvises.shape)


def follow(tracker, positions_at, seconds, *, rng=None, hidden=lambda i, t: False, start=0):
    """Track people at positions_at(t) (N, 3); return per person the ids and the last output."""
    seen_ids, out = {}, None
    for k in range(int(seconds * 1e9 / FRAME) + 1):
        t = k * FRAME / 1e9
        truth = np.asarray(positions_at(t), float)
        shown = [i for i in range(len(truth)) if not hidden(i, t)]
        measured = noisy(truth, rng) if rng is not None else truth
        out = update(tracker, make_people(measured[shown]), start + k * FRAME)
        labels = [out.ids[j] for j in range(len(out)) if out.states[j] != TrackState.PREDICTED]
        # Without suppressed duplicates the measured people come in the order given.
        if len(labels) == len(shown):
            for i, name in zip(shown, labels, strict=True):
                seen_ids.setdefault(i, []).append(name)
    return seen_ids, out


def test_nobody():
    tracker = Tracker()
    out = update(tracker, People.empty(4, 'fake'), 0)
    assert len(out) == 0
    assert out.ids == ()
    assert out.velocities.shape == (0, 3)
    assert out.body_model == 'fake'


def test_ids_are_five_lower_case_letters_and_unique():
    names = list(itertools.islice(track_ids(7), 50_000))
    assert len(set(names)) == len(names)
    assert all(len(n) == 5 and n.isascii() and n.isalpha() and n.islower() for n in names)
    assert names[:3] == list(itertools.islice(track_ids(7), 3))
    assert names[0] != next(track_ids(8))


def test_third_image_confirms():
    tracker = Tracker()
    states = [update(tracker, make_people([[0, 0, 4]]), k * FRAME).states[0] for k in range(4)]
    assert states == [TrackState.NEW, TrackState.NEW, TrackState.TRACKED, TrackState.TRACKED]


def test_a_new_person_missed_once_is_gone():
    tracker = Tracker()
    first = update(tracker, make_people([[0, 0, 4]]), 0)
    assert len(update(tracker, make_people([]), FRAME)) == 0
    again = update(tracker, make_people([[0, 0, 4]]), 2 * FRAME)
    assert again.ids != first.ids


def test_the_published_pose_is_the_measurement():
    rng = np.random.default_rng(0)
    tracker = Tracker()
    for k in range(6):
        people = make_people(noisy([[0.1 * k, 0, 4]], rng))
        out = update(tracker, people, k * FRAME)
        np.testing.assert_array_equal(out.joints, people.joints)
        np.testing.assert_array_equal(out.vertices, people.vertices)
        np.testing.assert_array_equal(out.boxes, people.boxes)


def test_velocity_is_nan_until_seen_twice_then_right():
    tracker = Tracker()
    first = update(tracker, make_people([[0, 0, 4]]), 0)
    assert np.isnan(first.velocities).all()
    for k in range(1, 40):
        out = update(tracker, make_people([[1.2 * k * 0.05, 0, 4]]), k * FRAME)
    np.testing.assert_allclose(out.velocities[0], [1.2, 0, 0], atol=0.1)


@pytest.mark.parametrize('seed', range(5))
def test_two_people_who_cross_keep_their_ids(seed):
    rng = np.random.default_rng(seed)
    ids, _ = follow(Tracker(), lambda t: [[-1.5 + t, 0, 3.2], [1.5 - t, 0, 4.6]], 3.0, rng=rng)
    assert len(set(ids[0])) == len(set(ids[1])) == 1
    assert ids[0][0] != ids[1][0]


def test_people_who_cross_at_arms_length_keep_their_ids():
    ids, out = follow(Tracker(), lambda t: [[-1.5 + t, 0, 3.6], [1.5 - t, 0, 4.0]], 3.0)
    assert len(set(ids[0])) == len(set(ids[1])) == 1
    assert len(out) == 2


@pytest.mark.parametrize('seed', range(3))
def test_three_walkers(seed):
    rng = np.random.default_rng(seed)

    def walk(t):
        return [
            [2 * np.sin(t), 0, 4 + np.cos(t)],
            [1.2 * t - 2.5, 0.1, 6],
            [2 * np.cos(0.8 * t), 0, 8.5 - 0.5 * t],
        ]

    ids, _ = follow(Tracker(), walk, 4.0, rng=rng)
    assert [len(set(ids[i])) for i in range(3)] == [1, 1, 1]
    assert len({ids[i][0] for i in range(3)}) == 3


@pytest.mark.parametrize(('hidden_for', 'same'), [(0.5, True), (2.0, False)])
def test_occlusion(hidden_for, same):
    rng = np.random.default_rng(1)
    ids, _ = follow(
        Tracker(),
        lambda t: [[-1 + 0.8 * t, 0, 4]],
        1.0 + hidden_for + 0.5,
        rng=rng,
        hidden=lambda i, t: 1.0 < t < 1.0 + hidden_for,
    )
    assert (len(set(ids[0])) == 1) is same


def test_predicted_people_move_as_one_and_their_covariance_grows():
    tracker = Tracker()
    _, last = follow(tracker, lambda t: [[-1 + t, 0, 4], [1, 0, 5]], 1.0)
    grown = []
    for k in range(1, 14):
        shown = make_people([[1, 0, 5]])
        out = update(tracker, shown, int(1e9) + k * FRAME)
        assert out.states == (TrackState.TRACKED, TrackState.PREDICTED)
        assert out.ids == (last.ids[1], last.ids[0])
        shift = out.pelvis[1] - last.pelvis[0]
        np.testing.assert_allclose(shift, [0.05 * k, 0, 0], atol=0.06)
        assert np.allclose(out.vertices[1] - last.vertices[0], shift, atol=1e-5)
        assert np.allclose(out.joints[1] - last.joints[0], shift, atol=1e-5)
        np.testing.assert_allclose(out.translation[1] - last.translation[0], shift, atol=1e-5)
        centre = (out.boxes[1, 0] + out.boxes[1, 2]) / 2
        assert centre == pytest.approx(CAMERA.project(out.pelvis[1].astype(float))[0], abs=2)
        grown.append(np.trace(out.pelvis_covariance[1]))
    assert np.all(np.diff(grown) > 0)
    gone = update(tracker, make_people([[1, 0, 5]]), int(1.75e9))
    assert len(gone) == 1


def test_a_box_grows_as_its_person_comes_nearer():
    tracker = Tracker()
    _, last = follow(tracker, lambda t: [[0, 0, 5 - t]], 1.0)
    out = update(tracker, make_people([]), int(1.5e9))
    np.testing.assert_allclose(
        np.ptp(out.boxes.reshape(2, 2), axis=0) / np.ptp(last.boxes.reshape(2, 2), axis=0),
        last.pelvis[0, 2] / out.pelvis[0, 2],
        rtol=1e-5,
    )


def test_stamps_that_jump_back_start_anew(caplog):
    tracker = Tracker()
    ids, _ = follow(tracker, lambda t: [[0, 0, 4]], 0.5, start=10**12)
    with caplog.at_level(logging.WARNING):
        out = update(tracker, make_people([[0, 0, 4]]), 10**9)
    assert 'jumped back by 999.500 s' in caplog.text
    assert out.ids[0] not in ids[0]
    assert out.states == (TrackState.NEW,)
    assert np.isnan(out.velocities).all()


def test_the_same_stamp_twice():
    tracker = Tracker()
    first = update(tracker, make_people([[0, 0, 4]]), FRAME)
    second = update(tracker, make_people([[0.01, 0, 4]]), FRAME)
    assert second.ids == first.ids
    assert np.isnan(second.velocities).all()
    third = update(tracker, make_people([[0.02, 0, 4]]), 2 * FRAME)
    assert np.isfinite(third.velocities).all()


@pytest.mark.parametrize(('gap', 'same'), [(1.0, True), (2.5, False), (3600.0, False)])
def test_a_gap_without_frames(gap, same):
    tracker = Tracker()
    ids, _ = follow(tracker, lambda t: [[0, 0, 4]], 0.5)
    out = update(tracker, make_people([[0, 0, 4]]), int((0.5 + gap) * 1e9))
    assert (out.ids[0] == ids[0][0]) is same


def test_ids_are_never_used_again():
    tracker = Tracker()
    used = []
    for k in range(50):
        used.extend(update(tracker, make_people([[0, 0, 4]]), k * 3 * 10**9).ids)
    assert len(set(used)) == 50


def test_two_readings_of_one_person_are_one():
    tracker = Tracker()
    follow(tracker, lambda t: [[0, 0, 4]], 0.3)
    double = make_people([[0.02, 0, 4.2], [0, 0, 4.0], [1.5, 0, 4]], scores=[0.99, 0.6, 0.9])
    out = tracker.update(double, int(0.35e9), CAMERA)
    assert out.measured == (0, 2)
    assert out.people.states == (TrackState.TRACKED, TrackState.NEW)


def test_people_behind_each_other_are_two():
    tracker = Tracker()
    for k in range(3):
        out = update(tracker, make_people([[0, 0, 4], [0, 0, 5.2]]), k * FRAME)
    assert out.states == (TrackState.TRACKED,) * 2


def test_a_wrong_depth_for_one_image_keeps_the_id():
    tracker = Tracker()
    ids, _ = follow(tracker, lambda t: [[0, 0, 4]], 0.5)
    bad = make_people([[0, 0, 5.5]])
    bad = replace(bad, boxes=make_people([[0, 0, 4]]).boxes)
    assert update(tracker, bad, int(0.55e9)).ids == (ids[0][0],)


def test_who_walks_out_past_the_camera_is_gone():
    tracker = Tracker()
    follow(tracker, lambda t: [[0, 0, 1.0 - 0.8 * t]], 1.0)
    assert len(update(tracker, make_people([]), int(1.3e9))) == 0


def test_reset_forgets_everybody():
    tracker = Tracker()
    ids, _ = follow(tracker, lambda t: [[0, 0, 4]], 0.5)
    tracker.reset()
    out = update(tracker, make_people([[0, 0, 4]]), int(0.55e9))
    assert out.ids[0] not in ids[0]


def test_somebody_hidden_does_not_take_the_place_of_who_is_seen():
    tracker = Tracker()
    # The one who stays has been seen for longer, and is hidden when the other walks past.
    follow(tracker, lambda t: [[0, 0, 4]], 1.0)
    ids, _ = follow(
        tracker,
        lambda t: [[0, 0, 4], [-1 + t, 0, 3.6]],
        1.5,
        hidden=lambda i, t: i == 0 and t > 0.7,
        start=int(1.05e9),
    )
    assert len(set(ids[1])) == 1


def test_a_reading_much_less_sure_than_usual_is_of_somebody_else():
    tracker = Tracker()
    ids, _ = follow(tracker, lambda t: [[0, 0, 4]], 0.5)
    out = tracker.update(make_people([[0.1, 0, 3.8]], scores=[0.2]), int(0.55e9), CAMERA)
    assert out.measured == ()
    assert out.people.ids == (ids[0][0],)
    assert out.people.states == (TrackState.PREDICTED,)
    np.testing.assert_allclose(out.people.pelvis, [[0, 0, 4]], atol=1e-6)


def test_who_is_less_surely_seen_from_now_on_keeps_the_id():
    tracker = Tracker()
    ids, _ = follow(tracker, lambda t: [[0, 0, 4]], 0.5)
    for k in range(11, 41):  # sat down behind a desk
        out = update(tracker, make_people([[0, 0, 4]], scores=[0.3]), k * FRAME)
    assert out.ids == (ids[0][0],)
    assert out.states == (TrackState.TRACKED,)


def test_an_unsure_reading_in_the_place_of_somebody_known_is_no_stranger():
    tracker = Tracker()
    ids, _ = follow(tracker, lambda t: [[0, 0, 4]], 0.5)
    elsewhere = make_people([[1.5, 0, 4]], scores=[0.4])
    out = tracker.update(elsewhere, int(0.55e9), CAMERA, known=np.array([True]))
    assert out.people.ids == (ids[0][0],)
    assert out.people.states == (TrackState.PREDICTED,)


@pytest.mark.parametrize(('score', 'known'), [(0.6, True), (0.4, False)])
def test_a_sure_reading_or_a_detectors_is_a_stranger(score, known):
    tracker = Tracker()
    follow(tracker, lambda t: [[0, 0, 4]], 0.5)
    elsewhere = make_people([[1.5, 0, 4]], scores=[score])
    out = tracker.update(elsewhere, int(0.55e9), CAMERA, known=np.array([known]))
    assert out.measured == (0,)
    assert out.people.states == (TrackState.NEW, TrackState.PREDICTED)
