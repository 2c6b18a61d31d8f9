"""Make the ROS 2 wheels fit to build packages against; run by the Python that has them.

Their CMake files hold the include folders of the machine that built them, and nothing tells colcon
and CMake that the environment is a ROS prefix.
"""

from __future__ import annotations

from pathlib import Path
import re
import sys
import sysconfig

import numpy as np

BUILDER = r'/opt/python/cp\d+-cp\d+'
REPLACEMENTS = {
    rf'{BUILDER}/lib/python[\d.]+/site-packages/numpy/_?core/include': np.get_include(),
    rf'{BUILDER}/include/python[\d.]+': sysconfig.get_paths()['include'],
}

# For whatever this Python starts; the wheels' own .pth does the same for the dynamic loader.
PREFIX = (
    'import os, sys; os.environ.update({v: os.pathsep.join(filter(None, [os.environ.get(v), '
    "sys.prefix])) for v in ('AMENT_PREFIX_PATH', 'CMAKE_PREFIX_PATH') "
    "if sys.prefix not in os.environ.get(v, '').split(os.pathsep)})\n"
)


def mend(folder: Path) -> int:
    """Rewrite the CMake files below ``folder``; return how many changed."""
    changed = 0
    for path in folder.rglob('*.cmake'):
        before = text = path.read_text()
        for pattern, replacement in REPLACEMENTS.items():
            text = re.sub(pattern, lambda _, new=replacement: new, text)
        if text != before:
            path.write_text(text)
            changed += 1
    return changed


if __name__ == '__main__':
    Path(sysconfig.get_paths()['purelib'], 'ros_prefix.pth').write_text(PREFIX)
    print(f'{mend(Path(sys.prefix, "share"))} files changed')
