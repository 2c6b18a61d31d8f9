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


def provenance() -> dict[str, str]:
    """Return where and when something is measured: date, machine, python and commit."""
    return {
        'date': datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
        'machine': f'{_processor()}, {os.cpu_count()} cores',
        'python': f'{platform.python_version()}, numpy {np.__version__}',
        'commit': _commit(),
    }


def print_header(title: str) -> None:
    """Print the title with date, machine, its load, and commit."""
    print(f'# {title}')
    for name, value in provenance().items():
        load = f', load {os.getloadavg()[0]:.1f}' if name == 'machine' else ''
        print(f'{name:<8} {value}{load}')


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
