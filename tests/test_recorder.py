"""The pictures of the monitor's video."""

from __future__ import annotations

import numpy as np

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.ros.recorder import side_by_side, Snapshot

SHAPE = (48, 64)


def snapshot(**depths: np.ndarray | None) -> Snapshot:
    image = np.full((*SHAPE, 3), 90, np.uint8)
    return Snapshot(
        stamp=0, image=image, overlay=image // 2, camera=Camera.from_fov(64, 48, 1.0),
        ids=(), joints=np.zeros((0, 24, 3)), orientations=np.zeros((0, 4)), meshes=(),
        **{'depth_z': None, 'prior_z': None, 'true_z': None, **depths},
    )  # fmt: skip


def test_without_truth_there_is_one_row():
    depth_z = np.full(SHAPE, 2.0, np.float32)
    picture = side_by_side(snapshot(depth_z=depth_z, prior_z=depth_z))
    assert picture.shape == (48, 192, 3)
    assert (picture[:, :64] == 90).all()
    assert (picture[:, 64:128] == 45).all()
    assert side_by_side(snapshot()).shape == (48, 192, 3)


def test_with_truth_the_second_row_shows_what_was_gained():
    true_z = np.full(SHAPE, 2.0, np.float32)
    refined = true_z.copy()
    refined[30:, 32:] = 3.0
    refined[20:30, 32:] = np.nan
    picture = side_by_side(snapshot(depth_z=refined, prior_z=1.5 * true_z, true_z=true_z))
    assert picture.shape == (96, 192, 3)
    below = picture[48:]
    refined_of, error = below[:, 64:128], below[:, 128:]
    # Where refined depth is that of the prior it has the prior's colour; elsewhere the truth's.
    assert (refined_of[40, 60] == below[40, 60]).all()
    assert (refined_of[40, 5] == picture[40, 128 + 5]).all()
    assert error[40, 60].sum() > 500
    assert error[40, 5].sum() < 20
    assert error[25, 60].sum() < 20
