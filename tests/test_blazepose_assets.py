import hashlib
import zipfile

import pytest

from metrichmsr_ros.perception.blazepose import assets


@pytest.fixture
def contents(monkeypatch):
    """Small stand-ins for the two networks, with checksums to match."""
    contents = {asset.member: asset.member.encode() * 100 for asset in assets._ASSETS}
    fakes = tuple(
        assets.Asset(member, hashlib.sha256(data).hexdigest()) for member, data in contents.items()
    )
    monkeypatch.setattr(assets, '_ASSETS', fakes)
    return contents


def write_wheel(path, contents):
    with zipfile.ZipFile(path, 'w') as archive:
        for member, data in contents.items():
            archive.writestr(member, data)
        archive.writestr('mediapipe/other.py', 'unused')
    return path


def test_unpacked_files_are_found(tmp_path, contents):
    wheel = write_wheel(tmp_path / 'mediapipe.whl', contents)
    assets.unpack_wheel(wheel, tmp_path / 'cache')
    paths = assets.find_assets(tmp_path / 'cache')
    assert paths.detector.read_bytes() == contents[assets.DETECTOR.member]
    assert paths.landmarker.read_bytes() == contents[assets.LANDMARKER.member]
    assert len(list((tmp_path / 'cache').iterdir())) == 2


def test_missing_file_is_named_with_the_command(tmp_path, contents):
    with pytest.raises(
        assets.AssetError, match=r'pose_detection\.tflite.*No such file.*python -m'
    ):
        assets.find_assets(tmp_path)


@pytest.mark.parametrize('damage', [lambda data: data[:-1], lambda data: b'x' + data[1:]])
def test_corrupt_file_is_named_with_the_command(tmp_path, contents, damage):
    assets.unpack_wheel(write_wheel(tmp_path / 'mediapipe.whl', contents), tmp_path / 'cache')
    path = tmp_path / 'cache' / assets.LANDMARKER.name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        assets.AssetError, match=r'pose_landmark_full\.tflite is corrupt.*python -m'
    ):
        assets.find_assets(tmp_path / 'cache')


def test_truncated_wheel_leaves_nothing(tmp_path, contents):
    wheel = write_wheel(tmp_path / 'mediapipe.whl', contents)
    wheel.write_bytes(wheel.read_bytes()[:-40])
    with pytest.raises(assets.AssetError, match='truncated'):
        assets.unpack_wheel(wheel, tmp_path / 'cache')
    assert not (tmp_path / 'cache').exists()


def test_wheel_without_a_network_is_refused(tmp_path, contents):
    contents.pop(assets.LANDMARKER.member)
    with pytest.raises(assets.AssetError, match='not mediapipe'):
        assets.unpack_wheel(write_wheel(tmp_path / 'mediapipe.whl', contents), tmp_path / 'cache')


def test_wheel_with_other_contents_is_refused(tmp_path, contents):
    contents[assets.DETECTOR.member] = b'another version'
    with pytest.raises(assets.AssetError, match='corrupt'):
        assets.unpack_wheel(write_wheel(tmp_path / 'mediapipe.whl', contents), tmp_path / 'cache')
    assert not (tmp_path / 'cache').exists()


def test_ensure_downloads_only_once(tmp_path, contents, monkeypatch):
    downloads = []

    def download(directory):
        downloads.append(directory)
        return write_wheel(directory / 'mediapipe.whl', contents)

    monkeypatch.setattr(assets, '_download_wheel', download)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    first, second = assets.ensure_assets(), assets.ensure_assets()
    assert first == second
    assert first.detector.parent == tmp_path / 'metrichmsr_ros' / 'blazepose'
    assert len(downloads) == 1


def test_ensure_mends_a_corrupt_file(tmp_path, contents, monkeypatch):
    monkeypatch.setattr(
        assets, '_download_wheel', lambda where: write_wheel(where / 'mediapipe.whl', contents)
    )
    assets.ensure_assets(tmp_path)
    (tmp_path / assets.DETECTOR.name).write_bytes(b'')
    assert assets.ensure_assets(tmp_path).detector.read_bytes() == contents[assets.DETECTOR.member]


def test_failing_pip_is_one_error(tmp_path, monkeypatch):
    monkeypatch.setattr(assets, 'WHEEL', 'not a requirement ==')
    with pytest.raises(assets.AssetError, match='pip could not download'):
        assets._download_wheel(tmp_path)


def test_unwritable_cache_is_one_error(tmp_path, contents, monkeypatch):
    monkeypatch.setattr(
        assets, '_download_wheel', lambda where: write_wheel(where / 'mediapipe.whl', contents)
    )
    (tmp_path / 'file').write_text('in the way')
    with pytest.raises(assets.AssetError, match='cannot be stored'):
        assets.ensure_assets(tmp_path / 'file')


def test_main_tells_failure_by_its_status(monkeypatch):
    def fail():
        raise assets.AssetError('no network')

    monkeypatch.setattr(assets, 'ensure_assets', fail)
    assert assets.main() == 1
