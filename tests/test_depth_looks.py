import numpy as np

from metrichmsr_ros.data.depth.looks import change_looks

RNG = np.random.default_rng
HALVES = np.zeros((24, 32, 3), np.uint8)  # a dark wall beside a light one
HALVES[:, :16], HALVES[:, 16:] = (60, 40, 20), (150, 180, 200)


def test_the_seed_decides():
    one, same, other = (change_looks(HALVES, RNG(seed)) for seed in (5, 5, 6))
    assert one.shape == HALVES.shape
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_what_is_plain_stays_plain_and_ends_where_it_did():
    edges = 0
    for seed in range(40):
        picture = change_looks(HALVES, RNG(seed))
        for half in (picture[:, :13], picture[:, 19:]):  # no kernel reaches over 3 pixels
            assert np.ptp(half, axis=(0, 1)).max() == 0
        edges += (picture[:, 12] != picture[:, 20]).any()
    assert edges > 20


def test_textures_change_in_some_pictures_and_some_lose_colours_or_all():
    noise = RNG(0).integers(0, 256, (24, 32, 3), np.uint8)
    pictures = [change_looks(noise, RNG(seed)) for seed in range(200)]
    blank = [picture.max() == picture.min() for picture in pictures]
    grey = [np.ptp(picture, axis=-1).max() < 0.02 * 255 for picture in pictures]
    assert 0.08 < np.mean(blank) < 0.25
    assert np.mean(grey) < 0.5
    # Where only light and colours change, one channel's order of pixels stays.
    order = np.argsort(noise[..., 0], axis=None, kind='stable')
    ordered = [(np.diff(p[..., 0].ravel()[order].astype(int)) >= 0).all() for p in pictures]
    assert 0.3 < np.mean(ordered) < 0.8
