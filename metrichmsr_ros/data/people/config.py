"""What is sampled; one place for every range."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class SampleConfig:
    """Distribution of the sampled people, cameras and evidence.

    Attributes:
        poses: Poses of the procedural bank.
        pose_seed: Chooses them.
        motions: Folders of motion files; their poses are added to the procedural ones.
        motion_share: Share of the samples whose pose is from ``motions``, where there are any.
        mixed: Share of poses whose legs, trunk and arms are each from another one.
        blended: Share of poses whose limbs lie between those of two.
        mirrored: Share of poses that are mirrored.
        joint_noise: Spread of the random turn added to each joint, degrees.
        children: Share of children and teenagers of 0.9 to 1.6 m.
        fov: Least and greatest horizontal field of view, degrees.
        distorted: Share of cameras with a plumb_bob lens.
        fisheye: Share of cameras with an equidistant lens.
        distance: Nearest and farthest camera to an adult of 1.69 m, metres; of others it is in
            proportion to their height.
        camera_height: Lowest and highest camera above the person's floor, metres.
        camera_roll: Spread of the camera's roll, degrees.
        apparent_height: Smallest and greatest height of a standing person over the image's height.
        min_inside: Landmarks that lie inside the image, at least.
        min_pixels: Side of the crop, pixels, at least.
        physique: Factor on the differences of real bodies from the body model's shape space.
        noise: Factor on all of BlazePose's errors; 0 = the evidence is the truth.
        crop_jitter: Greatest change of the crop's side, as a share.
    """

    poses: int = 60_000
    pose_seed: int = 0
    motions: tuple[str, ...] = ()
    motion_share: float = 0.5
    mixed: float = 0.4
    blended: float = 0.3
    mirrored: float = 0.5
    joint_noise: float = 4.0
    children: float = 0.15
    fov: tuple[float, float] = (35.0, 120.0)
    distorted: float = 0.4
    fisheye: float = 0.15
    distance: tuple[float, float] = (0.7, 12.0)
    camera_height: tuple[float, float] = (0.15, 3.0)
    camera_roll: float = 4.0
    apparent_height: tuple[float, float] = (0.13, 1.7)
    min_inside: int = 9
    min_pixels: float = 48.0
    physique: float = 1.0
    noise: float = 1.0
    crop_jitter: float = 0.3

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, tuple) and item.name != 'motions':
                if len(value) != 2 or not 0 < value[0] < value[1]:
                    raise ValueError(f'{item.name}={value} must be 0 < low < high')
            elif isinstance(value, float) and value < 0:
                raise ValueError(f'{item.name}={value} must not be negative')
        for name in ('mixed', 'blended', 'mirrored', 'children', 'motion_share', 'crop_jitter'):
            if getattr(self, name) > 1:
                raise ValueError(f'{name}={getattr(self, name)} is a share, at most 1')
        if self.distorted + self.fisheye > 1:
            raise ValueError(f'distorted + fisheye = {self.distorted + self.fisheye}, at most 1')
        if self.poses < 1:
            raise ValueError(f'poses={self.poses} must be positive')
        if self.fov[1] > 150:
            raise ValueError(f'fov={self.fov} degrees, at most 150')
        if not 0 <= self.min_inside <= 33:
            raise ValueError(f'min_inside={self.min_inside} must be within 0..33')
