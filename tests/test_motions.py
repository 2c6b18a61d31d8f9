"""Motion files of each format, tiny and made here, and what is wrong with bad ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.joints import JOINT_INDEX
from metrichmsr_ros.data.motions import MotionError, read_folder, read_motion
from metrichmsr_ros.data.people.pose_bank import PoseBank

REAL = Path(__file__).parents[2] / 'shared' / 'data' / 'motions'

ASF = """# made for a test
:version 1.10
:units
  mass 1.0
  length 0.45
  angle deg
:root
  order TX TY TZ RX RY RZ
  axis XYZ
:bonedata
{bones}
:hierarchy
  begin
    root lfemur rfemur lowerback
    lfemur ltibia
    ltibia lfoot
    lfoot ltoes
    rfemur rtibia
    rtibia rfoot
    rfoot rtoes
    lowerback upperback
    upperback thorax
    thorax upperneck lclavicle rclavicle
    upperneck head
    lclavicle lhumerus
    lhumerus lradius
    lradius lhand
    rclavicle rhumerus
    rhumerus rradius
    rradius rhand
  end
"""


def bone(name: str, direction: str, axis: str = '0 0 0', dof: str = '') -> str:
    dof = f'    dof {dof}\n' if dof else ''
    return (
        f'  begin\n    id 1\n    name {name}\n    direction {direction}\n    length 1\n'
        f'    axis {axis} XYZ\n{dof}  end'
    )


def asf() -> str:
    bones = [bone(name, '0 1 0') for name in ('lowerback', 'upperback', 'thorax', 'upperneck')]
    bones.append(bone('head', '0 1 0'))
    for side, x in (('l', 1), ('r', -1)):
        bones += [
            bone(f'{side}femur', '0 -1 0', dof='rx ry rz'),
            bone(f'{side}tibia', '0 -1 0', f'0 0 {20 * x}', 'rx'),
            bone(f'{side}foot', '0 0 1'),
            bone(f'{side}toes', '0 0 1'),
        ]
        bones += [bone(f'{side}{n}', f'{x} 0 0') for n in ('clavicle', 'radius', 'hand')]
        bones.append(bone(f'{side}humerus', f'{x} 0 0', dof='rz'))
    return ASF.format(bones='\n'.join(bones))


AMC = """# made for a test
:FULLY-SPECIFIED
:DEGREES
1
root 0 17.7165 0 0 90 0
lfemur -90 0 0
rfemur 0 0 0
ltibia 0
rtibia 0
lhumerus -90
rhumerus 0
"""


def joint(name: str, offset: str, children: str = '', channels: str = '') -> str:
    channels = channels or 'CHANNELS 3 Zrotation Yrotation Xrotation'
    children = children or 'End Site { OFFSET 0 0 0 }'
    return f'JOINT {name} {{ OFFSET {offset} {channels} {children} }}'


def bvh(scale: float = 1.0) -> str:
    """A skeleton whose arms hang at rest; the left hip is flexed by 90 degrees."""

    def at(*offset: float) -> str:
        return ' '.join(str(scale * value) for value in offset)

    legs, arms = [], []
    for side, x in (('Left', 1), ('Right', -1)):
        toe = joint(f'{side}Toe', at(0, 0, 0.1))
        ankle = joint(f'{side}Ankle', at(0, -0.4, 0), toe)
        knee = joint(f'{side}Knee', at(0, -0.4, 0), ankle)
        legs.append(joint(f'{side}Hip', at(0.1 * x, 0, 0), knee))
        wrist = joint(f'{side}Wrist', at(0, -0.25, 0))
        elbow = joint(f'{side}Elbow', at(0, -0.25, 0), wrist)
        shoulder = joint(f'{side}Shoulder', at(0.15 * x, 0, 0), elbow)
        arms.append(joint(f'{side}Collar', at(0, 0, 0), shoulder))
    head = joint('Neck', at(0, 0.1, 0), joint('Head', at(0, 0.1, 0)))
    chest = joint('Chest2', at(0, 0.1, 0), ' '.join([head, *arms]))
    spine = joint('lowerback', at(0, 0.1, 0), joint('Chest', at(0, 0.1, 0), chest))
    channels = 'CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation'
    root = f'HIERARCHY ROOT Hips {{ OFFSET 0 0 0 {channels} {" ".join([*legs, spine])} }}'
    numbers = np.zeros(6 + 3 * (8 + 5 + 8))
    numbers[1], numbers[8] = 0.9 * scale, -90.0  # the root's y; x rotation of the left hip
    row = ' '.join(map(str, numbers))
    return f'{root}\nMOTION\nFrames: 2\nFrame Time: 0.05\n{row}\n{row}\n'


def deepmimic(left_knee: float = 0.0) -> str:
    unit = [1.0, 0, 0, 0]
    row = [0.05, 1.0, 0.9, 2.0, *unit, *unit, *unit, *unit, 0.0, *unit, *unit, 0.0]
    row += [*unit, left_knee, *unit, *unit, 0.0]
    return json.dumps({'Loop': 'wrap', 'Frames': [row, row, row]})


def joints_of(pose: np.ndarray) -> dict[str, np.ndarray]:
    body = BodyModel.load()
    _, joints = body.pose_numpy(pose, np.zeros((len(pose), 10)), np.zeros((len(pose), 3)))
    return {name: joints[0, index] for name, index in JOINT_INDEX.items()}


def direction(joints: dict[str, np.ndarray], start: str, end: str) -> np.ndarray:
    vector = joints[end] - joints[start]
    return vector / np.linalg.norm(vector)


def test_deepmimic_rest_has_hanging_arms(tmp_path):
    path = tmp_path / 'stand.txt'
    path.write_text(deepmimic(left_knee=-np.pi / 2))
    clip = read_motion(path)
    assert len(clip) == 3
    assert clip.rate == pytest.approx(20)
    np.testing.assert_allclose(clip.root[0], [-2.0, 0.9, 1.0], atol=1e-6)
    joints = joints_of(clip.pose)
    for side in ('left', 'right'):
        assert direction(joints, f'{side}_shoulder', f'{side}_wrist')[1] < -0.98
        assert direction(joints, f'{side}_hip', f'{side}_knee')[1] < -0.95
    # The left knee is bent: its shank points backwards, and left is on the left.
    assert direction(joints, 'left_knee', 'left_ankle')[2] < -0.95
    assert direction(joints, 'right_knee', 'right_ankle')[1] < -0.95
    assert joints['left_hip'][0] > joints['right_hip'][0]


def test_asf_amc(tmp_path):
    (tmp_path / '07.asf').write_text(asf())
    path = tmp_path / '07_01.amc.gz'
    path.write_bytes(gzip.compress(AMC.encode()))
    clip = read_motion(path)
    assert clip.rate == 120
    np.testing.assert_allclose(clip.root[0], [0, 1.0, 0], atol=1e-4)
    joints = joints_of(clip.pose)
    # The root is turned to +x, so is the thigh that was lifted to the front.
    np.testing.assert_allclose(direction(joints, 'left_hip', 'left_knee'), [1, 0, 0], atol=1e-5)
    np.testing.assert_allclose(direction(joints, 'right_hip', 'right_knee'), [0, -1, 0], atol=1e-5)
    # The left humerus is lowered by 90 degrees, the right one is level to the right.
    np.testing.assert_allclose(
        direction(joints, 'left_shoulder', 'left_elbow'), [0, -1, 0], atol=1e-5
    )
    np.testing.assert_allclose(
        direction(joints, 'right_shoulder', 'right_elbow'), [0, 0, 1], atol=1e-5
    )


@pytest.mark.parametrize('scale', [1.0, 20.0])
def test_bvh(tmp_path, scale):
    path = tmp_path / 'hop.bvh'
    path.write_text(bvh(scale))
    clip = read_motion(path)
    assert clip.rate == pytest.approx(20)
    assert clip.root[0, 1] == pytest.approx(0.9, rel=0.02)  # metres whatever the unit
    joints = joints_of(clip.pose)
    np.testing.assert_allclose(direction(joints, 'left_hip', 'left_knee'), [0, 0, 1], atol=1e-5)
    for side in ('left', 'right'):
        np.testing.assert_allclose(
            direction(joints, f'{side}_shoulder', f'{side}_elbow'), [0, -1, 0], atol=1e-5
        )


def test_amass_is_turned_upright(tmp_path):
    path = tmp_path / 'walk.npz'
    poses = np.zeros((5, 156))
    poses[:, :3] = Rotation.from_euler('x', 90, degrees=True).as_rotvec()  # upright with z up
    poses[:, 3 * 4] = 0.7
    trans = np.tile([1.0, 2.0, 0.9], (5, 1))
    np.savez(path, poses=poses, trans=trans, mocap_framerate=120.0, gender='neutral')
    clip = read_motion(path)
    np.testing.assert_allclose(clip.pose[:, 0], 0, atol=1e-6)
    np.testing.assert_allclose(clip.pose[:, 4], [[0.7, 0, 0]] * 5, atol=1e-6)
    np.testing.assert_allclose(clip.root[0], [1.0, 0.9, -2.0], atol=1e-6)
    assert len(clip.resampled(40)) == 2
    assert clip.resampled(40).rate == 40


def test_folder_and_bank(tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a' / 'one.txt').write_text(deepmimic())
    (tmp_path / 'two.bvh').write_text(bvh())
    (tmp_path / 'LICENSE').write_text('words')
    clips = read_folder(tmp_path)
    assert [clip.name for clip in clips] == ['one.txt', 'two.bvh']
    bank = PoseBank.from_motions([tmp_path], rate=20.0)
    assert len(bank) == 5
    assert bank.poses.dtype == torch.float32
    empty = tmp_path / 'empty'
    empty.mkdir()
    with pytest.raises(MotionError, match='no motion file'):
        read_folder(empty)


@pytest.mark.parametrize(
    ('name', 'content', 'rule'),
    [
        ('a.txt', b'{"Frames": [[1, 2]]}', '44'),
        ('a.txt', b'no json', 'no DeepMimic motion'),
        ('a.txt', b'{"Frames": [[' + b'0,' * 43 + b'0]]}', 'quaternion is zero'),
        ('a.txt', b'\xff\xfe', 'a.txt'),
        ('a.txt.gz', b'no gzip', 'a.txt.gz'),
        ('a.bvh', b'HIERARCHY', 'not a BVH'),
        ('a.bvh', bvh().replace('LeftKnee', 'Patella').encode(), 'not named'),
        ('a.bvh', bvh()[:-30].encode(), 'numbers|not a BVH'),
        ('a.amc', AMC.encode(), 'asf'),
        ('a.npz', b'no zip', 'not an AMASS'),
        ('a.fbx', b'', 'suffix'),
    ],
)
def test_bad_files_are_named(tmp_path, name, content, rule):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MotionError, match=rule) as error:
        read_motion(path)
    assert name in str(error.value)


def test_bad_skeletons(tmp_path):
    path = tmp_path / '07_01.amc'
    path.write_text(AMC)
    skeleton = tmp_path / '07.asf'
    skeleton.write_text('nothing')
    with pytest.raises(MotionError, match=r'07\.asf'):
        read_motion(path)
    skeleton.write_text(asf().replace('angle deg', 'angle rad'))
    with pytest.raises(MotionError, match='deg'):
        read_motion(path)
    skeleton.write_text(asf())
    path.write_text(AMC.replace('lfemur -90 0 0\n', ''))
    with pytest.raises(MotionError, match=r'07_01\.amc'):
        read_motion(path)


def test_bad_amass(tmp_path):
    path = tmp_path / 'a.npz'
    np.savez(path, poses=np.zeros((2, 66)), trans=np.zeros((2, 3)))
    with pytest.raises(MotionError, match='mocap_framerate'):
        read_motion(path)
    np.savez(path, poses=np.zeros((2, 60)), trans=np.zeros((2, 3)), mocap_framerate=60)
    with pytest.raises(MotionError, match='66'):
        read_motion(path)
    np.savez(path, poses=np.full((2, 66), np.nan), trans=np.zeros((2, 3)), mocap_framerate=60)
    with pytest.raises(MotionError, match='finite'):
        read_motion(path)


@pytest.mark.skipif(not REAL.exists(), reason='the motions for development are not here')
@pytest.mark.parametrize(
    'name',
    ['deepmimic/humanoid3d_walk.txt', 'cmu_amc/02_01.amc.gz', 'cmu_bvh/scaled_131_03.bvh.gz'],
)
def test_real_motions_stand_upright(name):
    clip = read_motion(REAL / name)
    pose = clip.pose[:: max(1, len(clip) // 20)]
    body = BodyModel.load()
    _, joints = body.pose_numpy(pose, np.zeros((len(pose), 10)), np.zeros((len(pose), 3)))
    trunk = joints[:, JOINT_INDEX['head']] - joints[:, 0]
    assert (trunk[:, 1] > 0.8 * np.linalg.norm(trunk, axis=-1)).mean() > 0.8
    assert 0.6 < clip.root[:, 1].mean() < 1.2
    feet = joints[:, [7, 8], 1].min(-1) - joints[:, 0, 1]
    assert -1.0 < feet.mean() < -0.6
