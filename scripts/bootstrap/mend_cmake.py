"""Point the CMake files of the ROS 2 wheels at this Python; run by the Python that has them.

They hold the include folders of the machine that built the wheels.
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
    print(f'{mend(Path(sys.prefix, "share"))} files changed')
