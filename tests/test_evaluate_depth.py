"""Depth that people correct, scored: known priors, an index, a video, rendered photographs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
import json
from types import SimpleNamespace

import cv2
from made_scenes import CONFIG, OneLook
from made_world import CAMERA, make_frame, make_pipeline, World
import numpy as np
import pytest

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.depth.groups import GroupSampler
from metrichmsr_ros.data.depth.photographs import draw_photographs, HEIGHT, WIDTH
from metrichmsr_ros.data.depth.scenes import SceneRenderer
from metrichmsr_ros.data.index import read_index
from metrichmsr_ros.data.synthetic.world import SyntheticWorld
from metrichmsr_ros.depth_pictures import DepthPictures
from metrichmsr_ros.depth_report import DepthReport
from metrichmsr_ros.depth_views import (
    DepthView,
    measured_views,
    rendered_views,
    see_people,
    single_images,
)
from metrichmsr_ros.evaluate_depth import depth_methods, REFINER, score_video, score_views
from metrichmsr_ros.evaluate_depth_sets import score_index, score_rendered
from metrichmsr_ros.models.depth_refiner import DepthRefiner
from metrichmsr_ros.models.metric_hmr import MetricHMR
from metrichmsr_ros.perception.blazepose.assets import AssetError, find_assets
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.structures import DepthImage

WALL, CARD = 6.0, 3.0  # metres


@pytest.fixture
def methods():
    return depth_methods(DepthRefiner())


def room_with_card(pipeline) -> DepthView:
    """One card at 3 m before a wall at 6 m, and priors that are too far."""
    people, mesh = see_people(pipeline, make_frame())
    true_z = np.where(mesh.person >= 0, CARD, WALL).astype(np.float32)
    priors = [('far', DepthImage(factor * true_z, CAMERA)) for factor in (1.2, 1.3)]
    return DepthView(
        scenes='1 person',
        name='room',
        frame=make_frame(),
        people=people,
        mesh=mesh,
        true_z=true_z,
        regions={'people': mesh.person >= 0, '2-4m': (true_z > 2) & (true_z < 4)},
        contacts=None,
        priors=priors,
    )


@pytest.fixture
def world():
    world = World()
    world.place((0.0, 0.0, CARD))
    return world


def test_each_prior_is_a_row_of_each_method(world, methods):
    rows = score_views([room_with_card(make_pipeline(world))], methods)
    assert [row['method'] for row in rows] == 2 * list(methods)
    prior, median = rows[0], rows[1]
    assert prior['all_abs_rel'] == pytest.approx(0.2, abs=1e-6)
    assert prior['people_mae'] == pytest.approx(0.2 * CARD, abs=1e-5)
    assert median['all_abs_rel'] == pytest.approx(0.0, abs=1e-6)
    assert median['all_delta1'] == 1.0


def test_an_untrained_refiner_is_the_global_fit(world, methods):
    rows = score_views([room_with_card(make_pipeline(world))], methods)
    found = {row['method']: row['all_abs_rel'] for row in rows}
    assert found[REFINER] == pytest.approx(found['global affine'], abs=1e-4)


def test_with_nobody_all_methods_leave_the_prior(world, methods):
    world.place()
    rows = score_views([room_with_card(make_pipeline(world))], methods)
    for row in rows:
        assert row['people_seen'] == row['corrected'] == 0
        wanted = rows[0] if row['draw'] == 0 else rows[len(methods)]
        assert row['all_abs_rel'] == wanted['all_abs_rel'] > 0.1
    assert np.isnan(DepthReport(tuple(rows)).summaries()[0].figures['all_abs_rel_where_seen'].mean)


def test_a_report_has_means_over_images_and_their_n(world, methods):
    view = room_with_card(make_pipeline(world))
    other = replace(view, name='other', priors=[('far', DepthImage(1.5 * view.true_z, CAMERA))])
    report = DepthReport(tuple(score_views([view, other], methods)))
    prior, median = report.summaries()[:2]
    assert (prior.scenes, prior.prior, prior.method, prior.frames) == (
        '1 person', 'far', 'prior', 2,
    )  # fmt: skip
    # Two priors of one image count as one image.
    assert prior.figures['all_abs_rel'].mean == pytest.approx((0.25 + 0.5) / 2, abs=1e-5)
    assert prior.figures['all_abs_rel_over_prior'].median == 1.0
    assert median.figures['all_abs_rel_over_prior'].mean == pytest.approx(0, abs=1e-5)
    assert median.figures['all_abs_rel'].n == 2
    assert median.figures['corrected'].mean == 1.0
    text = report.table(images=True)
    line = next(line for line in text.splitlines() if line.startswith('| 1 person | far   | 2'))
    cells = [cell.strip() for cell in line.split('|')]
    assert cells[4:9] == ['1.0', 'prior', '0.000', '0.375', '1.000']
    assert 'other' in text
    assert json.loads(json.dumps(report.as_dict(), allow_nan=False))['summaries'][0]['frames'] == 2


def write_index(folder, **depth):
    true = np.full((CAMERA.height, CAMERA.width), 1000 * WALL, np.uint16)
    true[60:200, 140:180] = 1000 * CARD
    cv2.imwrite(str(folder / 'depth.png'), true)
    cv2.imwrite(str(folder / 'a.png'), np.zeros((*true.shape, 3), np.uint8))
    cv2.imwrite(str(folder / 'mask.png'), np.uint8(true < 4000))
    image = {'file': 'a.png', 'source': 'made', 'width': CAMERA.width, 'height': CAMERA.height}
    image |= {'K': CAMERA.K.tolist(), 'people': [{'bbox_xyxy': [140, 60, 180, 200]}], **depth}
    image['people'][0]['mask'] = 'mask.png'
    path = folder / 'index.json'
    path.write_text(json.dumps({'schema': 1, 'images': [image]}))
    return path


def test_measured_depth_is_made_wrong_and_corrected_with_a_picture(tmp_path, world, methods):
    path = write_index(tmp_path, depth_z={'file': 'depth.png', 'metres_per_unit': 0.001})
    views = list(measured_views(read_index(path), partial(see_people, make_pipeline(world))))
    show = DepthPictures(tmp_path / 'pictures', refined=REFINER)
    rows = score_views(views, methods, show=show)
    (prior, median, *_) = DepthReport(tuple(rows)).summaries()
    assert 0.15 < prior.figures['all_abs_rel'].mean < 0.3
    assert median.figures['all_abs_rel_over_prior'].median < 0.5
    # The wall is three metres behind the card.
    assert np.isnan([row['near_coverage'] for row in rows]).all()
    picture = cv2.imread(str(tmp_path / 'pictures' / 'a.png'))
    assert picture.shape == (CAMERA.height, 4 * CAMERA.width, 3)


def test_an_index_without_depth_is_refused(tmp_path, methods):
    with pytest.raises(ValueError, match='no image has measured depth'):
        score_index(write_index(tmp_path), methods, PipelineConfig())


class StillVideo:
    """A room that stands still, as world and as loop."""

    camera = CAMERA
    config = SimpleNamespace(rate=20.0, seed=3, people=1)
    frame = SyntheticWorld.frame
    images = np.stack([make_frame().image] * 4)
    boxes = np.tile(np.array([[130, 40, 190, 220.0]]), (4, 1, 1))

    def __len__(self):
        return len(self.images)

    def render(self):
        return self

    def depth_z(self, _t):
        return np.full((CAMERA.height, CAMERA.width), CARD, np.float32)


class Restless:
    """A pipeline that sees the card at 3.0 and 3.3 m in turn."""

    def __init__(self, world):
        self.world, self.pipeline, self.count = world, make_pipeline(world), 0

    def reset(self):
        self.pipeline.reset()

    def process(self, frame, **options):
        self.world.place((0.0, 0.0, CARD + 0.3 * (self.count % 2)))
        self.count += 1
        self.pipeline.reset()
        return self.pipeline.process(frame, **options)


def test_flicker_follows_the_people(world, methods):
    rows = score_video(StillVideo(), Restless(world), methods, frames=5)
    found = {row['method']: row['flicker'] for row in rows}
    assert rows[0]['pairs'] == 4
    assert found['prior'] == 0.0
    # A card elsewhere is before other parts of a bent prior.
    assert found['median scale'] == pytest.approx(np.log(3.3 / 3.0), abs=0.01)
    assert '| 1 person | 4     | median scale ' in DepthReport(tuple(rows)).table()


def test_a_video_needs_two_frames(world, methods):
    with pytest.raises(ValueError, match='at least 2'):
        score_video(StillVideo(), Restless(world), methods, frames=1)


@pytest.mark.parametrize(
    ('config', 'frames', 'rule'),
    [
        (PipelineConfig(), 0, 'frames=0 must be positive'),
        (PipelineConfig(body_model='SMPL.pkl'), 1, 'no --body-model'),
    ],
)
def test_what_cannot_be_rendered_is_refused(methods, config, frames, rule):
    with pytest.raises(ValueError, match=rule):
        score_rendered(methods, config, frames=frames)


@pytest.fixture(scope='module')
def renderer() -> SceneRenderer:
    body = BodyModel.load()
    sampler = GroupSampler(CONFIG, body=body, network=MetricHMR.from_pretrained('blazepose'))
    return SceneRenderer(sampler, OneLook(body))


def test_photographs_show_so_many_people_at_their_distances(renderer):
    for people in (0, 2):
        photograph = next(draw_photographs(renderer, people=people))
        assert photograph.image.shape == (HEIGHT, WIDTH, 3)
        assert photograph.camera.width == WIDTH
        assert set(np.unique(photograph.seen)) - {-1} == set(range(people))
        for i, surface in enumerate(photograph.surfaces):
            seen = np.median(photograph.depth_z[photograph.seen == i])
            assert surface[:, 2].min() - 0.3 < seen < surface[:, 2].max() + 0.1
    with pytest.raises(ValueError, match='0 to 3'):
        next(draw_photographs(renderer, people=4))


def test_rendered_rooms_from_end_to_end(renderer, methods, tmp_path):
    try:
        find_assets()
    except AssetError as error:
        pytest.skip(str(error))
    see = single_images(PipelineConfig())
    views = list(rendered_views(renderer, see, people=1, frames=2))
    rows = score_views(views, methods, show=DepthPictures(tmp_path, refined=REFINER))
    report = DepthReport(tuple(rows))
    assert {row['prior'] for row in rows} == {'monocular', 'floor'}
    assert len(list(tmp_path.glob('1-00*.png'))) == 2
    for view in views:
        assert view.regions['people'].any()
        assert not (view.regions['people'] & (view.regions['near'] | view.regions['far'])).any()
        assert not (view.regions['floor'] & view.regions['people']).any()
    assert all(np.isfinite(s.figures['all_abs_rel'].mean) for s in report.summaries())


def test_figures_where_anybody_is_seen_leave_out_images_of_nobody():
    rows = [
        {
            'kind': 'depth', 'scenes': 'rooms', 'prior': 'monocular', 'method': method,
            'name': str(k), 'people_seen': float(k),
            'all_abs_rel': 0.1 * (k + 1), 'all_delta1': value,
        }
        for method, values in (('prior', (0.2, 0.4, 0.8)), ('refiner', (0.3, 0.6, 1.0)))
        for k, value in enumerate(values)
    ]  # fmt: skip
    for summary, wanted in zip(DepthReport(tuple(rows)).summaries(), (0.6, 0.8), strict=True):
        assert summary.figures['all_delta1_where_seen'].mean == pytest.approx(wanted)
        assert summary.figures['all_abs_rel_where_seen'].mean == pytest.approx(0.25)


def test_a_share_of_the_prior_comes_with_its_standard_error():
    rng = np.random.default_rng(0)

    def of_prior(images):
        before = rng.uniform(0.1, 0.3, images)
        after = 0.6 * before + rng.normal(0, 0.05, images)
        rows = [
            {
                'kind': 'depth', 'scenes': 'rooms', 'prior': 'monocular', 'method': method,
                'name': str(k), 'all_abs_rel': float(values[k]), 'people_seen': float(k > 0),
            }
            for method, values in (('prior', before), ('refiner', after))
            for k in range(images)
        ]  # fmt: skip
        prior, refined = DepthReport(tuple(rows)).summaries()
        assert prior.of_prior == 1.0
        assert prior.of_prior_error == 0.0
        assert refined.of_prior == pytest.approx(after[1:].mean() / before[1:].mean())
        return refined.of_prior, refined.of_prior_error

    ratios, errors = np.array([of_prior(50) for _ in range(300)]).T
    assert errors.mean() == pytest.approx(ratios.std(), rel=0.15)
