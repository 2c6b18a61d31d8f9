"""Pictures of a scene: meshes over the image, and depth in colours.

Letters: H, W image size. Images are RGB uint8.
"""

from __future__ import annotations

import colorsys
import zlib

import cv2
import numpy as np
from scipy.ndimage import find_objects

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import MeshDepth
from metrichmsr_ros.structures import People, Scene, TrackState

OPACITY = 0.75
AMBIENT = 0.35
UNKNOWN_DEPTH = (40, 40, 40)


def id_color(name: str) -> tuple[int, int, int]:
    """Return the colour of a track id, RGB 0..255: always the same, and bright."""
    number = zlib.crc32(name.encode())
    hue, strength = number % 360 / 360, 0.4 + 0.4 * (number // 360 % 3) / 2
    red, green, blue = colorsys.hsv_to_rgb(hue, strength, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_scene(scene: Scene) -> np.ndarray:
    """Return the image with meshes, boxes, ids and distances, (H, W, 3) uint8, RGB.

    Args:
        scene: With ``mesh`` for the surfaces; boxes alone are drawn without it.
    """
    picture = scene.frame.image.copy()
    if scene.mesh is not None:
        _paint_meshes(picture, scene.people, scene.mesh, scene.frame.camera)
    _draw_labels(picture, scene.people)
    return picture


def color_depth(depth_z: np.ndarray, *, near: float = 0.5, far: float = 10.0) -> np.ndarray:
    """Return depth as a picture, (H, W, 3) uint8, RGB: near is red, far is blue, unknown is grey.

    The scale is logarithmic and fixed, so that colours mean the same in every image of a stream.

    Args:
        depth_z: (H, W) metres, NaN unknown.
        near: Depth of the first colour, metres, > 0.
        far: Depth of the last colour, metres, > near.

    Raises:
        ValueError: If not 0 < near < far.
    """
    if not 0 < near < far:
        raise ValueError(f'near is {near} and far is {far}: it must be 0 < near < far')
    known = depth_z > 0  # NaN is not
    closeness = np.log(np.where(known, depth_z, far)) * (-1 / np.log(far / near))
    closeness += np.log(far) / np.log(far / near)
    levels = np.clip(255 * closeness, 0, 255).astype(np.uint8)
    picture = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    picture[~known] = UNKNOWN_DEPTH
    return picture


def _paint_meshes(picture: np.ndarray, people: People, mesh: MeshDepth, camera: Camera) -> None:
    """Blend every seen person's shaded surface into ``picture``."""
    rays = camera.pixel_rays()
    windows = find_objects(mesh.person.astype(np.int32) + 1, max_label=len(people))
    for i, window in enumerate(windows):
        if window is None:
            continue
        on = mesh.person[window] == i
        light = OPACITY * _headlight(mesh.depth_z[window], rays[window])[on]
        region = picture[window]
        under = (1 - OPACITY) * region[on]
        region[on] = light[:, None] * np.array(id_color(people.ids[i]), np.float32) + under


def _headlight(depth_z: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Return how bright a lamp at the camera makes a surface, (H, W) float32, 0..1.

    Where a surface ends it is dark, which draws its outline.
    """
    points = np.moveaxis(rays * depth_z[..., None], -1, 0)
    right = np.diff(points, axis=2, append=np.float32(np.nan))
    down = np.diff(points, axis=1, append=np.float32(np.nan))
    normal = np.stack(
        [
            down[1] * right[2] - down[2] * right[1],
            down[2] * right[0] - down[0] * right[2],
            down[0] * right[1] - down[1] * right[0],
        ]
    )
    length = np.sqrt((normal**2).sum(axis=0) * (points**2).sum(axis=0))
    facing = np.abs((normal * points).sum(axis=0)) / np.maximum(length, 1e-12)
    return AMBIENT + (1 - AMBIENT) * np.nan_to_num(facing)


def _draw_labels(picture: np.ndarray, people: People) -> None:
    """Draw boxes, ids and distances; who is only predicted has a thin box."""
    size = max(picture.shape[0] / 900, 0.4)
    for name, state, box, pelvis in zip(
        people.ids, people.states, people.boxes, people.pelvis, strict=True
    ):
        color = id_color(name)
        low, high = np.clip(np.rint(box), -9999, 9999).astype(int).reshape(2, 2)
        thick = 1 if state == TrackState.PREDICTED else 2
        cv2.rectangle(picture, low.tolist(), high.tolist(), color, thick, cv2.LINE_AA)
        text = f'{name} {np.linalg.norm(pelvis):.1f} m'
        if state != TrackState.TRACKED:
            text += f' {TrackState(state).name.lower()}'
        place = (max(int(low[0]), 0), max(int(low[1]) - 5, round(25 * size)))
        for shade, width in (((0, 0, 0), 3), (color, 1)):
            cv2.putText(
                picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, shade, width, cv2.LINE_AA
            )
