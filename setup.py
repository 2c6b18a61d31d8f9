"""The ament_python package, which pip installs as well; name and version come from package.xml."""

from glob import glob
from xml.etree import ElementTree

from setuptools import find_packages, setup

package = ElementTree.parse('package.xml')
NAME = package.findtext('name')
SHARE = f'share/{NAME}'
TRANSFORMERS = 'transformers>=4.48'

setup(
    name=NAME,
    version=package.findtext('version'),
    description=package.findtext('description'),
    license=package.findtext('license'),
    python_requires='>=3.10',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={
        '': ['*.npz', '*.safetensors', '*.json', 'py.typed'],
        f'{NAME}.models': ['checkpoints/*/*'],
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (SHARE, ['package.xml', 'LICENSE']),
        (f'{SHARE}/launch', glob('launch/*.launch.py')),
        (f'{SHARE}/config', glob('config/*.yaml') + glob('config/*.xml')),
        (f'{SHARE}/config/cameras', glob('config/cameras/*.yaml')),
        (f'{SHARE}/rviz', glob('rviz/*.rviz')),
    ],
    zip_safe=False,
    # numpy is left open: the binary cv_bridge of a ROS installation needs numpy<2, wheels take 2
    install_requires=[
        'ai-edge-litert',
        'numpy>=1.26',
        'opencv-python-headless>=4.10,<5',
        'pyyaml',
        'roma',
        'rosbags',
        'safetensors',
        'scipy',
        'torch>=2.6',
        'warp-lang',
    ],
    extras_require={
        'depth': ['pillow', TRANSFORMERS],
        'demo': ['rerun-sdk'],
        'dev': ['mypy', 'ruff'],
        'smplx': ['smplx'],
        'test': ['pillow', 'pytest', 'pytest-timeout', TRANSFORMERS],
        'vitpose': [TRANSFORMERS],
    },
    entry_points={
        'console_scripts': [
            f'metrichmsr = {NAME}.start:metrichmsr',
            f'metrichmsr_node = {NAME}.start:metrichmsr_node',
            f'camera_node = {NAME}.start:camera_node',
            f'monitor = {NAME}.start:monitor',
        ],
    },
)
