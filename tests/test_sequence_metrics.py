import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from metrichmsr_ros import sequence_metrics as metrics


def walk(frames: int = 250, *, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Return (T, 24, 3) joints of somebody who walks a curve at 1.5 m/s, 30 Hz."""
    rng = np.random.default_rng(seed)
    body = np.random.default_rng(7).normal(size=(24, 3)) * [0.2, 0.5, 0.2]
    angle = np.arange(frames) * 0.01
    root = np.stack([5 * np.cos(angle), 0.02 * np.sin(8 * angle), 5 * np.sin(angle)], -1)
    turned = Rotation.from_rotvec(-angle[:, None] * [0, 1, 0]).apply
    joints = np.stack([turned(np.tile(point, (frames, 1))) for point in body], 1) + root[:, None]
    return joints + noise * rng.normal(size=joints.shape)


def moved(joints: np.ndarray, *, scale: float = 1.0) -> np.ndarray:
    R = Rotation.from_euler('xyz', [0.3, 1.0, -0.2]).as_matrix()
    return scale * joints @ R.T + np.array([3.0, -1.0, 2.0])


def test_wham_keeps_a_short_last_chunk_and_tram_merges_it():
    assert metrics.chunks(250) == [slice(0, 100), slice(100, 200), slice(200, 250)]
    assert metrics.chunks(250, convention='tram') == [slice(0, 100), slice(100, 249)]
    assert metrics.chunks(201, convention='tram') == [slice(0, 100), slice(100, 200)]
    assert metrics.chunks(60, convention='tram') == [slice(0, 59)]
    assert metrics.chunks(200) == [slice(0, 100), slice(100, 200)]


@pytest.mark.parametrize(
    ('frames', 'convention', 'message'),
    [(0, 'wham', '0 frames'), (1, 'tram', '1 frames'), (9, 'gvhmr', "got 'gvhmr'")],
)
def test_chunks_refuse_what_cannot_be_cut(frames, convention, message):
    with pytest.raises(ValueError, match=message):
        metrics.chunks(frames, convention=convention)


def test_similarity_transforms_of_all_the_world_cost_nothing():
    true = walk()

    assert metrics.wa_mpjpe(moved(true, scale=0.7), true).max() == pytest.approx(0, abs=1e-6)
    assert metrics.w_mpjpe(moved(true, scale=0.7), true).max() == pytest.approx(0, abs=1e-6)
    assert metrics.rte(moved(true)[:, 0], true[:, 0]).max() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize('scale', [0.7, 1.3])
def test_a_wrong_scale_leaves_wa_and_w_unchanged_and_moves_rte_and_erve(scale):
    true, predicted = walk(), walk(noise=0.02)
    scaled = scale * predicted

    for metric in (metrics.wa_mpjpe, metrics.w_mpjpe):
        np.testing.assert_allclose(metric(scaled, true), metric(predicted, true), rtol=1e-9)
    before, after = (metrics.rte(p[:, 0], true[:, 0]).mean() for p in (predicted, scaled))
    assert after > 5 * before
    turns = {'predicted_rotation': np.tile(np.eye(3), (250, 1, 1))}
    turns['true_rotation'] = turns['predicted_rotation']
    clean = metrics.erve(scale * true[:, 0], true[:, 0], **turns)
    speed = np.linalg.norm(np.diff(true[:, 0], axis=0), axis=-1)
    np.testing.assert_allclose(clean, 300 * speed, rtol=1e-9)


def test_w_mpjpe_sees_drift_that_wa_mpjpe_spreads():
    true = walk(100)
    drift = 0.01 * np.arange(100)
    predicted = true + np.stack([0 * drift, drift, 0 * drift], -1)[:, None]

    w, wa = metrics.w_mpjpe(predicted, true), metrics.wa_mpjpe(predicted, true)

    assert w[-1] > 5 * w[10]
    assert w.mean() > 2 * wa.mean()


def test_alignment_is_per_chunk():
    true = walk(200)
    predicted = true.copy()
    predicted[100:] += 1.0

    assert metrics.wa_mpjpe(predicted, true).max() == pytest.approx(0, abs=1e-6)
    assert metrics.wa_mpjpe(predicted, true, length=200).mean() > 100
    assert metrics.wa_mpjpe(predicted, true, convention='tram').shape == (199,)


def test_rte_of_a_straight_line_by_hand():
    line = np.zeros((11, 3))
    line[:, 0] = np.arange(11)
    longer = 1.1 * line

    # Both centred: the errors are 0.1 · |-5..5| m of a path of 10 m.
    np.testing.assert_allclose(
        metrics.rte(longer, line), np.abs(np.arange(-5, 6)), rtol=1e-9, atol=1e-9
    )
    with pytest.raises(ValueError, match='path of length 0 m'):
        metrics.rte(line, 0 * line)


def test_erve_forgives_a_wrong_heading_and_no_speed():
    true = walk(50)[:, 0]
    R = Rotation.from_euler('y', 40, degrees=True).as_matrix()
    facing = np.tile(np.eye(3), (50, 1, 1))

    turned = metrics.erve(
        true @ R.T + 7, true, predicted_rotation=R @ facing, true_rotation=facing
    )
    unturned = metrics.erve(true @ R.T, true, predicted_rotation=facing, true_rotation=facing)

    assert turned.shape == (49,)
    assert turned.max() == pytest.approx(0, abs=1e-9)
    assert unturned.min() > 10


def test_acceleration_and_jitter_of_polynomials_by_hand():
    t = np.arange(6) / 30.0
    still = np.zeros((6, 2, 3))
    falling, jerking = still.copy(), still.copy()
    falling[..., 1] = (0.5 * 9.81 * t**2)[:, None]
    jerking[..., 0] = (t**3)[:, None]

    np.testing.assert_allclose(metrics.acceleration_error(falling, still), np.full(4, 9.81))
    np.testing.assert_allclose(metrics.jitter(jerking), np.full(3, 0.6))
    np.testing.assert_allclose(metrics.jitter(falling), 0, atol=1e-9)
    assert metrics.acceleration_error(falling, still, rate=60.0)[0] == pytest.approx(4 * 9.81)


def test_foot_sliding_counts_only_where_the_true_foot_stands():
    true = np.zeros((4, 2, 3))
    true[:, 1, 0] = [0.0, 0.005, 0.105, 0.205]  # the second foot stands in the first step only
    predicted = true.copy()
    predicted[:, :, 2] += np.array([0.0, 0.003, 0.003, 0.003])[:, None]

    sliding = np.sort(metrics.foot_sliding(predicted, true))

    np.testing.assert_allclose(sliding, [0, 0, 3, np.hypot(5, 3)], atol=1e-9)
    assert metrics.foot_sliding(predicted[:, 1:] * 50, true[:, 1:] * 50).size == 0


def test_per_frame_metrics_move_the_mean_of_the_hips_and_not_joint_0():
    true = walk(5)
    shifted = true + 0.3
    head_off = true.copy()
    head_off[:, 15, 0] += 0.24

    assert metrics.mpjpe_frames(shifted, true).max() == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(metrics.mpjpe_frames(head_off, true), np.full(5, 10.0))
    pelvis_off = true.copy()
    pelvis_off[:, 0, 0] += 0.24
    np.testing.assert_allclose(metrics.mpjpe_frames(pelvis_off, true), np.full(5, 10.0))
    assert metrics.mpjpe_frames(pelvis_off, true, root=(0,))[0] == pytest.approx(230.0)
    assert metrics.pa_mpjpe_frames(moved(true, scale=2), true).max() == pytest.approx(0, abs=1e-6)


def test_pve_uses_the_joints_root():
    true = walk(3)
    vertices = true[:, ::3] + 0.1
    errors = metrics.pve_frames(
        vertices + 0.5, vertices, predicted_joints=true + 0.5, true_joints=true
    )

    assert errors.max() == pytest.approx(0, abs=1e-9)
    errors = metrics.pve_frames(vertices + 0.5, vertices, predicted_joints=true, true_joints=true)
    np.testing.assert_allclose(errors, np.full(3, 500 * np.sqrt(3)))


def test_figures_of_a_data_set_weigh_frames_and_not_sequences():
    assert metrics.mean_over_frames([np.zeros(9), np.full(1, 10.0)]) == 1.0
    assert np.isnan(metrics.mean_over_frames([]))


def test_shapes_that_differ_are_named():
    with pytest.raises(ValueError, match=r'\(5, 24, 3\) and \(4, 24, 3\)'):
        metrics.wa_mpjpe(walk(5), walk(4))
