"""Running long commands: they show what they do, keep what they say, fail in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import os
from pathlib import Path
import re
import subprocess
import sys
import threading
import time

TICK = 0.5  # seconds between updates of the line on a terminal
REMINDER = 20.0  # seconds between lines in a log file

# What a failing command says → what the user should do about it. The first match counts: pip ends
# with "no matching distribution" also when it could not reach any index.
_SENTENCES = (
    (
        r'No space left on device|Disk quota exceeded',
        'The disk is full: free some 10 GB (also in TMPDIR) and run make again.',
    ),
    (
        r'NewConnectionError|Max retries exceeded|ConnectTimeout|ReadTimeout|ProxyError|SSLError'
        r'|name resolution|Network is unreachable|not a trusted or secure host|Could not fetch URL'
        r'|is the network up',
        'pip cannot reach its package index: check the network and the settings that '
        '"pip config list" shows, then run make again.',
    ),
    (
        r'(?:No matching distribution found for|satisfies the requirement|Cannot install) '
        r'([^\s(]+)',
        'pip finds no {0} for Python {python} on this machine: the ROS 2 wheels exist for Python '
        '3.10-3.12 on Linux with glibc, so choose another interpreter, for example '
        '"make test PYTHON=python3.11".',
    ),
    (
        r'ensurepip is not available|No module named \'?ensurepip',
        'This Python cannot make virtual environments: install its venv package, on Debian and '
        'Ubuntu "sudo apt install python3-venv", and run make again.',
    ),
    (
        r'Python\.h: No such file',
        'The headers of this Python are missing: on Debian and Ubuntu "sudo apt install '
        'python3-dev", then run make again.',
    ),
)


class SetupError(Exception):
    """Set-up cannot go on; the message is one sentence that says what to do."""


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


class Runner:
    """Runs commands one after another and keeps their output in a log file.

    Args:
        log: The file; it is begun anew.
        python: Version of the interpreter for messages, for instance ``3.11``.
    """

    def __init__(self, log: Path, *, python: str) -> None:
        self.log = log
        self._python = python
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text('')

    def run(
        self,
        title: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] = os.environ,
        cwd: Path | None = None,
    ) -> None:
        """Run ``command`` and show ``title``, the time it takes and the last line it printed.

        Raises:
            SetupError: It failed; says what to do as far as its output tells.
        """
        lines: list[str] = []
        started = time.monotonic()
        with self.log.open('a') as log:
            log.write(f'$ {" ".join(command)}\n')
            try:
                process = subprocess.Popen(
                    command, env=dict(env), cwd=cwd, text=True, errors='replace',
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                )  # fmt: skip
            except OSError as error:
                raise SetupError(f'{title} failed: {command[0]}: {error.strerror}.') from error
            reader = threading.Thread(target=_copy, args=(process.stdout, log, lines), daemon=True)
            reader.start()
            self._wait(title, process, lines, started)
            reader.join()
        if process.returncode:
            raise SetupError(self._sentence(title, lines))
        _show(f'  {title}: done in {time.monotonic() - started:.0f} s', final=True)

    def _wait(
        self, title: str, process: subprocess.Popen, lines: list[str], started: float
    ) -> None:
        """Show progress until ``process`` ends; end it when the user interrupts."""
        reminded = started
        try:
            _show(f'  {title} …', final=not sys.stdout.isatty())
            while True:
                try:
                    process.wait(TICK)
                    return
                except subprocess.TimeoutExpired:
                    pass
                now = time.monotonic()
                text = f'  {title} … {now - started:.0f} s  {lines[-1].strip() if lines else ""}'
                if sys.stdout.isatty():
                    _show(text, final=False)
                elif now - reminded >= REMINDER:
                    reminded = now
                    _show(text, final=True)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()

    def _sentence(self, title: str, lines: list[str]) -> str:
        text = '\n'.join(lines)
        for pattern, sentence in _SENTENCES:
            match = re.search(pattern, text)
            if match:
                return sentence.format(*match.groups(), python=self._python)
        errors = [line for line in lines if re.search(r'\berror\b', line, re.IGNORECASE)]
        reason = (errors or lines or ['no output'])[-1].strip().rstrip('.')
        return f'{title} failed ({reason}); everything it said is in {self.log}.'


def _copy(stream, log, lines: list[str]) -> None:
    for line in stream:
        log.write(line)
        log.flush()
        if line.strip():
            lines.append(line)


def _show(text: str, *, final: bool) -> None:
    """Print a line; on a terminal over the last one that was not final."""
    if not sys.stdout.isatty():
        say(text[:160])
        return
    columns = os.get_terminal_size().columns
    end = '\n' if final else '\r'
    print(f'\033[2K{text[: columns - 1]}', end=end, flush=True)
