"""Scoring of a small index whose truth is posed with the default body."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.index import read_index
from metrichmsr_ros.data.predictions import (
    PredictedImage,
    PredictedPerson,
    Predictions,
    read_predictions,
    write_predictions,
)
from metrichmsr_ros.evaluate import evaluate
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import MeshRaycaster
from metrichmsr_ros.report import OVERALL

CAMERA = Camera.from_fov(320, 240, 1.0)
WORLD_TURN = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


def person(body: BodyModel, pelvis: tuple[float, float, float]) -> PredictedPerson:
    """Somebody in the T-pose who faces the camera, with the pelvis' joint there."""
    pose, shape = np.zeros((1, 24, 3)), np.zeros((1, 10))
    pose[0, 0] = [np.pi, 0, 0]
    translation = np.array([pelvis]) - body.rest_joints(torch.zeros(1, 10))[:, 0].numpy()
    vertices, joints = body.pose_numpy(pose, shape, translation)
    pixels = CAMERA.project(vertices[0])
    return PredictedPerson(
        id='',
        score=0.9,
        box=np.concatenate([pixels.min(axis=0), pixels.max(axis=0)]),
        pose=pose[0],
        shape=shape[0],
        translation=translation[0],
        joints=joints[0],
        landmarks={
            name: points[0].numpy()
            for name, points in body.landmarks(torch.from_numpy(vertices)).items()
        },
        height=float(body.heights(torch.zeros(1, 10))),
        pelvis_sigma=0.2,
    )


def true_person(truth: PredictedPerson, **more) -> dict:
    joints = {name: point.tolist() for name, point in truth.landmarks.items()}
    return {'bbox_xyxy': truth.box.tolist(), 'joints': joints, **more}


def image_entry(file: str, people: list[dict], **more) -> dict:
    size = {'width': CAMERA.width, 'height': CAMERA.height, 'K': CAMERA.K.tolist()}
    return {'file': file, 'source': 'made', **size, 'people': people, **more}


def write_index(folder: Path, images: list[dict]) -> Path:
    path = folder / 'index.json'
    path.write_text(json.dumps({'schema': 1, 'images': images}))
    return path


def predictions_of(body: BodyModel, *images: PredictedImage) -> Predictions:
    return Predictions(method='made_up', body_model=body.name, images=images)


def test_truth_scores_perfectly(body, tmp_path):
    truth = person(body, (0.2, 0.0, 3.0))
    index = read_index(write_index(tmp_path, [image_entry('a.jpg', [true_person(truth)])]))
    report = evaluate(index, predictions_of(body, PredictedImage('a.jpg', (truth,))), body=body)
    overall = report.sources[OVERALL]
    assert (overall.people, overall.matched, overall.false_positives) == (1, 1, 0)
    assert overall.recall == 1.0
    for name in ('root_error_m', 'g_mpjpe_mm', 'mpjpe_mm', 'pa_mpjpe_mm', 'g_mpjpe_all_mm',
                 'reprojection_px', 'reprojection_all_percent'):  # fmt: skip
        assert overall.figures[name].median == pytest.approx(0, abs=1e-3), name
        assert overall.figures[name].n == 1, name


def test_a_shift_in_depth_shows_in_the_unaligned_figures_only(body, tmp_path):
    truth, guess = person(body, (0.0, 0.0, 4.0)), person(body, (0.0, 0.0, 4.2))
    index = read_index(write_index(tmp_path, [image_entry('a.jpg', [true_person(truth)])]))
    report = evaluate(index, predictions_of(body, PredictedImage('a.jpg', (guess,))), body=body)
    figures = report.sources['made'].figures
    assert figures['root_error_m'].median == pytest.approx(0.2, abs=1e-3)
    assert figures['root_depth_bias_percent'].median == pytest.approx(5, abs=0.2)
    assert figures['g_mpjpe_mm'].median == pytest.approx(200, abs=1)
    assert figures['mpjpe_mm'].median == pytest.approx(0, abs=0.01)


def test_missed_people_and_false_positives_are_counted(body, tmp_path):
    near, far = person(body, (-1.0, 0.0, 4.0)), person(body, (1.2, 0.0, 5.0))
    images = [
        image_entry('a.jpg', [true_person(near), true_person(far)]),
        image_entry('b.jpg', [true_person(near)], source='other'),
        image_entry('c.jpg', []),
    ]
    index = read_index(write_index(tmp_path, images))
    predictions = predictions_of(
        body,
        PredictedImage('a.jpg', (far,)),
        PredictedImage('b.jpg', (far,)),
        PredictedImage('c.jpg', ()),
    )
    report = evaluate(index, predictions, body=body)
    made, other, overall = (report.sources[name] for name in ('made', 'other', OVERALL))
    assert (made.images, made.people, made.missed, made.false_positives) == (2, 2, 1, 0)
    assert (other.images, other.people, other.missed, other.false_positives) == (1, 1, 1, 1)
    assert (overall.images, overall.people, overall.missed) == (3, 3, 2)
    assert overall.recall == pytest.approx(1 / 3)
    assert overall.figures['g_mpjpe_mm'].n == 1
    assert 'g_mpjpe_mm' not in other.figures
    document = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert [row['matched'] for row in document['rows'] if row['kind'] == 'person'].count(
        False
    ) == 2


def test_table_names_sources_figures_and_their_numbers(body, tmp_path):
    truth = person(body, (0.0, 0.0, 4.0))
    index = read_index(write_index(tmp_path, [image_entry('a.jpg', [true_person(truth)])]))
    report = evaluate(index, predictions_of(body, PredictedImage('a.jpg', ())), body=body)
    lines = report.table().splitlines()
    assert 'made_up' in lines[0]
    assert lines[1].split() == ['made', 'overall']
    assert next(line for line in lines if line.startswith('missed')).split() == [
        'missed',
        '1',
        '1',
    ]


def test_surface_depth_and_height(body, tmp_path):
    truth, guess = person(body, (0.0, 0.0, 3.0)), person(body, (0.0, 0.0, 3.3))
    vertices, _ = body.pose_numpy(truth.pose[None], truth.shape[None], truth.translation[None])
    seen = MeshRaycaster(body.faces).cast(vertices, CAMERA)
    mask = (seen.person == 0).astype(np.uint8)
    cv2.imwrite(str(tmp_path / 'mask.png'), mask)
    entry = true_person(
        truth,
        mask='mask.png',
        surface_depth_m={'median': float(np.nanmedian(seen.depth_z))},
        box3d={'height': truth.height + 0.1},
    )
    index = read_index(write_index(tmp_path, [image_entry('a.jpg', [entry])]))
    report = evaluate(index, predictions_of(body, PredictedImage('a.jpg', (guess,))), body=body)
    figures = report.sources['made'].figures
    assert figures['surface_depth_bias_m'].median == pytest.approx(0.3, abs=0.02)
    assert figures['height_bias_m'].median == pytest.approx(-0.1, abs=1e-3)
    assert figures['height_error_m'].median == pytest.approx(0.1, abs=1e-3)


def test_views_of_one_instant_are_compared_in_the_world(body, tmp_path):
    truth = person(body, (0.0, 0.0, 3.0))
    people = [true_person(truth)]
    images = [
        image_entry(
            file,
            people,
            camera=file,
            frame=7,
            R_world_to_cam=R.tolist(),
            t_world_to_cam_m=[0.0, 0, 3],
        )
        for file, R in (('a.jpg', np.eye(3)), ('b.jpg', WORLD_TURN))
    ]
    index = read_index(write_index(tmp_path, images))
    farther = person(body, (0.0, 0.0, 3.4))
    views = PredictedImage('a.jpg', (truth,)), PredictedImage('b.jpg', (farther,))
    report = evaluate(index, predictions_of(body, *views), body=body)
    root = 0.5 * (truth.landmarks['left_hip'] + truth.landmarks['right_hip'])
    a = root - [0, 0, 3]
    b = WORLD_TURN.T @ (root + np.array([0, 0, 0.4 - 3.0]))
    figure = report.sources['made'].figures['cross_view_pelvis_m']
    assert figure.n == 1
    assert figure.median == pytest.approx(float(np.linalg.norm(a - b)), abs=1e-4)


def test_depth_images_are_split_by_region(body, tmp_path):
    depth = np.full((CAMERA.height, CAMERA.width), 5000, np.uint16)
    depth[:, :100] = 1000
    depth[:10] = 0
    cv2.imwrite(str(tmp_path / 'depth.png'), depth)
    mask = np.zeros(depth.shape, np.uint8)
    mask[:, :100] = 255
    cv2.imwrite(str(tmp_path / 'mask.png'), mask)
    entry = {'bbox_xyxy': [0, 0, 99, 239], 'mask': 'mask.png'}
    more = {'depth_z': {'file': 'depth.png', 'metres_per_unit': 0.001}}
    index = read_index(write_index(tmp_path, [image_entry('sub/a.jpg', [entry], **more)]))
    (tmp_path / 'depth').mkdir()
    predicted = np.full(depth.shape, 5.5, np.float32)
    predicted[:, :100], predicted[:, :50] = 1.5, np.nan
    np.savez(tmp_path / 'depth' / 'a.npz', depth_z=predicted)
    predictions = predictions_of(body, PredictedImage('sub/a.jpg', ()))
    report = evaluate(index, predictions, body=body, depth_dir=tmp_path / 'depth')
    figures = report.sources['made'].figures
    assert figures['depth_people_abs_rel'].median == pytest.approx(0.5, abs=1e-6)
    assert figures['depth_people_delta1'].median == 0.0
    assert figures['depth_people_coverage'].median == pytest.approx(0.5)
    assert figures['depth_background_mae'].median == pytest.approx(0.5, abs=1e-6)
    assert figures['depth_0-2m_abs_rel'].median == pytest.approx(0.5, abs=1e-6)
    assert figures['depth_4-8m_abs_rel'].median == pytest.approx(0.1, abs=1e-6)
    assert 'depth_8m+_abs_rel' not in figures


def test_a_wrong_depth_file_is_refused(body, tmp_path):
    cv2.imwrite(str(tmp_path / 'depth.png'), np.full((240, 320), 900, np.uint16))
    more = {'depth_z': {'file': 'depth.png', 'metres_per_unit': 0.001}}
    index = read_index(write_index(tmp_path, [image_entry('a.jpg', [], **more)]))
    predictions = predictions_of(body, PredictedImage('a.jpg', ()))
    with pytest.raises(ValueError, match=r'a\.npz is not a depth file'):
        evaluate(index, predictions, body=body, depth_dir=tmp_path)
    np.savez(tmp_path / 'a.npz', depth_z=np.zeros((2, 2), np.float32))
    with pytest.raises(ValueError, match=r'\(2, 2\), but the image is \(240, 320\)'):
        evaluate(index, predictions, body=body, depth_dir=tmp_path)


def test_predictions_of_another_body_are_refused(body, tmp_path):
    index = read_index(write_index(tmp_path, [image_entry('a.jpg', [])]))
    predictions = Predictions('made_up', 'somebody', (PredictedImage('a.jpg', ()),))
    with pytest.raises(ValueError, match="'somebody'"):
        evaluate(index, predictions, body=body)


def test_predictions_survive_the_file(body, tmp_path):
    index = read_index(write_index(tmp_path, [image_entry('a.jpg', []), image_entry('b.jpg', [])]))
    written = predictions_of(
        body,
        PredictedImage('b.jpg', (person(body, (0.0, 0.0, 3.0)),), seconds=0.25),
        PredictedImage('a.jpg', ()),
    )
    path = tmp_path / 'deep' / 'out.json'
    write_predictions(path, written)
    read = read_predictions(path, index)
    assert [image.file for image in read.images] == ['a.jpg', 'b.jpg']
    back, out = read.images[1].people[0], written.images[0].people[0]
    for name in ('box', 'pose', 'shape', 'translation', 'joints'):
        np.testing.assert_allclose(getattr(back, name), getattr(out, name), atol=1e-5)
    assert back.landmarks.keys() == out.landmarks.keys()
    assert (back.height, back.pelvis_sigma) == pytest.approx((out.height, 0.2), abs=1e-6)


@pytest.mark.parametrize(
    ('change', 'rule'),
    [
        (lambda d: d.update(schema=2), '"schema": 1'),
        (lambda d: d['images'].clear(), '1 images of the index do not appear'),
        (lambda d: d['images'].append(d['images'][0]), 'appears more than once'),
        (lambda d: d['images'][0]['people'][0].pop('pose'), r'0\] \(a.jpg\) has no .pose'),
        (lambda d: d['images'][0]['people'][0].update(shape=[1.0]), r'shape that is not \(10,\)'),
        (lambda d: d['images'][0]['people'][0].update(score='high'), r'images\[0\]'),
        (lambda d: d['images'][0].update(people=3), r'images\[0\]'),
    ],
)
def test_wrong_predictions_are_refused(body, tmp_path, change, rule):
    index = read_index(write_index(tmp_path, [image_entry('a.jpg', [])]))
    path = tmp_path / 'out.json'
    somebody = PredictedImage('a.jpg', (person(body, (0.0, 0.0, 3.0)),))
    write_predictions(path, predictions_of(body, somebody))
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=rule):
        read_predictions(path, index)
