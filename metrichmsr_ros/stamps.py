"""Stamps: integer nanoseconds everywhere, as ROS counts them."""

from __future__ import annotations

from typing import Protocol

NS_PER_S = 1_000_000_000


class Time(Protocol):
    """What a ``builtin_interfaces/Time`` has, whoever made its class."""

    sec: int
    nanosec: int


def to_nanoseconds(stamp: Time) -> int:
    """Return a message's stamp as integer nanoseconds."""
    return stamp.sec * NS_PER_S + stamp.nanosec
