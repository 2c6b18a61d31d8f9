"""Held-out photographs for scoring depth: whole images of rendered rooms with all of their truth.

They are drawn as the refiner's training scenes are, of people, rooms and cameras of another seed,
but at a camera's own size, and nobody has estimated their people yet. Letters: H, W = 480, 640, P
people, V vertices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from metrichmsr_ros.data.depth.groups import Groups
from metrichmsr_ros.data.depth.scenes import MAX_PEOPLE, SceneRenderer, sees_everywhere
from metrichmsr_ros.data.rendered.readings import camera_of
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import MeshRaycaster
from metrichmsr_ros.models.depth_refiner_input import grid_size

PHOTOGRAPH_SEED = 950  # training has 1, its validation 900
WIDTH, HEIGHT = 640, 480
DISTANCES = (1.0, 8.0)  # metres from the camera to pelvises
# Of a person's surface in the image, of his pixels there that show him, and of all pixels that are
# not the sky.
MOSTLY = 0.5


@dataclass(frozen=True)
class Photograph:
    """One picture and its truth.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        camera: Its camera, with the lens that it has.
        depth_z: True depth, (H, W) float32, metres, NaN in the sky.
        seen: Who is seen, (H, W) int8, -1 = the surroundings.
        surfaces: Skin under the clothes, (P, V, 3) float32, metres, camera frame.
        down: Unit vector straight down in the camera frame, (3,).
        height: Of the camera above the floor, metres.
    """

    image: np.ndarray
    camera: Camera
    depth_z: np.ndarray
    seen: np.ndarray
    surfaces: np.ndarray
    down: np.ndarray
    height: float


def draw_photographs(
    renderer: SceneRenderer, *, people: int, seed: int = PHOTOGRAPH_SEED
) -> Iterator[Photograph]:
    """Draw photographs without end.

    Args:
        renderer: As from ``scene_renderer``, of the same seed.
        people: How many are in each, all of them mostly visible and 1 to 8 m away. 0 = rooms that
            everybody has left.
        seed: Decides everything, together with the renderer's.

    Raises:
        ValueError: So many people are never drawn.
    """
    if not 0 <= people <= MAX_PEOPLE:
        raise ValueError(f'people={people} must be 0 to {MAX_PEOPLE}')
    near, far = DISTANCES
    for groups, index, rng in renderer.groups((seed, people), size=grid_size(WIDTH, HEIGHT)):
        # Who is beyond the number is left out: a camera that sees one person alone is a steep one.
        rows = np.flatnonzero(groups.camera.numpy() == index)[: max(people, 1)]
        distance = groups.joints[rows, 0].norm(dim=-1)
        fit = len(rows) == max(people, 1) and bool(((distance > near) & (distance < far)).all())
        lens = groups.lenses[index : index + 1]
        if not (fit and sees_everywhere(lens)):
            continue
        camera = camera_of(lens).resized(WIDTH, HEIGHT)
        photograph = _photograph(renderer, groups, index, rows, camera, rng, empty=not people)
        known = np.isfinite(photograph.depth_z).mean()
        if known >= MOSTLY and _mostly_visible(photograph, renderer.raycaster):
            yield photograph


def _photograph(
    renderer: SceneRenderer,
    groups: Groups,
    index: int,
    rows: np.ndarray,
    camera: Camera,
    rng: np.random.Generator,
    *,
    empty: bool,
) -> Photograph:
    image, depth_z, seen, down = renderer.picture(groups, index, rows, camera, rng, empty=empty)
    surfaces = groups.surface.numpy()[rows]
    return Photograph(
        image=image,
        camera=camera,
        depth_z=depth_z,
        seen=np.full_like(seen, -1) if empty else seen,
        surfaces=surfaces[:0] if empty else surfaces,
        down=down,
        height=float(groups.origin[index, 1]),
    )


def _mostly_visible(photograph: Photograph, raycaster: MeshRaycaster) -> bool:
    """Whether everybody is mostly in the image and mostly not behind something."""
    camera = photograph.camera
    limits = np.array([camera.width, camera.height]) - 0.5
    for i, surface in enumerate(photograph.surfaces):
        pixels = camera.project(surface.astype(np.float64))
        with np.errstate(invalid='ignore'):
            inside = ((pixels > -0.5) & (pixels < limits)).all(-1)
        own = raycaster.cast(surface[None], camera).person == 0
        if inside.mean() < MOSTLY or not own.any() or (photograph.seen[own] == i).mean() < MOSTLY:
            return False
    return True
