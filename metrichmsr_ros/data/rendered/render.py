"""Small pictures of people about their crops, by rasterising along the true lens.

Triangles are small, so that a projected corner is all that a bent lens asks for. Letters: P people
in the picture (the first is the one who is read), V vertices, F faces, L lights, H, W window.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
import warp as wp

from metrichmsr_ros.data.people.lens import Lenses
from metrichmsr_ros.data.people.observe import in_front
from metrichmsr_ros.data.rendered import kernels
from metrichmsr_ros.data.rendered.looks import Look, TEXELS
from metrichmsr_ros.data.rendered.rooms import Room
from metrichmsr_ros.data.rendered.windows import Window
from metrichmsr_ros.geometry.warp_start import start_warp

MAX_PEOPLE = 3
_SAMPLES = 2  # along a pixel's side
_MAP = 112  # cells along a shadow map
_REACH = 1.35  # metres from the person's middle that shadow maps hold
_BIAS = 0.035
_GROUND, _GROUND_STEP = 128, 0.035


@dataclass(frozen=True)
class Picture:
    """What a window shows.

    Attributes:
        colour: Linear, (H, W, 3) float32.
        depth_z: Metres along the optical axis, (H, W) float32.
        person: Who is seen, (H, W) int8; -1 = what is around.
    """

    colour: np.ndarray
    depth_z: np.ndarray
    person: np.ndarray


class CropRenderer:
    """Renders windows; keeps buffers and nothing else."""

    def __init__(self, faces: np.ndarray, *, num_vertices: int) -> None:
        start_warp()
        self._num_faces, self._num_vertices = len(faces), num_vertices
        offsets = num_vertices * np.arange(MAX_PEOPLE)[:, None, None]
        self._faces = _array((faces + offsets).reshape(-1), wp.int32)
        self._looks: list[Look] = []

    @property
    def num_looks(self) -> int:
        """How many looks there are to choose from."""
        return len(self._looks)

    def wear(self, looks: list[Look]) -> None:
        """Set the looks that ``render`` refers to."""
        self._looks = looks
        self._textures = _array(np.stack([look.texture for look in looks]), wp.vec3ub)

    def normals(self, points: np.ndarray) -> np.ndarray:
        """Return unit normals of surfaces (P · V, 3)."""
        flat = wp.zeros(len(points), dtype=wp.vec3, device='cpu')
        self._launch(
            kernels.add_normals, self._face_count(points),
            [_array(points, wp.vec3), self._faces], [flat],
        )  # fmt: skip
        normals = flat.numpy()
        return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)

    def render(
        self,
        surfaces: np.ndarray,
        looks: np.ndarray,
        *,
        lens: Lenses,
        window: Window,
        room: Room,
        R_cam_world: np.ndarray,
        origin: np.ndarray,
        seed: int,
        ray_step: int = 8,
    ) -> Picture:
        """Render people.

        Args:
            surfaces: Skin in the camera frame, (P, V, 3) float32, metres.
            looks: Which look each wears, (P,).
            lens: The camera, one.
            window: What of its image.
            room: Surroundings.
            R_cam_world: World axes in the camera's, (3, 3).
            origin: Camera centre in the world, (3,).
            seed: Of the surroundings' grain.
            ray_step: Pixels between exact rays of the room; a window on a whole wide image needs
                them denser than one on a crop.
        """
        skin = surfaces.reshape(-1, 3)
        offs = np.concatenate([self._looks[look].stand_off for look in looks])[:, None]
        points = (skin + offs * self.normals(skin)).astype(np.float32)
        normals = self.normals(points)
        shape = (window.height, window.width)
        fine = (shape[0] * _SAMPLES, shape[1] * _SAMPLES)
        pixels = lens.project(in_front(torch.from_numpy(points))[None])[0].numpy()
        places = (window.to_window(pixels) + 0.5) * _SAMPLES - 0.5
        flat = _array(np.column_stack([places, points[:, 2]]), wp.vec3)
        keys = self._rasterise(flat, self._face_count(points), fine)
        world = points @ R_cam_world + origin  # rows: Rᵀ p + o
        light = self._light(world, normals @ R_cam_world, room)
        behind, behind_depth = self._room(
            _window_rays(lens, window, ray_step) @ R_cam_world.astype(np.float32),
            room,
            origin,
            self._ground(world, room.ways[0]),
            seed,
        )
        colour = wp.empty(shape, dtype=wp.vec3, device='cpu')
        depth = wp.empty(shape, dtype=wp.float32, device='cpu')
        owner = wp.empty(shape, dtype=wp.int8, device='cpu')
        self._launch(
            kernels.resolve, shape,
            [keys, flat, self._faces, self._num_faces, light, self._textures,
             _array(looks, wp.int32), TEXELS, behind, behind_depth, _SAMPLES],
            [colour, depth, owner],
        )  # fmt: skip
        return Picture(colour.numpy(), depth.numpy(), owner.numpy())

    def _face_count(self, points: np.ndarray) -> int:
        return self._num_faces * (len(points) // self._num_vertices)

    def _rasterise(self, points: wp.array, faces: int, shape: tuple[int, int]) -> wp.array:
        keys = wp.full(shape, kernels.NOTHING, dtype=wp.int64, device='cpu')
        self._launch(kernels.rasterise, faces, [points, self._faces, shape[1], shape[0]], [keys])
        return keys

    def _light(self, world: np.ndarray, normals: np.ndarray, room: Room) -> wp.array:
        """Return what reaches each vertex, past everybody's bodies."""
        middle = world[: self._num_vertices].mean(0)
        scale = _MAP / (2 * _REACH)
        faces = self._face_count(world)
        right = np.cross(room.ways, [0.31, 0.52, 0.79])
        right /= np.linalg.norm(right, axis=-1, keepdims=True)
        up = np.cross(room.ways, right)
        axes = np.stack([right * scale, up * scale, -room.ways], 1)  # (L, 3, 3)
        flat = np.einsum('lij,vj->lvi', axes, world - middle, optimize=True)
        flat += [_MAP / 2, _MAP / 2, 10.0]
        flat = flat.astype(np.float32)
        maps = wp.full((len(flat), _MAP, _MAP), kernels.NOTHING, dtype=wp.int64, device='cpu')
        placed = _array(flat, wp.vec3)
        for number in range(len(flat)):
            self._launch(
                kernels.rasterise, faces, [placed[number], self._faces, _MAP, _MAP],
                [maps[number]],
            )  # fmt: skip
        light = wp.empty(len(world), dtype=wp.vec3, device='cpu')
        self._launch(
            kernels.light_vertices, len(world),
            [placed, _array(normals, wp.vec3), maps, _array(room.ways, wp.vec3),
             _array(room.lights, wp.vec3), _BIAS],
            [light],
        )  # fmt: skip
        return light

    def _ground(self, world: np.ndarray, way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the people's shadow on the floor, 0..1, and its map's corner x, z."""
        fallen = world - (world[:, 1:2] / max(way[1], 0.25)) * way
        low = world[: self._num_vertices].mean(0)[[0, 2]] - _GROUND * _GROUND_STEP / 2
        places = (fallen[:, [0, 2]] - low) / _GROUND_STEP
        flat = _array(np.column_stack([places, np.ones(len(world))]), wp.vec3)
        keys = self._rasterise(flat, self._face_count(world), (_GROUND, _GROUND)).numpy()
        shadow = (keys != int(kernels.NOTHING)).astype(np.float32)
        return cv2.GaussianBlur(shadow, (0, 0), 2.0), low

    def _room(
        self,
        rays: np.ndarray,
        room: Room,
        origin: np.ndarray,
        ground: tuple[np.ndarray, np.ndarray],
        seed: int,
    ) -> tuple[wp.array, wp.array]:
        shape = rays.shape[:2]
        colour = wp.empty(shape, dtype=wp.vec3, device='cpu')
        depth = wp.empty(shape, dtype=wp.float32, device='cpu')
        self._launch(
            kernels.draw_room, shape,
            [_array(rays, wp.vec3), wp.vec3(*origin), _array(room.low, wp.vec3),
             _array(room.high, wp.vec3), _array(room.turns, wp.mat33),
             _array(room.patterns, wp.int32),
             _array(room.firsts, wp.vec3), _array(room.seconds, wp.vec3),
             _array(room.scales, wp.float32), int(room.outdoors), wp.vec3(*room.ways[0]),
             wp.vec3(*room.lights[0]), wp.vec3(*(3.2 * room.ambient)),
             _array(ground[0], wp.float32), wp.vec2(*ground[1]), _GROUND_STEP, seed],
            [colour, depth],
        )  # fmt: skip
        return colour, depth

    @staticmethod
    def _launch(
        kernel: wp.Kernel, dim: int | tuple[int, ...], inputs: list, outputs: list
    ) -> None:
        wp.launch(kernel, dim=dim, inputs=inputs, outputs=outputs, device='cpu')


def _window_rays(lens: Lenses, window: Window, step: int) -> np.ndarray:
    """Return z = 1 rays of the window's pixels, (H, W, 3): exact ones, interpolated."""
    columns = np.linspace(0, window.width - 1, window.width // step + 2)
    rows = np.linspace(0, window.height - 1, window.height // step + 2)
    grid = np.stack(np.meshgrid(columns, rows), -1)
    pixels = torch.from_numpy(window.to_image(grid).astype(np.float32))
    rays = lens.unproject(pixels.reshape(1, -1, 2))[0].reshape(1, len(rows), len(columns), 3)
    whole = torch.nn.functional.interpolate(
        rays.movedim(-1, 1), (window.height, window.width), mode='bilinear', align_corners=True
    )
    return whole[0].movedim(0, -1).contiguous().numpy()


def _array(values: np.ndarray, kind: type) -> wp.array:
    return wp.array(np.ascontiguousarray(values), dtype=kind, device='cpu')
