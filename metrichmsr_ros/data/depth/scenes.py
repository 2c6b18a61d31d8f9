"""Rendered scenes for the depth refiner: picture, true depth, and the people as estimated.

Everything is at the refiner's own size. Letters: H, W that size, P people at most, S points of
soles of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.depth.groups import Groups, GroupSampler, OTHERS
from metrichmsr_ros.data.depth.halls import draw_hall
from metrichmsr_ros.data.people.lens import Lenses
from metrichmsr_ros.data.rendered.looks import Wardrobe
from metrichmsr_ros.data.rendered.photo import develop
from metrichmsr_ros.data.rendered.readings import camera_of
from metrichmsr_ros.data.rendered.render import CropRenderer
from metrichmsr_ros.data.rendered.scenes import seat_under
from metrichmsr_ros.data.rendered.windows import Window
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import MeshRaycaster
from metrichmsr_ros.models.depth_refiner_input import grid_camera
from metrichmsr_ros.perception.anchors import sole_points

MAX_PEOPLE = 1 + OTHERS
NUM_SOLES = 16
MAX_DEPTH = 40.0  # metres; what is farther is the sky
_MISSED = 0.08  # of the people whom nobody detects
_LEAST_SEEN = 0.4  # of an estimated person's pixels that show him; others would not be detected
_LOOKS = 8
_BATCH = 64
_GONE = np.array([0, 0, 1e5], np.float32)  # metres: behind everything, and smaller than a pixel


@dataclass(frozen=True)
class DepthScene:
    """One scene.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        depth_z: True depth, (H, W) float32, metres, NaN in the sky.
        seen: Who is truly seen, (H, W) int8, -1 = the surroundings.
        mesh_z: Depth of the estimated people's visible surfaces, (H, W) float32, metres, NaN
            elsewhere.
        person: Whose they are, (H, W) int8, -1 elsewhere.
        sigma: Of each one's distance, over it, (P,) float32; NaN = there is no such person.
        soles: Row, column, depth of points of the estimated soles on the floor, (P, S, 3)
            float32; NaN = there is none.
        rays: x and y of rays with z = 1, (2, H, W) float32.
        down: Unit vector straight down in the camera frame, (3,) float32.
        height: Of the camera above the floor, metres.
    """

    image: np.ndarray
    depth_z: np.ndarray
    seen: np.ndarray
    mesh_z: np.ndarray
    person: np.ndarray
    sigma: np.ndarray
    soles: np.ndarray
    rays: np.ndarray
    down: np.ndarray
    height: float


class SceneRenderer:
    """Draws and renders scenes of one body.

    Attributes:
        raycaster: Of that body.
    """

    def __init__(self, sampler: GroupSampler, wardrobe: Wardrobe) -> None:
        body: BodyModel = wardrobe.body
        self._sampler, self._wardrobe = sampler, wardrobe
        self._renderer = CropRenderer(body.faces, num_vertices=body.num_vertices)
        self.raycaster = MeshRaycaster(body.faces)

    def draw(
        self, seed: tuple[int, ...], *, size: tuple[int, int] | None = None
    ) -> Iterator[DepthScene]:
        """Draw scenes without end.

        Args:
            seed: Decides everything, together with the poses and the wardrobe.
            size: Only scenes of this width and height.
        """
        for groups, index, rng in self.groups(seed, size=size):
            scene = self._scene(groups, index, rng)
            if scene is not None:
                yield scene

    def groups(
        self, seed: tuple[int, ...], *, size: tuple[int, int] | None = None
    ) -> Iterator[tuple[Groups, int, np.random.Generator]]:
        """Draw groups without end: some, which camera's of them, and where chance comes from.

        Args:
            seed: As of ``draw``.
            size: Only cameras whose ``grid_size`` this is.
        """
        rng = np.random.default_rng(seed)
        generator = torch.Generator().manual_seed(int(rng.integers(1 << 60)))
        while True:
            self._renderer.wear(self._wardrobe.pick(_LOOKS, rng))
            groups = self._sampler.draw(_BATCH, generator, size=size)
            for index in range(len(groups.origin)):
                yield groups, index, rng

    def _scene(self, groups: Groups, index: int, rng: np.random.Generator) -> DepthScene | None:
        """Render one camera's group; None where some pixels of the camera have no ray."""
        lens = groups.lenses[index : index + 1]
        camera = grid_camera(camera_of(lens))
        rays = camera.pixel_rays()
        if not (np.isfinite(rays).all() and sees_everywhere(lens)):
            return None
        rows = np.flatnonzero(groups.camera.numpy() == index)
        image, depth_z, seen, down = self.picture(groups, index, rows, camera, rng)
        estimate = groups.estimate.numpy()[rows]
        mesh = self.raycaster.cast(estimate, camera)
        found = _detected(mesh.person, seen, len(rows), rng)
        mesh = self.raycaster.cast(estimate[found], camera)
        sigma = np.full(MAX_PEOPLE, np.nan, np.float32)
        sigma[: len(found)] = groups.sigma.numpy()[rows[found]]
        return DepthScene(
            image=image,
            depth_z=depth_z,
            seen=seen,
            mesh_z=mesh.depth_z,
            person=mesh.person.astype(np.int8),
            sigma=sigma,
            soles=_soles(estimate[found], down, camera, mesh.person, rng),
            rays=np.moveaxis(rays[..., :2], -1, 0).astype(np.float32),
            down=down.astype(np.float32),
            height=float(groups.origin[index, 1]),
        )

    def picture(
        self,
        groups: Groups,
        index: int,
        rows: np.ndarray,
        camera: Camera,
        rng: np.random.Generator,
        *,
        empty: bool = False,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return image, true depth, who is seen, and straight down, as in ``DepthScene``.

        Args:
            groups: Some.
            index: Which camera of them.
            rows: Who is before it.
            camera: That camera at the size to render.
            rng: Random numbers.
            empty: Whether they leave the room that is drawn for them.
        """
        lens = groups.lenses[index : index + 1]
        heading = rng.uniform(-np.pi, np.pi)
        c, s = np.cos(heading), np.sin(heading)
        about = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        R = groups.R_cam_world[index].double().numpy() @ about
        origin = about.T @ groups.origin[index].double().numpy()
        surfaces = groups.surface.numpy()[rows]
        people = [surface @ R + origin for surface in surfaces]
        seat = seat_under(groups.joints[rows[0]].double().numpy() @ R + origin, rng)
        room = draw_hall(rng, camera=origin, people=people, seat=seat)
        picture = self._renderer.render(
            surfaces + _GONE if empty else surfaces, rng.permutation(_LOOKS)[: len(rows)],
            lens=_resized(lens, camera),
            window=Window(np.zeros(2), 1.0, camera.width, camera.height),
            room=room, R_cam_world=R, origin=origin, seed=int(rng.integers(1 << 30)), ray_step=2,
        )  # fmt: skip
        image = develop(picture.colour, rng, scale=camera.width / float(lens.size[0, 0]))
        depth_z = np.where(picture.depth_z < MAX_DEPTH, picture.depth_z, np.float32(np.nan))
        return image, depth_z, picture.person, -R[:, 1]


def _resized(lens: Lenses, camera: Camera) -> Lenses:
    """Return a lens for the size of ``camera``."""
    size = torch.tensor([[camera.width, camera.height]], dtype=torch.float32)
    scale = size / lens.size
    centre = (lens.centre + 0.5) * scale - 0.5
    return replace(lens, size=size, focal=lens.focal * scale, centre=centre)


def sees_everywhere(lens: Lenses) -> bool:
    """Whether each pixel of a lens has a ray."""
    width, height = (lens.size[0] - 1).tolist()
    columns, rows = torch.linspace(0, width, 9), torch.linspace(0, height, 9)
    pixels = torch.stack(torch.meshgrid(columns, rows, indexing='xy'), -1).reshape(1, -1, 2)
    return bool(lens.unproject(pixels)[1].all())


def _detected(
    person: np.ndarray, seen: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Return whom a detector finds: who is not mostly hidden, nor missed by chance; indices."""
    found = []
    for i in range(count):
        own = person == i
        hit = own.sum() > 0 and (seen[own] == i).mean() > _LEAST_SEEN
        if rng.uniform() > _MISSED and hit:
            found.append(i)
    return np.array(found, int)


def _soles(
    vertices: np.ndarray,
    down: np.ndarray,
    camera: Camera,
    person: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return row, column, depth of some points of each one's soles in view, (P, S, 3) float32."""
    result = np.full((MAX_PEOPLE, NUM_SOLES, 3), np.nan, np.float32)
    for i, surface in enumerate(vertices.astype(np.float64)):
        soles = sole_points(surface, down)
        column, row = np.rint(camera.project(soles)).T
        inside = (row >= 0) & (row < camera.height) & (column >= 0) & (column < camera.width)
        soles, row, column = (value[inside] for value in (soles, row, column))
        free = np.isin(person[row.astype(int), column.astype(int)], (-1, i))
        points = np.stack([row, column, soles[:, 2]], -1)[free]
        points = rng.permutation(points)[:NUM_SOLES]
        result[i, : len(points)] = points
    return result
