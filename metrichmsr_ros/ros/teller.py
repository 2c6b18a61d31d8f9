"""What the monitor says on its standard output, without saying the same all the time."""

from __future__ import annotations

import sys
import time

REMIND = 5.0  # seconds until what has been told already is told again


class Teller:
    """Says lines, and what holds for a while when it is new."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, float]] = {}

    def say(self, line: str) -> None:
        """Say a line."""
        sys.stdout.write(line + '\n')
        sys.stdout.flush()

    def note(self, line: str, *, topic: str = '', remind: bool = True) -> None:
        """Say a line if it is another than the one before.

        Args:
            line: What holds now.
            topic: What it is about; only the line before it of the same topic counts.
            remind: Say it again now and then while it holds.
        """
        now = time.monotonic()
        before, told_at = self._told.get(topic, ('', 0.0))
        if line != before or (remind and now - told_at >= REMIND):
            self._told[topic] = line, now
            self.say(line)
