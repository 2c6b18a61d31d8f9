"""The progress bar: on a terminal, in a log, and of a job that goes on."""

from __future__ import annotations

import io

import pytest

from metrichmsr_ros import progress
from metrichmsr_ros.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    return now


def test_terminal_shows_one_line_that_ends(clock):
    stream = Terminal()
    bar = ProgressBar(40, 'people', stream=stream)
    for done in range(0, 41, 10):
        bar(done)
        clock[0] += 5.0
    shown = stream.getvalue().split('\r')
    assert shown[2].startswith(
        '[#######.......................] 10 of 40 people, 2.0/s, 0:15 left'
    )
    assert shown[-1].startswith('[' + 30 * '#' + '] 40 of 40 people')
    assert stream.getvalue().count('\n') == 1


def test_terminal_is_not_flooded(clock):
    stream = Terminal()
    bar = ProgressBar(1000, 'people', stream=stream)
    for done in range(900):
        bar(done)
    assert stream.getvalue().count('\r') == 1


def test_log_has_a_line_for_each_tenth(clock):
    stream = io.StringIO()
    bar = ProgressBar(50, 'people', stream=stream)
    for done in range(1, 51):
        bar(done)
        clock[0] += 1.0
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0].startswith('5 of 50 people')
    assert lines[-1] == '50 of 50 people'


def test_what_was_there_does_not_count_for_the_speed(clock):
    stream = io.StringIO()
    bar = ProgressBar(100, 'people', stream=stream)
    bar(80)
    clock[0] += 10.0
    bar(90)
    assert stream.getvalue().splitlines() == [
        '80 of 100 people',
        '90 of 100 people, 1.0/s, 0:10 left',
    ]


def test_more_than_the_total_is_the_total(clock):
    stream = io.StringIO()
    bar = ProgressBar(10, 'people', stream=stream)
    for done in (12, 16):
        bar(done)
    assert stream.getvalue() == '10 of 10 people\n'
    terminal = Terminal()
    bar = ProgressBar(10, 'people', stream=terminal)
    for done in (12, 16):
        bar(done)
    assert terminal.getvalue().count('\n') == 1
