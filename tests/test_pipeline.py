from dataclasses import replace

from made_world import CAMERA, make_frame, make_pipeline, MS, World
import numpy as np
import pytest

from metrichmsr_ros.perception.depth_sources import GroundPlane
from metrichmsr_ros.perception.person_crops import PersonCrops
from metrichmsr_ros.structures import Detections, Frame, TrackState

IMAGE = np.zeros((240, 320, 3), np.uint8)


@pytest.fixture
def world():
    return World()


def test_nobody(world):
    scene = make_pipeline(world).process(make_frame(), want_mesh=True)
    assert len(scene.people) == 0
    assert scene.depth is None
    assert (scene.mesh.person == -1).all()


def test_the_frame_goes_through_unchanged_and_stages_are_timed(world):
    world.place([0, 0, 4])
    frame = make_frame()
    pipeline = make_pipeline(world, depth_source=GroundPlane(1.0))
    scene = pipeline.process(frame)
    assert scene.frame is frame
    assert list(scene.timings) == [
        'landmarks', 'detector', 'estimator', 'tracking', 'depth', 'mesh'
    ]  # fmt: skip
    assert all(seconds >= 0 for seconds in scene.timings.values())


def test_people_are_followed_by_their_own_crops(world):
    pipeline = make_pipeline(world)
    ids = set()
    for k in range(20):
        world.place([-0.5 + 0.05 * k, 0, 4], [0.8, 0, 5 - 0.05 * k])
        world.calls.clear()
        scene = pipeline.process(make_frame(k))
        ids |= set(scene.people.ids)
        assert len(scene.people) == 2
        if k:
            known = dict(world.calls)['detect']
            names = [name for name, _ in world.calls]
            before = world.calls[: names.index('detect')]
            # One call for both, or one each where one stands before the other.
            assert [name for name, _ in before] in (['read'], ['read'] * 2)
            assert sum(len(rois) for _, rois in before) == 2
            np.testing.assert_allclose(known, world.boxes(), atol=1e-3)
    assert len(ids) == 2
    assert scene.people.states == (TrackState.TRACKED,) * 2
    np.testing.assert_allclose(scene.people.pelvis, world.pelvises, atol=1e-5)


def test_two_crops_of_one_person_give_one_person(world):
    world.place([0, 0, 4])
    pipeline = make_pipeline(world)
    for k in range(5):
        # The detector does not leave out who is known: his second reading must not count.
        assert len(pipeline.process(make_frame(k)).people) == 1


def test_what_landmarks_reject_is_nobody(world):
    world.place([0, 0, 4])
    world.ghosts = np.array([[20, 20, 30, 0], [300, 200, 30, 0]], np.float32)
    scene = make_pipeline(world).process(make_frame())
    assert len(scene.people) == 1
    assert dict(world.calls)['estimate'] == 1


def test_a_predicted_person_keeps_a_moving_crop_and_is_found_again(world):
    pipeline = make_pipeline(world)
    for k in range(20):
        world.place([-1 + 0.05 * k, 0, 4])
        name = pipeline.process(make_frame(k)).people.ids
    seen_crop = world.calls[-4][1]
    world.place()
    for k in range(20, 26):
        world.calls.clear()
        people = pipeline.process(make_frame(k)).people
        assert (people.ids, people.states) == (name, (TrackState.PREDICTED,))
    moved = world.calls[0][1]
    assert moved[0, 0] > seen_crop[0, 0] + 10
    world.place([-1 + 0.05 * 26, 0, 4])
    world.detect = lambda frame, known_boxes: Detections(*np.zeros((3, 0, 4), np.float32))
    people = pipeline.process(make_frame(26)).people
    assert (people.ids, people.states) == (name, (TrackState.TRACKED,))


def test_too_many_candidates_are_read_in_turn(world):
    pipeline = make_pipeline(world, max_candidates=1)
    world.place([0, 0, 4])
    world.ghosts = np.array([[20, 20, 30, 0], [300, 200, 30, 0]], np.float32)
    first_rois = set()
    for k in range(3):
        world.calls.clear()
        scene = pipeline.process(make_frame(k))
        reads = [rois for call, rois in world.calls if call == 'read']
        assert len(reads[1]) == 1
        first_rois.add(tuple(reads[1][0]))
    assert len(first_rois) == 3
    assert len(scene.people) == 1


def test_after_a_reset_the_best_candidate_is_read_first(world):
    pipeline = make_pipeline(world, max_candidates=1)
    world.place([0, 0, 4])
    world.ghosts = np.array([[20, 20, 30, 0], [300, 200, 30, 0]], np.float32)
    assert len(pipeline.process(make_frame()).people) == 1
    pipeline.reset()
    assert len(pipeline.process(make_frame()).people) == 1


def test_no_more_people_than_allowed(world):
    world.place([-1.5, 0, 4], [0, 0, 4], [1.5, 0, 4])
    pipeline = make_pipeline(world, max_people=2)
    for k in range(3):
        assert len(pipeline.process(make_frame(k)).people) == 2


def test_who_is_hidden_counts_among_the_most_people(world):
    pipeline = make_pipeline(world, max_people=2)
    world.place([-1.5, 0, 4], [-0.5, 0, 4])
    for k in range(5):
        ids = pipeline.process(make_frame(k)).people.ids
    world.place([0.5, 0, 4], [1.5, 0, 4])  # the first two are hidden
    people = pipeline.process(make_frame(5)).people
    assert people.ids == ids
    assert people.states == (TrackState.PREDICTED,) * 2
    for k in range(6, 30):
        people = pipeline.process(make_frame(k)).people
        assert len(people) <= 2
    assert set(people.ids).isdisjoint(ids)
    assert people.states == (TrackState.TRACKED,) * 2


def test_after_a_reset_nobody_is_painted_out(world):
    world.place([0, 0, 3])
    pipeline = make_pipeline(world)
    pipeline.process(make_frame(0))
    images = []
    read = world.read
    world.read = lambda image, rois: images.append(image) or read(image, rois)
    pipeline.reset()
    world.place([0.1, 0, 3.2])
    frame = make_frame(1)
    pipeline.process(frame)
    assert images
    assert all(image is frame.image for image in images)


def test_an_estimate_that_is_not_finite_or_behind_the_camera_is_dropped(world):
    world.place([-1, 0, 4], [1, 0, 4])
    world.broken = True
    pipeline = make_pipeline(world, depth_source=GroundPlane(1.0))
    for k in range(3):
        scene = pipeline.process(make_frame(k))
        assert len(scene.people) == 1
        assert np.isfinite(scene.people.vertices).all()


def test_reset_and_stamps_that_jump_back_give_new_ids(world):
    world.place([0, 0, 4])
    pipeline = make_pipeline(world)
    first = pipeline.process(make_frame(100)).people.ids
    pipeline.reset()
    second = pipeline.process(make_frame(101)).people.ids
    third = pipeline.process(make_frame(3)).people.ids
    assert len({*first, *second, *third}) == 3


def test_another_camera_starts_with_other_crops(world):
    world.place([0, 0, 4])
    pipeline = make_pipeline(world)
    pipeline.process(make_frame(0))
    world.calls.clear()
    pipeline.process(make_frame(1, camera=CAMERA.resized(640, 480)))
    assert world.calls[0][0] == 'read'
    assert len(world.calls[0][1]) == 0


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((240, 319, 3), np.uint8),
        np.zeros((240, 320), np.uint8),
        np.zeros((240, 320, 4), np.uint8),
        np.zeros((240, 320, 3), np.float32),
        np.zeros((0, 0, 3), np.uint8),
    ],
)
def test_a_wrong_image_is_refused_and_forgotten(world, image):
    world.place([0, 0, 4])
    pipeline = make_pipeline(world)
    name = pipeline.process(make_frame(0)).people.ids
    with pytest.raises(ValueError, match=r'image is .*: it must be uint8 \(240, 320, 3\)'):
        pipeline.process(Frame(image, CAMERA, 50 * MS))
    assert pipeline.process(make_frame(2)).people.ids == name


def test_crops_outside_the_image_are_not_read(world):
    crops = PersonCrops()
    world.place(*[[0, 0, 4]] * 4)
    people = world.estimate(None, world.read(IMAGE, np.tile([160.0, 120, 100, 0], (4, 1))))
    people = replace(people, ids=('aaaaa', 'bbbbb', 'ccccc', 'ddddd'))
    rois = [[160, 120, 80, 0], [400, 120, 80, 0], [np.nan, 0, 80, 0], [160, 120, 0, 0]]
    crops.keep(people, np.array(rois))
    (crop,) = crops.within(CAMERA)
    np.testing.assert_allclose(crop.roi, [160, 120, 80, 0])
    assert crop.id == 'aaaaa'
    assert crop.pelvis_z == 4
