"""The real parts together, against the truth of the synthetic world."""

import numpy as np
import pytest

from metrichmsr_ros.data.synthetic.world import SyntheticWorld, WorldConfig
from metrichmsr_ros.perception.blazepose.assets import AssetError, find_assets
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.perception.pipeline import build_pipeline
from metrichmsr_ros.structures import Frame

MS = 1_000_000


@pytest.fixture(autouse=True)
def networks():
    try:
        find_assets()
    except AssetError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_the_real_parts_in_the_synthetic_world():
    config = WorldConfig(people=1, rate=1.25)  # few frames: rendering takes the time
    world = SyntheticWorld(config)
    loop = world.render(cached=False)
    pipeline = build_pipeline(
        PipelineConfig(
            device='cpu',
            depth_source='ground',
            camera_height=config.camera_height,
            camera_tilt=config.camera_tilt,
            detector_budget_ms=None,
        )
    )
    ids, errors, prior_errors, refined_errors = set(), [], [], []
    for t in range(len(loop)):
        scene = pipeline.process(Frame(loop.images[t], world.camera, t * 800 * MS))
        if t < 3:
            continue
        ids |= set(scene.people.ids)
        pelvis, truth = scene.people.pelvis, loop.people(t).pelvis
        apart = np.linalg.norm(pelvis[None] - truth[:, None], axis=2).min(axis=1)
        errors.extend(apart / np.linalg.norm(truth, axis=1))
        for depth_z, into in (
            (scene.depth.prior_z, prior_errors),
            (scene.depth.depth_z, refined_errors),
        ):
            known = np.isfinite(scene.depth.prior_z) & np.isfinite(scene.depth.depth_z)
            true_z = loop.depth_z(t)[known]
            into.append(np.mean(np.abs(depth_z[known] - true_z) / true_z))
    assert len(ids) == 1
    assert np.median(errors) < 0.08
    assert np.mean(refined_errors) < np.mean(prior_errors)


@pytest.mark.slow
def test_a_child_on_a_known_floor_is_as_far_and_as_tall_as_it_is():
    world = SyntheticWorld(WorldConfig(people=1, rate=2.5, heights=(1.2,)))
    loop = world.render(cached=False)
    assert loop.heights[0] == pytest.approx(1.2, abs=1e-3)
    pipeline = build_pipeline(
        PipelineConfig(
            device='cpu',
            camera_height=world.config.camera_height,
            camera_tilt=world.config.camera_tilt,
            people_on_floor=True,
            detector_budget_ms=None,
        )
    )
    ratios, heights = [], []
    for t in range(len(loop)):
        people = pipeline.process(Frame(loop.images[t], world.camera, t * 400 * MS)).people
        if t >= 6 and len(people):
            true = np.linalg.norm(loop.joints[t, 0, 0])
            ratios.append(np.linalg.norm(people.pelvis[0]) / true)
            heights.append(people.heights[0])
    assert len(ratios) > 5
    assert np.median(ratios) == pytest.approx(1, abs=0.08)
    assert np.median(heights) == pytest.approx(1.2, abs=0.1)
