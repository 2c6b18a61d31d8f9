"""A correction over time: bounded, remembered for as long as stated, and given up."""

import numpy as np
import pytest

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.perception.affine_field import AffineField
from metrichmsr_ros.perception.field_memory import FieldMemory, MAX_RATE
from metrichmsr_ros.structures import DepthImage, DepthState

CAMERA = Camera.from_fov(160, 120, 1.2)
WALL = np.linspace(2, 6, 160, dtype=np.float32) * np.ones((120, 1), np.float32)
S = 1_000_000_000
ANCHORED, REMEMBERED = DepthState.ANCHORED, DepthState.REMEMBERED
UNANCHORED = DepthState.UNANCHORED


def prior(factor=1.0, depth_z=WALL, **more):
    return DepthImage((factor * depth_z).astype(np.float32), CAMERA, source='fake', **more)


class Timeline:
    """Feeds a memory and checks that nothing published moves faster than it may."""

    def __init__(self, **settings):
        self.memory = FieldMemory(**settings)
        self.stamp = 0
        self.seen = None
        self.fastest = 0.0

    def show(self, scale=None, step=0.05, image=None, shift=0.0):
        field = AffineField.constant(scale, shift) if isinstance(scale, float) else scale
        image = image or prior()
        self.stamp += round(step * S)
        found = self.memory.update(self.stamp, image, field, prior_stamp=self.stamp)
        depth_z = None if found.field is None else found.field.apply(image.depth_z)
        if self.seen is not None and depth_z is not None and step > 0:
            self.fastest = max(self.fastest, np.abs(np.log(depth_z / self.seen)).max() / step)
        self.seen = depth_z
        return found


def test_the_first_anchors_count_at_once():
    found = Timeline().show(1.4)
    assert found.field.mean == pytest.approx((1.4, 0.0))
    assert (found.state, found.anchor_age) == (ANCHORED, 0.0)


def test_who_enters_or_leaves_moves_the_depth_slowly_at_any_frame_rate():
    time = Timeline()
    rng = np.random.default_rng(0)
    last = None
    for k in range(400):
        asked = None if 150 < k < 170 else (1.0, 1.3, 0.75, 1.1)[k // 100]
        last = time.show(asked, step=rng.uniform(0.01, 0.3), shift=0.2 * (k > 200))
    assert 0.5 * MAX_RATE < time.fastest <= 1.02 * MAX_RATE
    assert last.field.mean == pytest.approx((1.1, 0.2), abs=0.01)


def test_a_field_moves_no_cell_faster():
    time, rng = Timeline(), np.random.default_rng(1)
    for _ in range(50):
        scale = rng.uniform(0.6, 1.5, (6, 8)).astype(np.float32)
        shift = rng.uniform(-0.3, 0.3, (6, 8)).astype(np.float32)
        time.show(AffineField(scale, shift), step=rng.uniform(0.02, 0.4))
    assert 0.5 * MAX_RATE < time.fastest <= 1.02 * MAX_RATE


def test_splitting_a_time_step_changes_nothing():
    ends = []
    for step in (0.01, 0.1):
        time = Timeline()
        time.show(1.0)
        for _ in range(round(1 / step)):
            found = time.show(1.1, step)
        ends.append(found.field.mean[0])
    assert ends[0] == pytest.approx(ends[1], abs=1e-4)
    assert ends[0] == pytest.approx(1 + 0.1 * (1 - np.exp(-1)), abs=1e-3)


def test_noise_is_averaged():
    time, rng = Timeline(), np.random.default_rng(2)
    scales = [time.show(float(rng.normal(1.2, 0.02))).field.mean[0] for _ in range(400)]
    assert np.std(scales[100:]) < 0.3 * 0.02
    assert np.mean(scales[100:]) == pytest.approx(1.2, abs=0.005)


@pytest.mark.parametrize('hold', [0.0, 1.0, 10.0])
def test_the_scale_is_held_for_the_stated_time_and_then_eases_back(hold):
    time = Timeline(hold=hold)
    for _ in range(10):
        time.show(1.3)
    held = [time.show(None) for _ in range(round(hold / 0.05))]
    assert all(found.state == REMEMBERED for found in held)
    assert all(found.field.mean[0] == pytest.approx(1.3) for found in held)
    if held:
        assert held[-1].anchor_age == pytest.approx(hold)
    gone = time.show(None)
    assert gone.state == UNANCHORED
    assert gone.field.mean[0] == pytest.approx(1.3 * np.exp(-MAX_RATE * 0.05), rel=1e-3)
    for _ in range(40):
        gone = time.show(None)
    assert gone.field.mean == (1.0, 0.0)
    assert gone.anchor_age == pytest.approx(hold + 41 * 0.05)
    assert time.fastest <= 1.02 * MAX_RATE


def test_a_relative_prior_is_unknown_without_a_scale():
    time = Timeline(hold=1.0)
    assert time.show(None, image=prior(metric=False)).field is None
    assert time.show(2.5, image=prior(metric=False)).field.mean[0] == 2.5
    assert time.show(None, 0.9, prior(metric=False)).field.mean[0] == 2.5
    lost = time.show(None, 0.2, prior(metric=False))
    assert (lost.field, lost.state) == (None, UNANCHORED)
    assert time.show(4.0, image=prior(metric=False)).field.mean[0] == 4.0


def test_what_differs_over_the_image_is_forgotten_before_the_whole():
    time = Timeline()
    bent = np.linspace(1.0, 1.4, 48, dtype=np.float32).reshape(6, 8)
    time.show(AffineField(bent, 0 * bent))
    for _ in range(40):
        found = time.show(None)
    assert found.field.scale.mean() == pytest.approx(1.2, abs=1e-3)
    assert np.ptp(found.field.scale) == pytest.approx(0.4 * np.exp(-1), rel=0.02)


@pytest.mark.parametrize('back', [0.0, -0.01, -100.0])
def test_time_that_does_not_go_on_starts_anew(back):
    time = Timeline()
    time.show(1.3, 200.0)
    found = time.show(None, back)
    assert (found.state, found.field.mean) == (UNANCHORED, (1.0, 0.0))
    assert np.isnan(found.anchor_age)


def test_another_source_starts_anew():
    memory = FieldMemory()
    memory.update(0, prior(), AffineField.constant(1.3), prior_stamp=0)
    other = DepthImage(WALL, CAMERA, source='other')
    assert memory.update(S, other, None, prior_stamp=S).state == UNANCHORED


def test_a_prior_whose_own_scale_flickers_is_followed_at_once():
    time, rng = Timeline(), np.random.default_rng(3)
    for _ in range(60):
        factor = float(rng.uniform(0.7, 1.4))
        time.show(1.2 / factor, image=prior(factor))
        np.testing.assert_allclose(time.seen, 1.2 * WALL, rtol=1e-3)


def test_a_camera_that_moves_is_no_jump_of_the_prior():
    time = Timeline()
    for k in range(20):
        found = time.show(1.2, image=prior(1 - 0.03 * k))
        assert found.field.mean[0] == pytest.approx(1.2)


def test_who_enters_while_the_prior_is_still_is_no_jump_of_the_prior():
    time = Timeline()
    time.show(1.2)
    assert time.show(0.8).field.mean[0] > 1.2 * np.exp(-MAX_RATE * 0.05) - 1e-6


def test_a_prior_of_nothing_moves_nothing():
    time = Timeline()
    time.show(1.3)
    unknown = prior(depth_z=np.full((120, 160), np.nan, np.float32))
    assert time.memory.update(S, unknown, None, prior_stamp=S).field.mean[0] == pytest.approx(1.3)


@pytest.mark.parametrize('hold', [-1.0, np.nan, np.inf])
def test_a_hold_that_is_none_is_refused(hold):
    with pytest.raises(ValueError, match='at least 0 s'):
        FieldMemory(hold)
