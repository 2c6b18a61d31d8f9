"""How often messages come, by their stamps."""

import math

import pytest

from metrichmsr_ros.ros.inputs import Rhythm

MS = 1_000_000


def test_the_period_is_known_after_some_messages_and_survives_losses():
    rhythm = Rhythm()
    for k in range(4):
        assert rhythm.add(33 * k * MS)
        assert rhythm.period == math.inf
    assert rhythm.add(33 * 5 * MS)
    assert rhythm.period == pytest.approx(0.033)
    for k in range(6, 60):
        if k % 3:
            rhythm.add(33 * k * MS)
    assert rhythm.period == pytest.approx(0.033)


def test_a_slower_camera_is_followed():
    rhythm = Rhythm()
    stamps = [33 * k for k in range(20)] + [1000 + 200 * k for k in range(20)]
    assert all(rhythm.add(stamp * MS) for stamp in stamps)
    assert rhythm.period == pytest.approx(0.2)


def test_a_jump_back_is_told_and_a_repetition_is_none():
    rhythm = Rhythm()
    assert rhythm.add(5 * MS)
    assert rhythm.add(5 * MS)
    assert not rhythm.add(4 * MS)
