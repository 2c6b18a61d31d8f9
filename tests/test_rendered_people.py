"""Rendered people: pictures agree with the geometry, and the readings with the pictures."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.people.config import SampleConfig
from metrichmsr_ros.data.people.sample import in_front, PeopleSampler
from metrichmsr_ros.data.rendered import readings
from metrichmsr_ros.data.rendered.looks import draw_look, Wardrobe
from metrichmsr_ros.data.rendered.people import draw_people
from metrichmsr_ros.data.rendered.photo import develop
from metrichmsr_ros.data.rendered.readings import (
    camera_of,
    draw_readings,
    hidden_landmarks,
    in_image,
    Reader,
)
from metrichmsr_ros.data.rendered.render import CropRenderer
from metrichmsr_ros.data.rendered.rooms import draw_room
from metrichmsr_ros.data.rendered.scenes import draw_scene
from metrichmsr_ros.data.rendered.windows import window_about
from metrichmsr_ros.geometry.mesh_depth import MeshRaycaster
from metrichmsr_ros.perception.blazepose.landmarker import BlazePoseLandmarker
from metrichmsr_ros.structures import Landmarks

CONFIG = SampleConfig(poses=300, physique=0.0)


@pytest.fixture(scope='module')
def body() -> BodyModel:
    return BodyModel.load()


@pytest.fixture(scope='module')
def sampler(body: BodyModel) -> PeopleSampler:
    return PeopleSampler(CONFIG, body=body)


@pytest.fixture(scope='module')
def people(sampler, body):
    return draw_people(150, torch.Generator().manual_seed(4), sampler=sampler, body=body)


@pytest.fixture(scope='module')
def renderer(body):
    made = CropRenderer(body.faces, num_vertices=body.num_vertices)
    rng = np.random.default_rng(0)
    made.wear([draw_look(body, rng) for _ in range(3)])
    return made


class Everywhere:
    """A landmarker that marks all points at the middle of the crop."""

    def read(
        self, image: np.ndarray, rois: np.ndarray, *, passes: int = 1, mirrored: bool = False
    ) -> Landmarks:
        n = len(rois)
        points = np.zeros((n, 33, 3), np.float32)
        points[..., :2] = rois[:, None, :2]
        ones = np.ones((n, 33), np.float32)
        rois = rois.astype(np.float32)
        boxes = np.concatenate([rois[:, :2], rois[:, :2]], 1)
        return Landmarks(
            points, np.zeros((n, 33, 3), np.float32), ones, ones, ones[:, 0], boxes, rois, rois
        )


def test_surface_carries_the_landmarks_of_the_truth(people, body):
    assert (body.blazepose(people.surface) - people.target.landmarks).abs().max() < 1e-3


@pytest.mark.parametrize('kind', ['none', 'plumb_bob', 'fisheye'])
def test_depth_is_that_of_rays_along_the_true_lens(kind, people, body):
    bent = people.lenses.D.abs().sum(-1) > 0
    wanted = {
        'none': ~bent & ~people.lenses.fisheye,
        'plumb_bob': bent & ~people.lenses.fisheye,
        'fisheye': people.lenses.fisheye,
    }[kind]
    bare = CropRenderer(body.faces, num_vertices=body.num_vertices)
    look = draw_look(body, np.random.default_rng(0))
    bare.wear([type(look)(look.texture, 0 * look.stand_off)])
    whole = wanted & (people.target.valid2d.sum(-1) > 30) & (people.rois[:, 2] < 270)
    i = int(torch.nonzero(whole)[0])
    lens, roi = people.lenses[i : i + 1], people.rois[i].double().numpy()
    window = window_about(roi, lens.size[0].double().numpy())
    R = people.R_cam_world[i].double().numpy()
    surface = people.surface[i].numpy()
    origin = np.array([0, 0.01 - (surface @ R)[:, 1].min(), 0])
    world = surface @ R + origin
    room = draw_room(np.random.default_rng(1), camera=origin, low=world.min(0), high=world.max(0))
    picture = bare.render(
        surface[None], np.array([0]), lens=lens, window=window, room=room, R_cam_world=R,
        origin=origin, seed=0,
    )  # fmt: skip
    assert window.scale == 1
    exact = MeshRaycaster(body.faces).cast(surface[None], camera_of(lens)).depth_z
    left, top = window.corner.astype(int)
    exact = exact[top : top + window.height, left : left + window.width]
    both = (picture.person == 0) & np.isfinite(exact)
    assert both.sum() > 0.9 * np.isfinite(exact).sum() > 100
    # The picture keeps the nearest of four samples of a pixel.
    assert np.median(np.abs(picture.depth_z - exact)[both]) < 0.006


def test_landmarks_are_on_the_person_or_hidden(people, renderer):
    rng = np.random.default_rng(2)
    on_person = []
    for i in range(12):
        scene = draw_scene(renderer, people, i, rng)
        landmarks = people.target.landmarks[i]
        pixels = people.lenses[i : i + 1].project(in_front(landmarks)[None])[0].double().numpy()
        hidden = hidden_landmarks(scene, pixels, landmarks[:, 2].numpy())
        place = np.round(scene.window.to_window(pixels)).astype(int)
        size = (scene.window.width, scene.window.height)
        inside = ((place >= 0) & (place < size)).all(-1) & ~hidden
        x, y = place[inside].T
        on_person.append(scene.picture.person[y, x] == 0)
    assert np.concatenate(on_person).mean() > 0.9


def test_hidden_behind_somebody_else(people, renderer):
    scene = draw_scene(renderer, people, 0, np.random.default_rng(2))
    rows, columns = np.nonzero(scene.picture.person == 0)
    place = np.array([[columns[0], rows[0]]], float)
    near = float(scene.picture.depth_z[rows[0], columns[0]])
    pixels = scene.window.to_image(place)
    assert hidden_landmarks(scene, pixels, np.array([near + 0.3])).all()
    assert not hidden_landmarks(scene, pixels, np.array([near + 0.05])).any()
    assert not hidden_landmarks(scene, pixels - 1e5, np.array([near + 0.3])).any()


def test_window_keeps_places():
    window = window_about(np.array([300.0, 200, 900, 0.3]), np.array([640.0, 480]))
    places = np.array([[0.0, 0.0], [120.5, 33.0]])
    np.testing.assert_allclose(window.to_window(window.to_image(places)), places, atol=1e-9)
    # Outer edges meet: a window of the whole image is the image resized.
    np.testing.assert_allclose(window.to_image(np.array([-0.5, -0.5])), [-0.5, -0.5])
    assert window.scale < 1
    roi = window.rois_in_window(np.array([[300.0, 200, 900, 0.3]]))[0]
    assert roi[2] == pytest.approx(900 * window.scale)
    assert window_about(np.array([-900.0, 200, 100, 0.0]), np.array([640.0, 480])) is None


def test_readings_come_back_in_the_cameras_pixels():
    window = window_about(np.array([300.0, 200, 900, 0.3]), np.array([640.0, 480]))
    rois = np.array([[300.0, 200, 900, 0.3]])
    read = in_image(Everywhere().read(np.zeros(1), window.rois_in_window(rois)), window)
    np.testing.assert_allclose(read.rois, rois, rtol=1e-5)
    np.testing.assert_allclose(read.image[0, :, :2], np.tile([300, 200], (33, 1)), rtol=1e-5)


def test_camera_takes_pictures_of_eight_bits():
    linear = np.random.default_rng(0).uniform(0, 1, (40, 30, 3)).astype(np.float32)
    first, again = (develop(linear, np.random.default_rng(3), scale=1.0) for _ in range(2))
    assert first.dtype == np.uint8
    assert first.shape == linear.shape
    np.testing.assert_array_equal(first, again)
    assert 60 < np.median(first) < 200


def test_rooms_hold_camera_and_person():
    rng = np.random.default_rng(0)
    camera, low, high = (
        np.array([0.0, 1.4, 0]),
        np.array([-0.4, 0, -4.4]),
        np.array([0.4, 1.7, -4]),
    )
    for _ in range(50):
        room = draw_room(rng, camera=camera, low=low, high=high)
        for point in (camera, low + 0.01, high):
            assert (room.low[0] <= point).all()
            assert (point <= room.high[0]).all()
        inside = (room.low[1:] < high).all(1) & (low < room.high[1:]).all(1)
        assert not inside.any()
        assert np.isfinite(room.lights).all()
        assert (room.lights > 0).all()


def test_same_seed_same_readings(sampler, body, monkeypatch):
    monkeypatch.setattr(readings, '_LOOKS', 3)
    wardrobe = Wardrobe(body, 0)

    def draw(*seed):
        found = draw_readings(
            seed, sampler=sampler, wardrobe=wardrobe, reader=Reader(Everywhere())
        )
        return list(islice(found, 3))

    first, again, other = draw(5, 0), draw(5, 0), draw(5, 1)
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a.evidence.rays, b.evidence.rays)
        assert torch.equal(a.target.pelvis, b.target.pelvis)
        np.testing.assert_array_equal(a.hidden, b.hidden)
    assert not torch.equal(first[0].target.pelvis, other[0].target.pelvis)


def test_blazepose_reads_most_of_them(sampler, body, monkeypatch):
    monkeypatch.setattr(readings, '_LOOKS', 4)
    wardrobe = Wardrobe(body, 0)
    found = draw_readings(
        (1,), sampler=sampler, wardrobe=wardrobe, reader=Reader(BlazePoseLandmarker())
    )
    rows = list(islice(found, 24))
    assert np.median([row.error for row in rows]) < 0.035
    assert np.mean([row.evidence.score.item() > 0.5 for row in rows]) > 0.7


def test_wardrobe_has_the_same_looks_again(body):
    def pick(seed):
        return Wardrobe(body, seed).pick(2, np.random.default_rng(1))

    first, again, other = pick(3), pick(3), pick(4)
    np.testing.assert_array_equal(first[1].texture, again[1].texture)
    assert not np.array_equal(first[0].texture, first[1].texture)
    assert not np.array_equal(first[0].texture, other[0].texture)
    assert (first[0].stand_off >= 0).all()
    assert first[0].stand_off.max() < 0.08
