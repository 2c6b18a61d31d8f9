"""People as ROS messages."""

from dataclasses import replace

from fakes import make_people

from metrichmsr_ros.ros.messages import pelvis_transforms, to_header
from metrichmsr_ros.structures import TrackState


def test_who_may_be_nobody_has_no_frame():
    # A listener of /tf never forgets a frame.
    states = (TrackState.NEW, TrackState.TRACKED, TrackState.PREDICTED)
    people = replace(make_people('aaaaa', 'bbbbb', 'ccccc'), states=states)
    found = pelvis_transforms(people, header=to_header(5, 'camera'))
    assert [item.child_frame_id for item in found] == ['pelvis_bbbbb', 'pelvis_ccccc']
    assert found[0].transform.translation.x == people.pelvis[1, 0]
    assert pelvis_transforms(people.select([0]), header=to_header(5, 'camera')) == []
