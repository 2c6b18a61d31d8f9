"""The README's tables of topics and parameters, made from the code.

``python -m metrichmsr_ros.ros.reference README.md`` writes them between their marks.
"""

from __future__ import annotations

from pathlib import Path
import re
import sys

from metrichmsr_ros.ros.outputs import TOPICS
from metrichmsr_ros.ros.parameters import markdown_table

INPUTS = {
    'image': ('sensor_msgs/Image', 'colour, grey, Bayer or YUV; `image/compressed` if so set'),
    'camera_info': (
        'sensor_msgs/CameraInfo',
        'of the image: the one with its stamp, else the newest',
    ),
    'depth': ('sensor_msgs/Image', '16UC1 mm or 32FC1 m, with `depth_source: topic`'),
    'depth_camera_info': ('sensor_msgs/CameraInfo', 'of the depth, if it is not the image’s own'),
}


def topics_table() -> str:
    """Return the table of all topics."""
    rows = ['| | topic | type | meaning |', '|---|---|---|---|']
    rows += [f'| in | `{name}` | {kind} | {text} |' for name, (kind, text) in INPUTS.items()]
    for name, (kind, text) in TOPICS.items():
        package = kind.__module__.split('.')[0]
        rows.append(f'| out | `~/{name}` | {package}/{kind.__name__} | {text} |')
    rows.append('| out | `/tf` | tf2_msgs/TFMessage | camera optical frame → `pelvis_<id>` |')
    rows.append('| out | `/diagnostics` | diagnostic_msgs/DiagnosticArray | see below |')
    return '\n'.join(rows) + '\n'


def fill(text: str) -> str:
    """Return the README with its tables up to date.

    Raises:
        ValueError: A pair of marks is missing.
    """
    for name, table in (('topics', topics_table()), ('parameters', markdown_table())):
        marks = re.search(rf'<!-- {name}: .*? -->\n(.*?)<!-- /{name} -->', text, re.DOTALL)
        if marks is None:
            raise ValueError(f'the marks <!-- {name}: … --> and <!-- /{name} --> are missing')
        text = text[: marks.start(1)] + table + text[marks.end(1) :]
    return text


if __name__ == '__main__':
    readme = Path(sys.argv[1])
    readme.write_text(fill(readme.read_text(encoding='utf-8')), encoding='utf-8')
