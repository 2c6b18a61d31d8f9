"""The header and the clock that every benchmark shares: what was measured where, when, and how."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
import os
from pathlib import Path
import platform
import subprocess
import time

import numpy as np


def print_header(title: str) -> None:
    """Print the title with date, machine and commit."""
    now = datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M UTC')
    print(f'# {title}')
    print(f'date     {now}')
    print(f'machine  {_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}')
    print(f'python   {platform.python_version()}, numpy {np.__version__}')
    print(f'commit   {_commit()}')


def measure(work: Callable[[], object], *, repeats: int, warm_up: int = 3) -> np.ndarray:
    """Return the wall-clock milliseconds of each of ``repeats`` calls, (repeats,)."""
    for _ in range(warm_up):
        work()
    times = np.empty(repeats)
    for i in range(repeats):
        start = time.perf_counter()
        work()
        times[i] = 1000 * (time.perf_counter() - start)
    return times


def print_times(name: str, times: np.ndarray) -> None:
    """Print one line: name, fastest, median and 99th percentile in milliseconds."""
    fastest, median, slow = times.min(), np.median(times), np.percentile(times, 99)
    print(f'{name:<44} min {fastest:8.3f}   p50 {median:8.3f}   p99 {slow:8.3f} ms')


def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.processor() or platform.machine()


def _commit() -> str:
    command = ['git', 'describe', '--always', '--dirty']
    try:
        result = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'
    return result.stdout.strip()
