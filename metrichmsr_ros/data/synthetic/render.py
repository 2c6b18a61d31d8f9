"""Pictures and depth of the room with people in it, by Warp ray casts along the true lens's rays.

Letters: N = H·W pixels, S = 4 samples a pixel, P people, V vertices, F faces. World frame as in
``skeleton``. The room and its own shadows are traced once; a frame traces people and theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.sparse import csr_matrix
import warp as wp

from metrichmsr_ros.data.synthetic import kernels, room
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.warp_start import start_warp

TEXELS = 6  # texture samples along a triangle's edge
_SAMPLES = 4
_OFFSETS = np.array([[-0.125, -0.375], [0.375, -0.125], [-0.375, 0.125], [0.125, 0.375]])
_ROOM_RAYS = 2  # per sample; neighbours are averaged
_AMBIENT_REACH = 0.7
_SHADOW_STRIDE = 2
_LONGEST_EDGE = 0.06  # of a dressed body's triangles, metres
_EXPOSURE = 0.8


@dataclass(frozen=True)
class Picture:
    """One rendered frame.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        depth_z: Along the optical axis, (H, W) float32, metres.
        visible: Share of each person's pixels that nobody and nothing hides, (P,).
        boxes: x_min, y_min, x_max, y_max of each person's pixels, hidden ones too, (P, 4) float32.
        person: Who is seen at each pixel, (H, W) int8, -1 = the room.
    """

    image: np.ndarray
    depth_z: np.ndarray
    visible: np.ndarray
    boxes: np.ndarray
    person: np.ndarray


class Renderer:
    """Renders people in the room for one camera.

    Args:
        camera: The true camera.
        R_world_from_camera: (3, 3).
        position: Camera centre in the world, (3,), metres.
        faces: Triangles of the body, (F, 3).
        textures: Linear albedo of each person, (P, F · TEXELS², 3).
        stand_off: Of cloth and hair from the skin, (P, V), metres.
        seed: Of grain and noise.
    """

    def __init__(
        self,
        camera: Camera,
        R_world_from_camera: np.ndarray,
        position: np.ndarray,
        *,
        faces: np.ndarray,
        textures: np.ndarray,
        stand_off: np.ndarray,
        seed: int,
    ) -> None:
        start_warp()
        self._camera, self._seed = camera, seed
        self._R, self._origin = R_world_from_camera, position
        self._faces, self._stand_off = faces, stand_off
        rows = np.arange(3 * len(faces)) // 3
        corners = (np.ones(3 * len(faces)), (faces.ravel(), rows))
        self._spread = csr_matrix(corners, shape=(faces.max() + 1, len(faces)))
        self._rays = _world_rays(camera, R_world_from_camera)
        self._flat_faces = _array(faces.ravel(), wp.int32)
        self._textures = _array(textures, wp.vec3)
        self._spare: list[list[wp.Mesh]] = []
        self._lights = _array(room.LIGHTS, wp.vec3)
        self._trace_room()

    def render(self, vertices: np.ndarray, grounded: np.ndarray, *, frame: int) -> Picture:
        """Render one frame; may be called from several threads.

        Args:
            vertices: Surfaces of the people's skin in the world, (P, V, 3), metres.
            grounded: Points that darken the floor around them, (Q, 3), metres.
            frame: Number of the frame: seed of its noise.
        """
        vertices = vertices + self._stand_off[..., None] * self._vertex_normals(vertices)
        height, width = self._camera.height, self._camera.width
        count, people = height * width, len(vertices)
        colour = wp.empty(count, dtype=wp.vec3, device='cpu')
        depth = wp.empty(count, dtype=wp.float32, device='cpu')
        seen = wp.empty((people, count), dtype=wp.int8, device='cpu')
        with self._placed(vertices) as placed:
            meshes = _array([mesh.id for mesh in placed], wp.uint64)
            bounds = _array(np.stack([vertices.min(1), vertices.max(1)], 1), wp.vec3)
            number = self._seed + 7919 * frame
            wp.launch(
                kernels.shade,
                dim=count,
                inputs=[
                    meshes, bounds, _array(self._vertex_normals(vertices), wp.vec3),
                    self._flat_faces, self._textures, TEXELS,
                    wp.vec3(*self._origin), self._directions,
                    _array(self._near_people(vertices), wp.uint8),
                    self._room_t, self._room_lamps, self._room_rest,
                    self._room_shadows(meshes, bounds, grounded, number),
                    self._lights, _array(room.LIGHT_COLOURS, wp.vec3), wp.vec3(*room.AMBIENT),
                    number,
                ],
                outputs=[colour, depth, seen],
                device='cpu',
            )  # fmt: skip
        seen = seen.numpy().reshape(people, height, width)
        depth_z = depth.numpy().reshape(height, width) / self._centre_length
        image = self._develop(colour.numpy().reshape(height, width, 3), frame)
        first = (seen == 2).argmax(0).astype(np.int8)
        person = np.where((seen == 2).any(0), first, np.int8(-1))
        visible = (seen == 2).sum((1, 2)) / np.maximum((seen > 0).sum((1, 2)), 1)
        return Picture(image, depth_z.astype(np.float32), visible, _mask_boxes(seen > 0), person)

    def _room_shadows(
        self, meshes: wp.array, bounds: wp.array, grounded: np.ndarray, number: int
    ) -> wp.array:
        """Return what people leave of the light on the room, (N,): sparse rays, smoothed."""
        height, width = self._camera.height, self._camera.width
        shape = (-(-height // _SHADOW_STRIDE), -(-width // _SHADOW_STRIDE))
        left = wp.empty(shape, dtype=wp.vec3, device='cpu')
        wp.launch(
            kernels.shade_room,
            dim=shape,
            inputs=[
                meshes, bounds, wp.vec3(*self._origin), self._directions,
                self._room_t, self._room_normals, _array(grounded, wp.vec3), self._lights, number,
                width, _SHADOW_STRIDE,
            ],
            outputs=[left],
            device='cpu',
        )  # fmt: skip
        smooth = cv2.GaussianBlur(left.numpy(), (0, 0), 2.0 * width / 640)
        whole = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR)
        return _array(whole.reshape(-1, 3), wp.vec3)

    def _trace_room(self) -> None:
        """Trace and light the empty room once, and keep what each lamp gives to each pixel."""
        vertices, faces = room.room_mesh()
        mesh = wp.Mesh(_array(vertices, wp.vec3), _array(faces.ravel(), wp.int32))
        length = np.linalg.norm(self._rays, axis=-1)
        directions = self._rays / length[..., None]
        # The last sample of a pixel is its exact centre, for depth.
        self._centre_length = length[:, -1].reshape(self._camera.height, -1)
        shape = directions.shape[:2]
        self._directions = _array(directions, wp.vec3)
        self._room_t = wp.empty(shape, dtype=wp.float32, device='cpu')
        self._room_normals = wp.empty(shape, dtype=wp.vec3, device='cpu')
        hit = wp.empty(shape, dtype=wp.int32, device='cpu')
        light = wp.empty(shape, dtype=wp.vec3, device='cpu')
        wp.launch(
            kernels.trace_room,
            dim=shape,
            inputs=[
                mesh.id, wp.vec3(*self._origin), self._directions, self._lights,
                _ROOM_RAYS, _AMBIENT_REACH, self._seed,
            ],
            outputs=[self._room_t, hit, self._room_normals, light],
            device='cpu',
        )  # fmt: skip
        hits = hit.numpy()[:, :_SAMPLES]
        reach = self._room_t.numpy()[:, :_SAMPLES, None]
        points = self._origin + directions[:, :_SAMPLES] * reach
        albedo, glow = room.paint(points.reshape(-1, 3), hits.ravel(), seed=self._seed)
        albedo, glow = albedo.reshape(points.shape), glow.reshape(points.shape)
        shares = self._smooth_light(light.numpy()[:, :_SAMPLES], hits // room.FACES_PER_BLOCK)
        lamps = [albedo * shares[..., k, None] * room.LIGHT_COLOURS[k] for k in range(2)]
        rest = [albedo * shares[..., 2, None] * room.AMBIENT, glow]
        self._room_lamps = _array(np.stack([part.mean(1) for part in lamps], 1), wp.vec3)
        self._room_rest = _array(np.stack([part.mean(1) for part in rest], 1), wp.vec3)

    def _smooth_light(self, light: np.ndarray, block: np.ndarray) -> np.ndarray:
        """Average the noisy light (N, S, 3) over neighbours on the same block (N, S)."""
        smooth = np.empty_like(light)
        size = (self._camera.height, self._camera.width)
        sigma = 2.5 * self._camera.width / 640
        for number in np.unique(block):
            mask = block == number
            sums = (light * mask[..., None]).sum(1).reshape(*size, 3)
            counts = mask.sum(1, dtype=np.float32).reshape(size)
            blurred = cv2.GaussianBlur(sums, (0, 0), sigma)
            weight = np.maximum(cv2.GaussianBlur(counts, (0, 0), sigma), 1e-9)
            mean = (blurred / weight[..., None]).reshape(-1, 3)
            smooth[mask] = np.broadcast_to(mean[:, None], light.shape)[mask]
        return smooth

    @contextmanager
    def _placed(self, vertices: np.ndarray) -> Iterator[list[wp.Mesh]]:
        """Lend meshes of the people at ``vertices``: one set for each thread that renders."""
        try:
            meshes = self._spare.pop()
        except IndexError:
            meshes = [wp.Mesh(_array(person, wp.vec3), self._flat_faces) for person in vertices]
        else:
            for mesh, person in zip(meshes, vertices, strict=True):
                mesh.points.assign(person.astype(np.float32))
                mesh.refit()
        yield meshes
        self._spare.append(meshes)

    def _vertex_normals(self, vertices: np.ndarray) -> np.ndarray:
        corners = vertices[:, self._faces]
        flat = np.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0])
        smooth = np.stack([self._spread @ person for person in flat])
        return smooth / np.maximum(np.linalg.norm(smooth, axis=-1, keepdims=True), 1e-12)

    def _near_people(self, vertices: np.ndarray) -> np.ndarray:
        """Return per pixel (N,) one bit for each person whom its rays may meet."""
        near = np.zeros((self._camera.height, self._camera.width), np.uint8)
        size = near.shape[::-1]
        for number, person in enumerate(vertices):
            points = (person - self._origin) @ self._R
            pixels = np.round(self._camera.project(points))
            inside = ((pixels >= 0) & (pixels < size)).all(-1)
            own = np.zeros_like(near)
            own[tuple(pixels[inside].astype(int).T[::-1])] = 1
            # Between the vertices of a triangle lie its pixels.
            reach = int(_LONGEST_EDGE / 2 * self._camera.K[0, 0] / points[:, 2].min()) + 2
            window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
            near |= np.asarray(cv2.dilate(own, window), np.uint8) << np.uint8(number)
        return near.ravel()

    def _develop(self, linear: np.ndarray, frame: int) -> np.ndarray:
        """Tone curve, lens blur, sensor noise, eight bits."""
        rng = np.random.default_rng((self._seed, frame))
        exposed = linear * _EXPOSURE
        curve = exposed * (2.51 * exposed + 0.06) / (exposed * (2.43 * exposed + 0.75) + 0.16)
        curve = np.clip(curve, 0, 1)
        blurred = cv2.GaussianBlur(curve, (0, 0), 0.45 * self._camera.width / 640 + 0.05)
        noise = rng.standard_normal(linear.shape, np.float32)
        grey = rng.standard_normal(linear.shape[:2], np.float32)[..., None]
        noisy = blurred + (0.6 * noise + 0.4 * grey) * (0.002 + 0.006 * np.sqrt(blurred))
        return np.round(255 * np.clip(noisy, 0, 1) ** (1 / 2.2)).astype(np.uint8)


def _array(values: np.ndarray | list[int], kind: type) -> wp.array:
    return wp.array(values, dtype=kind, device='cpu')


def _world_rays(camera: Camera, R: np.ndarray) -> np.ndarray:
    """Return the z = 1 rays of the samples and of the centre of each pixel, (N, S + 1, 3)."""
    columns, rows = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    centres = np.stack([columns, rows], -1).reshape(-1, 1, 2)
    pixels = centres + np.concatenate([_OFFSETS, np.zeros((1, 2))])
    return camera.unproject(pixels) @ R.T


def _mask_boxes(masks: np.ndarray) -> np.ndarray:
    boxes = np.full((len(masks), 4), np.nan, np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1], rows[-1]
    return boxes
