"""What the monitor says, and what it does not repeat."""

from types import SimpleNamespace

import pytest

from metrichmsr_ros.ros import teller
from metrichmsr_ros.ros.teller import REMIND, Teller


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A monotonic clock that the test winds."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(teller.time, 'monotonic', lambda: clock.now)
    return clock


def test_what_holds_is_said_when_new_and_now_and_then(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    monitor = Teller()
    for line in ('waiting', 'waiting', 'active', 'waiting'):
        monitor.note(line)
    assert capsys.readouterr().out == 'waiting\nactive\nwaiting\n'
    clock.now += 0.9 * REMIND
    monitor.note('waiting')
    assert capsys.readouterr().out == ''
    clock.now += 0.2 * REMIND
    monitor.note('waiting', remind=False)
    assert capsys.readouterr().out == ''
    monitor.note('waiting')
    assert capsys.readouterr().out == 'waiting\n'


def test_a_line_between_is_of_another_topic(
    clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    monitor = Teller()
    for _ in range(3):
        monitor.note('waiting')
        monitor.note('no camera', topic='camera', remind=False)
    assert capsys.readouterr().out == 'waiting\nno camera\n'
