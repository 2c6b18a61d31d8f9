"""Pictures of a scene: meshes over the image, and depth in colours.

Letters: H, W image size, N people, L blocks, K experts. Images are RGB uint8.
"""

from __future__ import annotations

import colorsys
from pathlib import Path
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
# Between BlazePose's landmarks: trunk, arms with hands, legs with feet, face.
BONES = (
    (11, 12), (11, 23), (12, 24), (23, 24),
    (11, 13), (13, 15), (15, 17), (15, 19), (15, 21), (12, 14), (14, 16), (16, 18), (16, 20),
    (16, 22), (23, 25), (25, 27), (27, 29), (27, 31), (29, 31), (24, 26), (26, 28), (28, 30),
    (28, 32), (30, 32), (0, 2), (2, 7), (0, 5), (5, 8), (9, 10),
)  # fmt: skip


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


def draw_gates(image: np.ndarray, points: np.ndarray, gates: np.ndarray) -> np.ndarray:
    """Return which routed expert of HumanMoE each landmark goes to, one panel per block.

    A landmark has the colour of its strongest expert, and is the larger the more of it that one
    gets: a dot where all experts get alike, a disc where it goes to one alone.

    Args:
        image: (H, W, 3).
        points: BlazePose's landmarks, (N, 33, 2), pixels.
        gates: (N, L, 33, K), as of ``NetworkEstimator.landmark_gates``.

    Returns:
        (H, L W, 3), the blocks in order from the left.
    """
    experts = gates.shape[-1]
    panels = [_gates_panel(image, points, gates[:, block]) for block in range(gates.shape[1])]
    for block, panel in enumerate(panels):
        _draw_text(panel, f'block {block + 1}', (8, 20), (255, 255, 255))
        for expert in range(experts):
            place = (8 + 24 * expert, 40)
            _draw_text(panel, str(expert + 1), place, _expert_color(expert, experts))
    return np.concatenate(panels, axis=1)


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write an RGB picture (H, W, 3) as PNG.

    Raises:
        OSError: The file cannot be written.
    """
    _, coded = cv2.imencode('.png', cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    path.write_bytes(coded.tobytes())


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


def _gates_panel(image: np.ndarray, points: np.ndarray, gates: np.ndarray) -> np.ndarray:
    panel = (image // 2).astype(np.uint8)
    experts = gates.shape[-1]
    for person, shares in zip(np.clip(points, -9999, 9999), gates, strict=True):
        places = np.rint(person).astype(int).tolist()
        largest = max(3.0, 0.025 * float(np.ptp(person, axis=0).max()))
        for a, b in BONES:
            cv2.line(panel, places[a], places[b], (130, 130, 130), 1, cv2.LINE_AA)
        for place, share in zip(places, shares, strict=True):
            lead = (share.max() - 1 / experts) / max(1 - 1 / experts, 1e-6)
            radius = round(2 + (largest - 2) * float(lead))
            color = _expert_color(int(share.argmax()), experts)
            cv2.circle(panel, place, radius, color, -1, cv2.LINE_AA)
    return panel


def _expert_color(expert: int, experts: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(expert / experts, 0.75, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


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
        _draw_text(picture, text, place, color, size=size)


def _draw_text(
    picture: np.ndarray,
    text: str,
    place: tuple[int, int],
    color: tuple[int, int, int],
    *,
    size: float = 0.5,
    widths: tuple[int, int] = (3, 1),
) -> None:
    """Write in ``color`` on a black edge, from the lower left corner ``place`` on."""
    for shade, width in zip(((0, 0, 0), color), widths, strict=True):
        cv2.putText(
            picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, shade, width, cv2.LINE_AA
        )


def labelled(picture: np.ndarray, text: str) -> np.ndarray:
    """Return a picture (H, W, 3) uint8 with a line of text in its upper left corner."""
    picture = np.ascontiguousarray(picture)
    size = max(picture.shape[1] / 640, 0.3)
    place = round(10 * size), round(30 * size)
    widths = max(1, round(4 * size)), max(1, round(size))
    _draw_text(picture, text, place, (255, 255, 255), size=0.9 * size, widths=widths)
    return picture
