"""The steps of set-up, each a function of the ``Environment`` that it works on."""

from __future__ import annotations

from dataclasses import dataclass
import os
from pathlib import Path
import shutil
import subprocess

from console import Runner, SetupError
from machine import Python, upstream_packages

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / '.venv'
TORCH = 'torch==2.13.0'
# A ROS installation's cv_bridge is built with NumPy 1; so named, pip need not try every release.
NUMPY_1 = ('numpy<2', 'opencv-python-headless<4.12', 'pyarrow<22', 'rerun-sdk<0.24')
ROS_REQUIREMENTS = Path(__file__).with_name('requirements-ros.txt')
MEND_WHEELS = Path(__file__).with_name('mend_wheels.py')
UNDERLAY = ROOT / 'ros2_ws' / 'underlay' / 'src'
MESSAGES = ROOT / 'ros2_ws' / 'src' / 'metrichmsr_msgs'
PACKAGE = f'{ROOT}[demo,dev,test]'


@dataclass(frozen=True)
class Environment:
    """What is being set up.

    Attributes:
        python: The interpreter that the virtual environment is made with.
        ros: Name of the sourced ROS 2 distribution; '' = the wheels.
        runner: Runs the commands.
    """

    python: Python
    ros: str
    runner: Runner

    def pip(self, title: str, *arguments: str) -> None:
        """Install with the environment's pip, under the constraints."""
        constraints = VENV / 'constraints.txt'
        pins = [TORCH, 'setuptools<80', *(NUMPY_1 if self.ros else ())]
        constraints.write_text('\n'.join(pins) + '\n')
        pip = [str(VENV / 'bin' / 'python'), '-m', 'pip']
        options = [
            '--disable-pip-version-check', '--progress-bar', 'off', '--retries', '2',
            '-c', str(constraints),
        ]  # fmt: skip
        self.runner.run(title, [*pip, 'install', *options, *arguments], env=child_environment())


def child_environment(**more: str) -> dict[str, str]:
    """Return the environment without what the wheels of another virtual environment left in it."""
    env = {**os.environ, **more}
    env.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
    env.pop('PYTHONHOME', None)
    return env


def make_venv(environment: Environment) -> None:
    """Make ``.venv``; one of a ROS installation sees that installation's packages.

    Raises:
        SetupError: There is one with another Python, which set-up did not make.
    """
    if (VENV / 'bin' / 'python').exists() and not _is_of(environment.python):
        raise SetupError(
            f'{VENV} was not made by set-up and not with Python {environment.python.version}: '
            'remove it ("make clean") and run make again.'
        )
    command = [environment.python.executable, '-m', 'venv', str(VENV)]
    if environment.ros:
        command.append('--system-site-packages')
    environment.runner.run('Virtual environment', command, env=child_environment())
    (VENV / 'COLCON_IGNORE').touch()


def _is_of(python: Python) -> bool:
    return (VENV / 'lib' / f'python{python.version}').is_dir()


def install_torch(environment: Environment) -> None:
    """Install torch before anything else that needs it, so that its build is chosen here alone."""
    setuptools = 'setuptools<80'
    if not shutil.which('nvidia-smi'):
        try:
            # Where pip has a CPU build at hand it is 4 GB smaller; not every index holds one.
            environment.pip('PyTorch (CPU build)', f'{TORCH}+cpu', setuptools)
        except SetupError:
            pass
        else:
            return
    environment.pip('PyTorch', TORCH, setuptools)


def install_ros(environment: Environment) -> None:
    """Install the ROS 2 wheels and mend what they get wrong; colcon alone where ROS is sourced."""
    if environment.ros:
        environment.pip('colcon', 'colcon-common-extensions')
        return
    environment.pip('ROS 2 Jazzy', '-r', str(ROS_REQUIREMENTS))
    command = [str(VENV / 'bin' / 'python'), str(MEND_WHEELS)]
    environment.runner.run('Paths in the ROS 2 wheels', command, env=child_environment())


def build_messages(environment: Environment) -> None:
    """Build metrichmsr_msgs, and the stand-ins of absent packages, into the environment itself.

    There Python and the dynamic loader find them without anything being sourced.
    """
    present = upstream_packages() if environment.ros else set()
    stand_ins = [folder for folder in sorted(UNDERLAY.iterdir()) if folder.name not in present]
    prefixes = [str(VENV), *filter(None, [os.environ.get('AMENT_PREFIX_PATH')])]
    env = child_environment(
        AMENT_PREFIX_PATH=os.pathsep.join(prefixes),
        CMAKE_PREFIX_PATH=os.pathsep.join(prefixes),
        PATH=os.pathsep.join([str(VENV / 'bin'), os.environ['PATH']]),
    )
    shutil.rmtree(VENV / 'colcon', ignore_errors=True)
    command = [
        str(VENV / 'bin' / 'python'), '-m', 'colcon', '--log-base', str(VENV / 'colcon' / 'log'),
        'build', '--merge-install', '--install-base', str(VENV),
        '--build-base', str(VENV / 'colcon' / 'build'),
        '--base-paths', *map(str, stand_ins), str(MESSAGES),
        '--event-handlers', 'console_direct+',
        '--cmake-args', '-DBUILD_TESTING=OFF', f'-DPython3_EXECUTABLE={VENV / "bin" / "python"}',
    ]  # fmt: skip
    environment.runner.run('ROS messages', command, env=env, cwd=VENV)


def install_package(environment: Environment) -> None:
    """Install this package, editable, with all that it and its tests need."""
    environment.pip('metrichmsr_ros', '--no-build-isolation', '-e', PACKAGE)


def fetch_assets(environment: Environment) -> None:
    """Fetch the BlazePose networks where the user's cache does not hold them."""
    python = str(VENV / 'bin' / 'python')
    module = 'metrichmsr_ros.perception.blazepose.assets'
    env = child_environment()
    every = '[find_assets(landmark_network=name) for name in LANDMARK_NETWORKS]'
    check = [python, '-c', f'from {module} import find_assets, LANDMARK_NETWORKS; {every}']
    if subprocess.run(check, env=env, cwd=ROOT, stderr=subprocess.DEVNULL).returncode:
        fetch = [python, '-m', module]
        environment.runner.run('BlazePose networks', fetch, env=env, cwd=ROOT)
