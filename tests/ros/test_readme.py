import os
from pathlib import Path
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from metrichmsr_ros.perception.blazepose.assets import AssetError, find_assets
from metrichmsr_ros.ros.reference import fill

pytestmark = pytest.mark.ros
README = (Path(__file__).parents[2] / 'README.md').read_text(encoding='utf-8')


def test_tables_are_those_of_the_code():
    assert fill(README) == README


def test_missing_marks_are_named():
    with pytest.raises(ValueError, match='topics'):
        fill('# nothing here')


def test_every_link_to_a_file_leads_somewhere():
    links = re.findall(r'\]\((?!https?://)([^)#]+)\)', README)
    assert links
    for link in links:
        assert (Path(__file__).parents[2] / link).exists(), link


def test_python_snippet_runs(tmp_path):
    try:
        find_assets(landmark_network='heavy')
    except AssetError as error:
        pytest.skip(str(error))
    (snippet,) = re.findall(r'```python\n(.*?)```', README, re.DOTALL)
    cv2.imwrite(str(tmp_path / 'photo.jpg'), np.full((120, 160, 3), 128, np.uint8))
    check = 'assert people.vertices.shape == (0, 6890, 3)\n'
    result = subprocess.run(
        [sys.executable, '-c', snippet + check],
        cwd=tmp_path,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
