"""Starts NVIDIA Warp quietly."""

from __future__ import annotations

import os
import sys
import tempfile

import warp as wp

STDERR = 2
NO_DRIVER = b'Could not find or load the NVIDIA CUDA driver'


def start_warp() -> None:
    """Initialise Warp without its banner, its notes and its warning that there is no GPU."""
    wp.config.log_level = wp.LOG_WARNING
    sys.stderr.flush()
    kept = os.dup(STDERR)
    try:
        # The library itself writes the warning, past Python and every setting.
        with tempfile.TemporaryFile() as said:
            os.dup2(said.fileno(), STDERR)
            try:
                wp.init()
            finally:
                os.dup2(kept, STDERR)
            said.seek(0)
            rest = [line for line in said if NO_DRIVER not in line]
        os.write(STDERR, b''.join(rest))
    finally:
        os.close(kept)
