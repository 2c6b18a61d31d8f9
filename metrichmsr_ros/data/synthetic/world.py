"""The synthetic world: a camera with people before it, rendered once and kept on disk.

Camera optical frame (x right, y down, z forward) for everything that leaves this module; metres.
Letters: T frames, P people, H, W image size.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.cache import cache_dir
from metrichmsr_ros.data.synthetic.cast import Actor, cast_actors, surface, to_camera
from metrichmsr_ros.data.synthetic.loop import depth_counts, Loop, read_loop, write_loop
from metrichmsr_ros.data.synthetic.render import Picture, Renderer
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.stamps import NS_PER_S
from metrichmsr_ros.structures import Frame

_FEET = (7, 8, 10, 11)
_DISTORTION = (-0.09, 0.05, 0.0006, -0.0004, 0.0)


@dataclass(frozen=True)
class WorldConfig:
    """What is rendered.

    Attributes:
        people: Number of people, 1 to 3.
        width: Image width, pixels.
        height: Image height, pixels.
        rate: Frames per second.
        seconds: Length of the loop.
        seed: Chooses bodies, clothes, ways and noise.
        camera_height: Of the optical centre above the floor, metres.
        camera_tilt: Of the optical axis below the horizon, radians.
        heights: Of the people, in turn, metres; whoever has none is as tall as drawn.
    """

    people: int = 2
    width: int = 640
    height: int = 480
    rate: float = 20.0
    seconds: float = 6.4
    seed: int = 0
    camera_height: float = 1.35
    camera_tilt: float = 0.14
    heights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.people <= 3:
            raise ValueError(f'people={self.people} must be 1 to 3')
        if min(self.width, self.height) < 16:
            raise ValueError(f'image of {self.width}x{self.height} is under 16 pixels')
        if self.num_frames < 1:
            raise ValueError(f'{self.seconds} s at {self.rate} Hz hold no frame')
        if not 0.3 <= self.camera_height <= 2.5 or abs(self.camera_tilt) > 0.6:
            raise ValueError(
                f'camera_height={self.camera_height} m, camera_tilt={self.camera_tilt} rad: '
                'the room allows 0.3 to 2.5 m and ±0.6 rad'
            )

    @property
    def num_frames(self) -> int:
        """T."""
        return round(self.rate * self.seconds)


class SyntheticWorld:
    """People walking in a room before a camera whose everything is known.

    Attributes:
        config: What is rendered.
        camera: True intrinsics: the principal point off the centre, and lens distortion.
        R_world_from_camera: Camera axes in the world (y up, floor at 0), (3, 3).
        position: Camera centre in the world, (3,), metres.
    """

    def __init__(
        self, config: WorldConfig | None = None, *, body: BodyModel | None = None
    ) -> None:
        self.config = config or WorldConfig()
        self.camera = _camera(self.config)
        tilt = self.config.camera_tilt
        right, down = np.array([1.0, 0, 0]), np.array([0, -np.cos(tilt), np.sin(tilt)])
        self.R_world_from_camera = np.stack([right, down, np.cross(right, down)], -1)
        self.position = np.array([0.0, self.config.camera_height, 0.0])
        self._body = body or BodyModel.load()

    def render(
        self, *, cached: bool = True, progress: Callable[[float], None] | None = None
    ) -> Loop:
        """Render the loop, or read it from the cache.

        Args:
            cached: Use and fill the cache.
            progress: Called with the share that is done, 0..1, while rendering.
        """
        path = cache_path(self.config, self._body)
        loop = read_loop(path) if cached else None
        if loop is None:
            loop = self._render(progress)
            if cached:
                write_loop(path, loop)
        return loop

    def frame(self, loop: Loop, k: int) -> Frame:
        """Return frame ``k`` of a loop that goes round without end; stamps grow."""
        stamp = round(k * NS_PER_S / self.config.rate)
        return Frame(loop.images[k % len(loop)], self.camera, stamp)

    def _render(self, progress: Callable[[float], None] | None) -> Loop:
        config = self.config
        actors = cast_actors(
            self._body,
            people=config.people,
            frames=config.num_frames,
            seed=config.seed,
            heights=config.heights,
        )
        surfaces, joints = (
            np.stack(parts, 1)
            for parts in zip(*(surface(self._body, actor) for actor in actors), strict=True)
        )
        pictures = self._pictures(actors, surfaces, joints, progress)
        return Loop(
            images=np.stack([picture.image for picture in pictures]),
            depth_counts=np.stack([depth_counts(picture.depth_z) for picture in pictures]),
            visible=np.stack([picture.visible for picture in pictures]).astype(np.float32),
            boxes=np.stack([picture.boxes for picture in pictures]),
            vertices=self._in_camera(surfaces),
            joints=self._in_camera(joints),
            ids=np.array([actor.id for actor in actors]),
            body_model=np.array(self._body.name),
            **self._parameters(actors),
        )

    def _pictures(
        self,
        actors: list[Actor],
        surfaces: np.ndarray,
        joints: np.ndarray,
        progress: Callable[[float], None] | None,
    ) -> list[Picture]:
        renderer = Renderer(
            self.camera,
            self.R_world_from_camera,
            self.position,
            faces=self._body.faces,
            textures=np.stack([actor.texture for actor in actors]),
            stand_off=np.stack([actor.stand_off for actor in actors]),
            seed=self.config.seed,
        )

        def picture_at(t: int) -> Picture:
            feet = joints[t][:, _FEET].reshape(-1, 3) * [1, 0, 1]
            return renderer.render(surfaces[t], feet, frame=t)

        pictures = []
        # Warp's kernels run outside the interpreter's lock, so threads share the frames.
        with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
            for picture in pool.map(picture_at, range(self.config.num_frames)):
                pictures.append(picture)
                if progress is not None:
                    progress(len(pictures) / self.config.num_frames)
        return pictures

    def _parameters(self, actors: list[Actor]) -> dict[str, np.ndarray]:
        """Return SMPL parameters and velocities in the camera frame, named as in ``Loop``."""
        shape = np.stack([actor.shape for actor in actors]).astype(np.float32)
        rest = self._body.rest_joints(torch.as_tensor(shape))[:, 0].numpy()
        pose, translation = zip(
            *(
                to_camera(actor.motion, pelvis, self.R_world_from_camera, self.position)
                for actor, pelvis in zip(actors, rest, strict=True)
            ),
            strict=True,
        )
        pelvis = np.stack([actor.motion.pelvis for actor in actors], 1)
        step = (np.roll(pelvis, -1, 0) - np.roll(pelvis, 1, 0)) / 2
        return {
            'shape': shape,
            'heights': np.array([actor.height for actor in actors], np.float32),
            'pose': np.stack(pose, 1).astype(np.float32),
            'translation': np.stack(translation, 1).astype(np.float32),
            'velocities': (step @ self.R_world_from_camera * self.config.rate).astype(np.float32),
        }

    def _in_camera(self, points: np.ndarray) -> np.ndarray:
        return ((points - self.position) @ self.R_world_from_camera).astype(np.float32)


def cache_path(config: WorldConfig, body: BodyModel) -> Path:
    """Return the file that keeps the loop of ``config`` with people of ``body``."""
    digest = hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode())
    digest.update(body.v_template.numpy().tobytes())
    for source in sorted(Path(__file__).parent.glob('*.py')):
        digest.update(source.read_bytes())  # a changed renderer renders again
    return cache_dir('synthetic') / f'{digest.hexdigest()[:20]}.npz'


def _camera(config: WorldConfig) -> Camera:
    scale = config.width / 640
    K = np.array([[522.0, 0, 328.5], [0, 523.5, 0], [0, 0, 1]]) * [[scale], [scale], [1]]
    K[1, 2] = config.height / 2 - 7.5 * scale
    return Camera(config.width, config.height, K, np.array(_DISTORTION))
