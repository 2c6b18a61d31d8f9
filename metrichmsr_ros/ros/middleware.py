"""Settings that must be made before ``rclpy.init``, and where this package's own files lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import fcntl
import os
from pathlib import Path
import shutil
import tempfile

PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')

# Every process reserves its whole segment: the camera, the node, a monitor and one more are to
# fit with the large one (64 MiB and 3 MiB of queues each).
ROOM_FOR_LARGE_SEGMENTS = 4 * 67 * 2**20

MOST_DEMONSTRATIONS = 10  # at once on one machine


def share_path(relative: str) -> Path:
    """Return a file or folder that is installed in ``share/metrichmsr_ros``.

    In a checkout (also one installed with ``pip install -e``) that is the checkout's own.

    Args:
        relative: Path below the share folder, for instance ``config/metrichmsr.yaml``.

    Raises:
        FileNotFoundError: It is in neither place.
    """
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / 'package.xml').is_file():
        from ament_index_python.packages import get_package_share_directory

        checkout = Path(get_package_share_directory('metrichmsr_ros'))
    path = checkout / relative
    if not path.exists():
        raise FileNotFoundError(f'{path} is missing: is metrichmsr_ros installed completely?')
    return path


def profile_environment(
    environment: Mapping[str, str] = os.environ, *, shared_memory: Path = Path('/dev/shm')
) -> dict[str, str]:
    """Return the variables that make Fast DDS carry camera images between processes.

    Args:
        environment: What is set already; a profile that the user chose stays, then nothing is
            returned.
        shared_memory: Where the system keeps shared memory. With little room in it (64 MB in
            Docker) the profile with small segments is chosen, because Fast DDS gives shared memory
            up altogether when a segment does not fit.
    """
    if any(environment.get(name) for name in PROFILE_VARIABLES):
        return {}
    try:
        large = shutil.disk_usage(shared_memory).free >= ROOM_FOR_LARGE_SEGMENTS
    except OSError:
        large = False
    name = 'fastdds.xml' if large else 'fastdds_small_shm.xml'
    return dict.fromkeys(PROFILE_VARIABLES, str(share_path(f'config/{name}')))


def use_fastdds_profile() -> None:
    """Apply ``profile_environment`` to this process and its children; call before rclpy.init."""
    os.environ.update(profile_environment())


class BusyError(RuntimeError):
    """Too many demonstrations are running."""


@contextmanager
def own_graph(
    environment: Mapping[str, str] = os.environ, *, folder: Path | None = None
) -> Iterator[dict[str, str]]:
    """Yield the variables that keep a demonstration on this machine and apart from others.

    Two demonstrations in one domain would mix their topics, which have the same names; so would
    those of two machines on one network.

    Args:
        environment: A ``ROS_AUTOMATIC_DISCOVERY_RANGE`` set there stays, and a ``ROS_DOMAIN_ID``
            too, unless another demonstration has it: then one of the next is taken.
        folder: Where the domains in use are marked; default the system's folder for such files.

    Raises:
        BusyError: There are too many.
    """
    first = int(environment.get('ROS_DOMAIN_ID') or 0)
    folder = folder or Path(tempfile.gettempdir())
    reach = environment.get('ROS_AUTOMATIC_DISCOVERY_RANGE') or 'LOCALHOST'
    for domain in range(first, first + MOST_DEMONSTRATIONS):
        mark = folder / f'metrichmsr_ros_{os.getuid()}_domain_{domain}.lock'
        with mark.open('w') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield {'ROS_DOMAIN_ID': str(domain), 'ROS_AUTOMATIC_DISCOVERY_RANGE': reach}
            return
    raise BusyError(f'{MOST_DEMONSTRATIONS} demonstrations are running already: end one')
