"""Where files are kept that can be fetched or computed again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir(name: str) -> Path:
    """Return ``${XDG_CACHE_HOME:-~/.cache}/metrichmsr_ros/<name>``; it need not exist."""
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'metrichmsr_ros' / name
