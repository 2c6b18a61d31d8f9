"""The synthetic world: a camera with people before it, rendered once and kept on disk.

Camera optical frame (x right, y down, z forward) for everything that leaves this module; metres.
Letters: T frames, P people, H, W image size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
import hashlib
import json
import logging
import os
from pathlib import Path
import tempfile

import numpy as np
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.synthetic.cast import Actor, cast_actors, surface, to_camera
from metrichmsr_ros.data.synthetic.render import Renderer
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.structures import People, TrackState

# Part of the cache's key: raise it when the same configuration would render to something else.
VERSION = 1
_DEPTH_UNIT = 2e-4  # metres per count of a cached depth; 16 bits reach 13 m
_DISTORTION = (-0.09, 0.05, 0.0006, -0.0004, 0.0)

_logger = logging.getLogger(__name__)


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
    """

    people: int = 2
    width: int = 640
    height: int = 480
    rate: float = 15.0
    seconds: float = 6.4
    seed: int = 0
    camera_height: float = 1.35
    camera_tilt: float = 0.14

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


@dataclass(frozen=True)
class Loop:
    """A rendered loop; after its last frame comes its first.

    Attributes:
        images: RGB, (T, H, W, 3) uint8.
        depth_z: Along the optical axis, (T, H, W) float32, metres.
        visible: Share of each person that nothing hides, (T, P), 0..1.
        people: The truth of each frame, in the camera frame; ``scores`` are ``visible``.
    """

    images: np.ndarray
    depth_z: np.ndarray
    visible: np.ndarray
    people: tuple[People, ...]


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
            progress: Called with the share that is done, 0..1.
        """
        actors = cast_actors(
            self._body,
            people=self.config.people,
            frames=self.config.num_frames,
            seed=self.config.seed,
        )
        path = cache_path(self.config, self._body)
        arrays = _read(path, self.config) if cached else None
        if arrays is None:
            arrays = self._render_arrays(actors, progress)
            if cached:
                _write(path, arrays)
        people = tuple(self._truth(actors, arrays, t) for t in range(self.config.num_frames))
        depth_z = arrays['depth'].astype(np.float32) * np.float32(_DEPTH_UNIT)
        return Loop(arrays['images'], depth_z, arrays['visible'], people)

    def _render_arrays(
        self, actors: list[Actor], progress: Callable[[float], None] | None
    ) -> dict[str, np.ndarray]:
        surfaces, joints = zip(*(surface(self._body, actor) for actor in actors), strict=True)
        renderer = Renderer(
            self.camera,
            self.R_world_from_camera,
            self.position,
            faces=self._body.faces,
            textures=np.stack([actor.texture for actor in actors]),
            stand_off=np.stack([actor.stand_off for actor in actors]),
            seed=self.config.seed,
        )
        pictures = []
        for t in range(self.config.num_frames):
            feet = np.concatenate([person[t, [7, 8, 10, 11]] for person in joints])
            skins = np.stack([person[t] for person in surfaces])
            pictures.append(renderer.render(skins, feet * [1, 0, 1], frame=t))
            if progress is not None:
                progress((t + 1) / self.config.num_frames)
        depth = np.stack([picture.depth_z for picture in pictures])
        return {
            'images': np.stack([picture.image for picture in pictures]),
            'depth': np.round(depth / _DEPTH_UNIT).clip(0, 65535).astype(np.uint16),
            'visible': np.stack([picture.visible for picture in pictures]),
            'boxes': np.stack([picture.boxes for picture in pictures]),
            'vertices': np.stack(surfaces, 1).astype(np.float32),
        }

    def _truth(self, actors: list[Actor], arrays: dict[str, np.ndarray], t: int) -> People:
        R, count = self.R_world_from_camera, self.config.num_frames
        shapes = torch.as_tensor(np.stack([a.shape for a in actors]), dtype=torch.float32)
        rest = self._body.rest_joints(shapes)[:, 0].numpy()
        motions = [actor.motion for actor in actors]
        posed = [
            to_camera(motion.pose[t], motion.pelvis[t], pelvis, R, self.position)
            for motion, pelvis in zip(motions, rest, strict=True)
        ]
        pose = np.stack([p[0] for p in posed]).astype(np.float32)
        translation = np.stack([p[1] for p in posed]).astype(np.float32)
        steps = [m.pelvis[(t + 1) % count] - m.pelvis[t - 1] for m in motions]
        return People(
            ids=tuple(actor.id for actor in actors),
            states=(TrackState.TRACKED,) * len(actors),
            scores=arrays['visible'][t].astype(np.float32),
            boxes=arrays['boxes'][t],
            pose=pose,
            shape=shapes.numpy(),
            translation=translation,
            vertices=((arrays['vertices'][t] - self.position) @ R).astype(np.float32),
            joints=self._body.pose_numpy(pose, shapes.numpy(), translation)[1],
            pelvis_covariance=np.zeros((len(actors), 3, 3), np.float32),
            heights=np.array([actor.height for actor in actors], np.float32),
            velocities=(np.stack(steps) @ R * self.config.rate / 2).astype(np.float32),
            body_model=self._body.name,
        )


def cache_path(config: WorldConfig, body: BodyModel) -> Path:
    """Return the file that keeps the loop of ``config`` with people of ``body``."""
    key = json.dumps([VERSION, asdict(config)], sort_keys=True).encode()
    digest = hashlib.sha256(key + body.v_template.numpy().tobytes()).hexdigest()[:20]
    home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(home) / 'metrichmsr_ros' / 'synthetic' / f'{digest}.npz'


def _camera(config: WorldConfig) -> Camera:
    scale = config.width / 640
    K = np.array([[522.0, 0, 328.5], [0, 523.5, 0], [0, 0, 1]]) * [[scale], [scale], [1]]
    K[1, 2] = config.height / 2 - 7.5 * scale
    return Camera(config.width, config.height, K, np.array(_DISTORTION))


def _read(path: Path, config: WorldConfig) -> dict[str, np.ndarray] | None:
    """Return the cached arrays, or None where there are none or the file is damaged."""
    try:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in _ARRAYS}
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged archive raises whatever zip or numpy meets
        _logger.warning('%s is rendered again: %s', path, error)
        return None
    return arrays if len(arrays['images']) == config.num_frames else None


_ARRAYS = ('images', 'depth', 'visible', 'boxes', 'vertices')


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write so that a reader never sees half a file; a full disk costs only the cache."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix='.part', delete=False) as part:
            np.savez(part, **arrays)
        os.replace(part.name, path)
    except OSError as error:
        _logger.warning('the rendered loop is not kept: %s', error)
