import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

from metrichmsr_ros.start import loading

LOADING = """
import sys
print('loading', flush=True)
{action}
def main():
    print('arguments', sys.argv[1:], flush=True)
    raise KeyboardInterrupt
"""


def started(folder: Path, action: str) -> subprocess.Popen[str]:
    (folder / 'command.py').write_text(LOADING.format(action=action))
    return subprocess.Popen(
        [sys.executable, '-m', 'metrichmsr_ros.start', 'command', '--word'],
        env={**os.environ, 'PYTHONPATH': f'{folder}{os.pathsep}{os.getcwd()}'},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    'action',
    [
        'import time; time.sleep(30)',
        # What compiled libraries make of an interrupt.
        'import time\ntry: time.sleep(30)\nexcept BaseException: raise ImportError',
    ],
)
def test_interrupt_while_loading_is_one_line(tmp_path, action):
    process = started(tmp_path, action)
    assert process.stdout is not None
    assert process.stdout.readline() == 'loading\n'
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ('', 'interrupted\n')
    assert process.returncode == 130


def test_interrupt_of_the_command_is_one_line(tmp_path):
    process = started(tmp_path, '')
    said = process.communicate(timeout=20)
    assert said == ("loading\narguments ['--word']\n", 'interrupted\n')
    assert process.returncode == 130


def test_loading_leaves_the_handler_as_it_was():
    before = signal.getsignal(signal.SIGINT)
    with loading():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_training_that_is_interrupted_while_libraries_load(tmp_path):
    process = subprocess.Popen(
        [sys.executable, '-m', 'metrichmsr_ros.cli', 'train', f'--out={tmp_path}/run'],
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(0.9)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert told.splitlines()[-1:] == ['interrupted']
    assert 'Traceback' not in told
    assert process.returncode in (130, -signal.SIGINT)  # a shell shows both as 130
