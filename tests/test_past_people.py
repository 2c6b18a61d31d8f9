from dataclasses import replace

from made_world import CAMERA, FACES
import numpy as np
import pytest

from metrichmsr_ros.geometry.mesh_depth import MeshRaycaster
from metrichmsr_ros.perception import past_people
from metrichmsr_ros.perception.past_people import PastPeople
from metrichmsr_ros.structures import People

CARD = np.array([[-0.3, -0.8, 0], [0.3, -0.8, 0], [-0.3, 0.9, 0], [0.3, 0.9, 0]], np.float32)


def people_at(*z):
    vertices = np.array([CARD + np.array([0, 0, depth]) for depth in z]).reshape(-1, 4, 3)
    nobody = People.empty(4)
    return replace(nobody, ids=('',) * len(z), states=(0,) * len(z), vertices=vertices)


@pytest.fixture
def past(monkeypatch):
    monkeypatch.setattr(past_people, 'MAX_FRAMES', 5)
    past = PastPeople(MeshRaycaster(FACES))
    for k in range(4):
        past.keep(10 * k, people_at(2.0 + k))
    return past


def test_people_are_those_of_the_frame(past):
    for k in (0, 1, 3):
        people, mesh = past.at(10 * k, CAMERA)
        np.testing.assert_allclose(people.vertices[0, :, 2], 2.0 + k)
        np.testing.assert_allclose(mesh.depth_z[mesh.person == 0], 2.0 + k, rtol=1e-5)


def test_a_frame_is_cast_once(past):
    assert past.at(10, CAMERA)[1] is past.at(10, CAMERA)[1]


def test_a_frame_that_is_not_remembered_has_nobody(past):
    past.at(20, CAMERA)
    for stamp in (0, 15, 25):
        people, mesh = past.at(stamp, CAMERA)
        assert len(people) == 0
        assert (mesh.person == -1).all()
    assert len(past.at(30, CAMERA)[0]) == 1


def test_memory_is_bounded(past):
    for k in range(4, 10):
        past.keep(10 * k, people_at(2.0))
    assert len(past.at(0, CAMERA)[0]) == 0
    assert len(past.at(50, CAMERA)[0]) == 1
