"""A progress bar on standard error; a line for each tenth where that is no terminal."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_WIDTH = 30  # characters
_REDRAWN = 0.1  # seconds


class ProgressBar:
    """Shows how much of a job is done and how long the rest takes.

    What was there before the first call, as of a job that goes on, does not count for the speed.
    """

    def __init__(self, total: int, unit: str, *, stream: TextIO | None = None) -> None:
        """Prepare a bar of ``total`` ``unit`` (such as 'people')."""
        self.total, self.unit = total, unit
        self._stream = sys.stderr if stream is None else stream
        self._start: tuple[float, int] | None = None
        self._shown = 0.0
        self._tenth = 0
        self._finished = False

    def __call__(self, done: int) -> None:
        """Show that ``done`` of the total are done; ends the line when all are."""
        now, done = time.monotonic(), min(done, self.total)
        self._start = self._start or (now, done)
        if self._finished:
            return
        self._finished = finished = done == self.total
        if self._stream.isatty():
            if finished or now - self._shown > _REDRAWN:
                self._shown = now
                full = _WIDTH * done // self.total
                bar = '#' * full + '.' * (_WIDTH - full)
                self._write(f'\r[{bar}] {self._text(now, done)}\033[K' + '\n' * finished)
        elif 10 * done // self.total > self._tenth:
            self._tenth = 10 * done // self.total
            self._write(self._text(now, done) + '\n')

    def _text(self, now: float, done: int) -> str:
        assert self._start is not None
        seconds, made = now - self._start[0], done - self._start[1]
        text = f'{done} of {self.total} {self.unit}'
        if made and done < self.total:
            left = int(seconds / made * (self.total - done))
            text += f', {made / max(seconds, 1e-9):.1f}/s, {left // 60}:{left % 60:02d} left'
        return text

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
