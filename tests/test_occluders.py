from dataclasses import replace

from made_world import CAMERA, FACES, MS, World
import numpy as np
import pytest

from metrichmsr_ros.geometry.mesh_depth import MeshRaycaster
from metrichmsr_ros.perception.occluders import MAX_AGE, MIN_SCORE, Occluders
from metrichmsr_ros.structures import Frame, TrackState

NEAR, FAR = 0, 1
IMAGE = np.random.default_rng(0).integers(1, 255, (CAMERA.height, CAMERA.width, 3), np.uint8)
RAYCASTER = MeshRaycaster(FACES)


def a_frame(milliseconds=50):
    return Frame(IMAGE, CAMERA, milliseconds * MS)


def a_pair(*pelvises, scores=(0.95, 0.95), velocity=(0, 0, 0), states=(TrackState.TRACKED,) * 2):
    """Two tracked people; by default one in the middle, and one behind him to the right."""
    world = World()
    world.place(*(pelvises or ([0, 0, 3], [0.4, 0, 5])))
    boxes = world.boxes()
    middles, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, np.ptp(boxes[:, 1::2], axis=1)
    rois = np.column_stack([middles, sides, np.zeros(2)])
    people = replace(
        world.estimate(None, world.read(IMAGE, rois)),
        ids=('aaaaa', 'bbbbb'),
        scores=np.array(scores, np.float32),
        velocities=np.tile(np.float32(velocity), (2, 1)),
        states=states,
    )
    return people, rois


def kept(people):
    occluders = Occluders(RAYCASTER)
    occluders.keep(people, 0)
    return occluders


def crop_of(occluders, people, rois, index, frame):
    return occluders.paint_out(
        frame,
        rois[index],
        people.boxes[index],
        name=people.ids[index],
        pelvis_z=float(people.pelvis[index, 2]),
    )


def seen_of(people, index):
    """Pixels that show a person, (H, W) bool."""
    return RAYCASTER.cast(people.vertices, CAMERA).person == index


def test_who_stands_before_somebody_is_painted_out_of_his_crop():
    people, rois = a_pair()
    painted = crop_of(kept(people), people, rois, FAR, a_frame())
    changed = (painted != IMAGE).any(axis=-1)
    x, y, side, _ = rois[FAR]
    column, row = np.meshgrid(np.arange(CAMERA.width), np.arange(CAMERA.height))
    inside = (np.abs(column - x) < side / 2) & (np.abs(row - y) < side / 2)
    assert changed[inside & seen_of(people, NEAR)].mean() > 0.95  # some have that very colour
    assert len(np.unique(painted[changed], axis=0)) == 1
    assert not changed[seen_of(people, FAR)].any()
    assert not changed[np.hypot(column - x, row - y) > side].any()


def test_the_image_itself_is_not_painted_on():
    before = IMAGE.copy()
    people, rois = a_pair()
    crop_of(kept(people), people, rois, FAR, a_frame())
    np.testing.assert_array_equal(IMAGE, before)


def test_nobody_is_painted_out_of_the_crop_of_the_one_in_front():
    people, rois = a_pair()
    assert crop_of(kept(people), people, rois, NEAR, a_frame()) is IMAGE


def test_people_apart_are_read_in_the_image_as_it_is():
    people, rois = a_pair([-1, 0, 3], [1.5, 0, 5])
    assert crop_of(kept(people), people, rois, FAR, a_frame()) is IMAGE


def test_all_known_people_are_painted_out_of_a_strangers_crop():
    people, rois = a_pair()
    painted = kept(people).paint_out(a_frame(), rois[FAR], people.boxes[FAR])
    changed = (painted != IMAGE).any(axis=-1)
    assert changed[seen_of(people, FAR)].mean() > 0.95


@pytest.mark.parametrize(
    'pair',
    [
        {'scores': (MIN_SCORE - 0.01, 0.95)},
        {'states': (TrackState.PREDICTED, TrackState.TRACKED)},
    ],
    ids=['unsure', 'only predicted'],
)
def test_who_may_not_be_there_hides_nobody(pair):
    people, rois = a_pair(**pair)
    assert crop_of(kept(people), people, rois, FAR, a_frame()) is IMAGE


def test_people_are_where_they_have_moved_to_since():
    people, rois = a_pair(velocity=(1.0, 0, 0))
    painted = crop_of(kept(people), people, rois, FAR, a_frame(200))
    changed = (painted != IMAGE).any(axis=-1)
    moved = replace(people, vertices=people.vertices + np.float32([0.2, 0, 0]))
    near = seen_of(moved, NEAR)
    x, y, side, _ = rois[FAR]
    column, row = np.meshgrid(np.arange(CAMERA.width), np.arange(CAMERA.height))
    near &= (np.abs(column - x) < side / 2) & (np.abs(row - y) < side / 2)
    assert changed[near].mean() > 0.95
    assert not changed[seen_of(people, NEAR) & ~near & (column < x - side / 2)].any()


def test_who_was_seen_long_ago_may_be_anywhere():
    people, rois = a_pair()
    late = a_frame(round(1000 * MAX_AGE) + 1)
    assert crop_of(kept(people), people, rois, FAR, late) is IMAGE


def test_before_the_first_frame_nobody_is_known():
    people, rois = a_pair()
    assert crop_of(Occluders(RAYCASTER), people, rois, FAR, a_frame()) is IMAGE
