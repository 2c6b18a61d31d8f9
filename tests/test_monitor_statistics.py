import numpy as np
import pytest

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.metrics import depth_errors
from metrichmsr_ros.perception.depth_sources import GroundPlane
from metrichmsr_ros.ros import monitor_statistics
from metrichmsr_ros.ros.monitor_statistics import (
    DepthAgainstTruth,
    PeopleAt,
    Presence,
    StampLatency,
    TopicRates,
    TruthErrors,
)
from metrichmsr_ros.stamps import NS_PER_S
from metrichmsr_ros.structures import Frame


def people(*pelvis, ids='abcdefgh', box=(0, 0, 10, 20)):
    boxes = [np.add(box, (100 * i, 0, 100 * i, 0)) for i in range(len(pelvis))]
    return PeopleAt(
        tuple(ids[: len(pelvis)]),
        np.array(boxes).reshape(-1, 4),
        np.array(pelvis, float).reshape(-1, 3),
    )


def test_latency_is_that_of_the_last_message_of_a_stamp():
    latency = StampLatency()
    latency.receive(stamp=10 * NS_PER_S, now=10 * NS_PER_S + 20_000_000)
    latency.receive(stamp=10 * NS_PER_S, now=10 * NS_PER_S + 90_000_000)
    latency.settle(10 * NS_PER_S + NS_PER_S // 2)
    assert latency.seconds == []  # more may come
    latency.settle(12 * NS_PER_S)
    assert latency.seconds == pytest.approx([0.09])


def test_latency_percentiles_of_the_newest_stamps():
    latency = StampLatency()
    for i in range(100):
        latency.receive(
            stamp=i * NS_PER_S, now=i * NS_PER_S + (1 if i < 50 else 3) * NS_PER_S // 10
        )
    latency.settle(200 * NS_PER_S)
    assert latency.percentiles()[0] == pytest.approx(0.2)
    assert latency.percentiles(newest=10) == pytest.approx((0.3, 0.3))


def test_latency_of_nothing_is_nan():
    assert np.isnan(StampLatency().percentiles()).all()


def test_rate_counts_the_last_two_seconds():
    rates = TopicRates()
    for i in range(100):
        rates.receive('image', i * NS_PER_S // 10)
    assert rates.rate('image', 10 * NS_PER_S) == pytest.approx(10, abs=0.5)
    assert rates.rate('image', 20 * NS_PER_S) == 0
    assert rates.counts['image'] == 100


def test_errors_are_those_of_matched_people():
    errors = TruthErrors()
    errors.compare(people((0.3, 0, 4)), people((0, 0, 4), (2, 0, 6)))
    summary = errors.summary()
    assert summary['people_true'] == 2
    assert summary['people_missed'] == 1
    assert summary['people_extra'] == 0
    assert summary['pelvis_error_median_m'] == pytest.approx(0.3)
    assert summary['pelvis_error_median_percent'] == pytest.approx(7.5)


def test_a_person_where_nobody_is_counts_as_extra():
    errors = TruthErrors()
    errors.compare(people((0, 0, 4)), people())
    assert errors.summary()['people_extra'] == 1
    assert errors.summary()['pelvis_error_median_m'] is None


def test_a_changed_id_shows():
    errors = TruthErrors()
    errors.compare(people((0, 0, 4), ids='x'), people((0, 0, 4), ids='t'))
    errors.compare(people((0, 0, 4), ids='y'), people((0, 0, 4), ids='t'))
    assert errors.summary()['ids_per_true_person'] == {'t': {'x': 1, 'y': 1}}


def test_presence_is_from_the_first_to_the_last_sight():
    presence = Presence()
    for second in range(10):
        ids = ['aaaaa'] * (second < 5) + ['bbbbb'] * (4 <= second) + ['ccccc'] * (second in (6, 7))
        presence.see(second * NS_PER_S, ids)
    summary = presence.summary()
    assert summary['seconds_per_id'] == {'bbbbb': 5.0, 'aaaaa': 4.0, 'ccccc': 1.0}
    assert summary['most_at_once'] == 2
    assert summary['most_at_once_of_3_s_or_more'] == 2  # a and b at second 4; c is too short


def test_presence_of_nobody():
    assert Presence().summary()['most_at_once_of_3_s_or_more'] == 0


def test_depth_is_compared_with_the_floor_it_was_made_from():
    camera = Camera.from_fov(32, 24, 1.0)
    floor = GroundPlane(1.0).depth(Frame(np.zeros((24, 32, 3), np.uint8), camera, 0)).depth_z
    depth = DepthAgainstTruth(camera_height=1.0, camera_tilt=0.0)
    depth.compare(1.1 * floor, 1.25 * floor, camera)
    summary = depth.summary()
    assert summary['images'] == 1
    assert summary['refined'] == pytest.approx(0.12, abs=1e-4)
    assert summary['prior'] == pytest.approx(0.2, abs=1e-4)


def test_depth_without_a_floor_is_not_compared():
    depth = DepthAgainstTruth(camera_height=0.0, camera_tilt=0.0)
    depth.compare(np.ones((2, 2)), np.ones((2, 2)), Camera.from_fov(2, 2, 1.0))
    assert depth.summary() == {'refined': None, 'prior': None, 'images': 0}


def test_depth_is_summed_up_while_another_image_is_compared(monkeypatch):
    depth, seen = DepthAgainstTruth(camera_height=1.0, camera_tilt=0.0), []

    def errors(*arguments):
        seen.append(depth.summary())
        return depth_errors(*arguments)

    monkeypatch.setattr(monitor_statistics, 'depth_errors', errors)
    camera = Camera.from_fov(32, 24, 1.0)
    true_z = depth.prior_z(camera)
    for _ in range(2):
        depth.compare(true_z, true_z, camera)
    assert [summary['images'] for summary in seen] == [0, 0, 1, 1]
    for summary in seen:
        assert (
            (summary['refined'] is None) == (summary['prior'] is None) == (not summary['images'])
        )
