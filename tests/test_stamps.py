from types import SimpleNamespace

import pytest

from metrichmsr_ros.stamps import NS_PER_S, to_nanoseconds


@pytest.mark.parametrize(
    ('sec', 'nanosec', 'expected'),
    [(0, 0, 0), (1, 5, 1_000_000_005), (-1, 999_999_999, -1), (2**31 - 1, 0, 2147483647 * 10**9)],
)
def test_stamps_are_exact_integers(sec: int, nanosec: int, expected: int):
    assert to_nanoseconds(SimpleNamespace(sec=sec, nanosec=nanosec)) == expected


def test_a_second():
    assert to_nanoseconds(SimpleNamespace(sec=1, nanosec=0)) == NS_PER_S == 10**9
