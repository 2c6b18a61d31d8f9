from dataclasses import replace
import math
from types import SimpleNamespace

import numpy as np
import pytest
from std_msgs.msg import Header

from metrichmsr_ros.ros import diagnostics
from metrichmsr_ros.ros.diagnostics import (
    DepthStatus,
    ERROR,
    Health,
    LOG_PERIOD,
    OK,
    Problem,
    report,
    WARN,
)
from metrichmsr_ros.ros.monitor_messages import stages_of
from metrichmsr_ros.structures import DepthMap, DepthState

pytestmark = pytest.mark.ros


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A monotonic clock that the test winds."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(diagnostics.time, 'monotonic', lambda: clock.now)
    return clock


@pytest.fixture
def health(clock: SimpleNamespace) -> Health:
    health = Health()
    health.restart()
    return health


def values(message: object) -> dict[str, str]:
    return {item.key: item.value for item in message.status[0].values}


def told(health: Health, **more: object) -> object:
    given = {
        'name': 'n: perception',
        'hardware_id': '/image',
        'header': Header(),
        'state': 'active',
    }
    return report(health.snapshot(), **{**given, **more})


def test_rates_and_latencies_are_those_of_the_window(
    health: Health, clock: SimpleNamespace
) -> None:
    health.image()
    health.result(latency=9.0, people=5)
    clock.now += diagnostics.WINDOW + 1
    for i in range(100):
        health.image(dropped=i % 4 == 0, idle=i % 10 == 0)
        health.result(latency=0.001 * i, people=2)
        clock.now += 0.04
    snapshot = health.snapshot()
    assert snapshot.rate_in == snapshot.rate_out == 20.0
    assert snapshot.latency_p50 == pytest.approx(0.0495)
    assert snapshot.latency_p99 == pytest.approx(0.09801)
    assert (snapshot.drops, snapshot.idle, snapshot.people) == (25, 10, 2)
    assert snapshot.silence == pytest.approx(0.04)
    shown = values(told(health))
    assert shown['latency p50 (ms)'] == '50'
    assert shown['latency p99 (ms)'] == '98'
    assert shown['images in (Hz)'] == '20.0'


def test_nothing_yet_is_ok_and_has_no_latency(health: Health) -> None:
    message = told(health)
    assert message.status[0].level == OK
    assert message.status[0].message == 'active, 0.0 Hz, 0 people'
    assert values(message)['latency p50 (ms)'] == ''
    assert math.isnan(health.snapshot().latency_p50)


def test_people_of_a_result_long_ago_are_not_claimed(
    health: Health, clock: SimpleNamespace
) -> None:
    health.result(latency=0.1, people=3)
    assert health.snapshot().people == 3
    clock.now += 60
    assert health.snapshot().people == 0


def test_errors_raise_the_level_for_a_while_and_stay_counted(
    health: Health, clock: SimpleNamespace
) -> None:
    health.error('image', 'first')
    health.error('image', 'step 3 is too small')
    clock.now += 0.1
    health.error('depth', 'no depth')
    status = told(health).status[0]
    assert status.level == ERROR
    assert status.message == 'no depth; step 3 is too small'
    clock.now += 60
    message = told(health)
    assert message.status[0].level == OK
    assert values(message)['error: image'] == '2 times, last: step 3 is too small'


def test_each_kind_is_logged_now_and_then(health: Health, clock: SimpleNamespace) -> None:
    logged = []
    for _ in range(100):
        logged.append(health.error('image', 'bad'))
        clock.now += LOG_PERIOD / 10
    assert sum(logged) == 10
    assert logged[0]
    assert health.error('depth', 'bad')


def test_the_worst_problem_gives_the_level(health: Health) -> None:
    one = Problem(WARN, 'uncalibrated')
    status = told(health, problems=(one,)).status[0]
    assert (status.level, status.message) == (WARN, 'uncalibrated')
    status = told(health, problems=(one, Problem(ERROR, 'no body'))).status[0]
    assert (status.level, status.message) == (ERROR, 'uncalibrated; no body')
    assert values(told(health, values={'camera': '5x5'}))['camera'] == '5x5'


def test_restart_forgets_traffic_but_not_errors(health: Health) -> None:
    health.image(dropped=True)
    health.result(latency=1.0, people=1)
    health.error('image', 'bad')
    health.restart()
    snapshot = health.snapshot()
    assert (snapshot.rate_in, snapshot.drops, snapshot.people) == (0, 0, 0)
    assert snapshot.errors == {'image': (1, 'bad')}


def test_depth_is_told_in_words(health: Health, clock: SimpleNamespace) -> None:
    pixels = np.zeros((2, 2), np.float32)
    depth = DepthMap(
        pixels, pixels, 'ground', scale=1.0625, shift=-0.05, state=DepthState.REMEMBERED,
        anchor_age=3.21,
    )  # fmt: skip
    health.result(latency=0.1, people=0, depth=DepthStatus.of(depth))
    shown = values(told(health))
    assert shown['depth'] == 'remembered, ground'
    assert (shown['depth scale'], shown['depth shift (m)']) == ('1.062', '-0.050')
    assert shown['depth anchored before (s)'] == '3.2'
    never = replace(depth, state=DepthState.UNANCHORED, anchor_age=math.nan)
    health.result(latency=0.1, people=0, depth=DepthStatus.of(never))
    shown = values(told(health))
    assert (shown['depth'], shown['depth anchored before (s)']) == ('unanchored, ground', '')
    clock.now += 60
    assert 'depth' not in values(told(health))


def test_stages_are_medians_of_the_results_that_had_them() -> None:
    health = Health()
    for landmarks in (0.010, 0.030, 0.020):
        health.result(latency=0.1, people=1, stages={'landmarks': landmarks, 'publish': 0.004})
    health.result(latency=0.1, people=0, stages={'publish': 0.004})
    assert health.snapshot().stages == pytest.approx({'landmarks': 0.020, 'publish': 0.004})
    message = report(health.snapshot(), name='a', hardware_id='', header=Header(), state='active')
    assert stages_of(message.status[0]) == {'landmarks': 20.0, 'publish': 4.0}
