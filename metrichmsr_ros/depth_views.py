"""Images with true depth, the people that the pipeline sees in them, and priors that err.

People are estimated, never true ones: who is missed is missed. Letters: H, W image size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.depth.corruption import (
    PriorErrors,
    spoil_depth,
    spoilt_floor,
)
from metrichmsr_ros.data.depth.photographs import draw_photographs, Photograph, PHOTOGRAPH_SEED
from metrichmsr_ros.data.depth.scenes import SceneRenderer
from metrichmsr_ros.data.index import IndexImage
from metrichmsr_ros.depth_metrics import Contacts, distance_regions, find_contacts, near_surface
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import MeshDepth, MeshRaycaster
from metrichmsr_ros.infer import single_image_finder
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.perception.depth_sources.base import NETWORK_SCALE_SIGMA, NETWORK_SHIFT_SIGMA
from metrichmsr_ros.perception.depth_sources.ground_plane import (
    floor_depth,
    SCALE_SIGMA,
    SHIFT_SIGMA,
)
from metrichmsr_ros.perception.pipeline import build_estimator, Pipeline
from metrichmsr_ros.structures import DepthImage, Frame, People, TrackState

RENDERED_DRAWS, MEASURED_DRAWS = 8, 10  # priors of each image
SCALES = (1.25, 0.8)
BENT = PriorErrors(scale=0, shift=0, flattening=0, blur_px=0, glass=0)
_ON_FLOOR = 0.02  # metres from its plane
_SURFACE_STEP = 8  # every which vertex, or pixel, of a person is enough to tell what is near

NamedPrior = tuple[str, DepthImage]
SeePeople = Callable[[Frame], tuple[People, MeshDepth]]


@dataclass(frozen=True)
class DepthView:
    """One image.

    Attributes:
        scenes: What its figures are summed up with.
        name: Of the image.
        frame: The image with its camera.
        people: Whom the pipeline sees.
        mesh: Depth of their visible surfaces.
        true_z: True depth, (H, W) float32, metres, NaN where unknown.
        regions: Where else than everywhere figures are wanted, (H, W) bool each.
        contacts: Where the people stand on the true floor; None where no floor is known.
        priors: Each with its name; several of one name are draws.
    """

    scenes: str
    name: str
    frame: Frame
    people: People
    mesh: MeshDepth
    true_z: np.ndarray
    regions: Mapping[str, np.ndarray]
    contacts: Contacts | None
    priors: Sequence[NamedPrior]


def people_label(count: int) -> str:
    """Return the name of scenes with so many people."""
    return '1 person' if count == 1 else f'{count} people'


def network_prior(depth_z: np.ndarray, camera: Camera) -> DepthImage:
    """Return depth that is taken for a monocular network's, (H, W), metres or not quite."""
    return DepthImage(
        depth_z, camera, scale_sigma=NETWORK_SCALE_SIGMA, shift_sigma=NETWORK_SHIFT_SIGMA
    )


def single_images(config: PipelineConfig) -> SeePeople:
    """Return what sees the people of images on their own, as ``metrichmsr infer`` does.

    Args:
        config: Method, checkpoint, body and landmark network.

    Raises:
        AssetError: A file of BlazePose is missing or corrupt.
        ValueError: The method's checkpoint is missing or is for another body.
    """
    body = BodyModel.load(config.body_model)
    estimator = build_estimator(config, body)
    find, raycaster = single_image_finder(config.landmark_network), MeshRaycaster(body.faces)

    def see(frame: Frame) -> tuple[People, MeshDepth]:
        people = estimator.estimate(frame, find(frame))
        return people, raycaster.cast(people.vertices, frame.camera)

    return see


def see_people(pipeline: Pipeline, frame: Frame) -> tuple[People, MeshDepth]:
    """Return whom a stream's pipeline sees, and their surfaces, whose ``person`` indexes them."""
    scene = pipeline.process(frame, want_mesh=True)
    assert scene.mesh is not None
    seen = [state != TrackState.PREDICTED for state in scene.people.states]
    return scene.people.select(seen), scene.mesh


def rendered_views(
    renderer: SceneRenderer, see: SeePeople, *, people: int, frames: int
) -> Iterator[DepthView]:
    """Yield photographs of rendered rooms with so many people.

    Args:
        renderer: As from ``scene_renderer``, of ``PHOTOGRAPH_SEED``.
        see: Sees people of the renderer's body in single images.
        people: 0 to 3.
        frames: How many photographs.
    """
    drawn = draw_photographs(renderer, people=people)
    for number, photograph in enumerate(islice(drawn, frames)):
        yield _rendered_view(photograph, see, people=people, number=number)


def _rendered_view(
    photograph: Photograph, see: SeePeople, *, people: int, number: int
) -> DepthView:
    camera, true_z = photograph.camera, photograph.depth_z
    frame = Frame(photograph.image, camera, stamp=0)
    estimated, mesh = see(frame)
    rays, down, height = camera.pixel_rays(), photograph.down, photograph.height
    on_people = photograph.seen >= 0
    points = rays * true_z[..., None]
    with np.errstate(invalid='ignore'):
        floor = ~on_people & (np.abs(points @ down - height) < _ON_FLOOR)
    surface = photograph.surfaces[:, ::_SURFACE_STEP].reshape(-1, 3)
    plane = DepthImage(floor_depth(rays, down=down, height=height), camera, sees_people=False)
    rng = np.random.default_rng((PHOTOGRAPH_SEED, people, number))
    monocular = [network_prior(spoil_depth(true_z, rng), camera) for _ in range(RENDERED_DRAWS)]
    wrong = DepthImage(
        spoilt_floor(rays, rng, down=down, height=height),
        camera,
        scale_sigma=SCALE_SIGMA,
        shift_sigma=SHIFT_SIGMA,
        sees_people=False,
    )
    return DepthView(
        scenes=people_label(people),
        name=f'{people}-{number:03d}',
        frame=frame,
        people=estimated,
        mesh=mesh,
        true_z=true_z,
        regions={**_regions(true_z, on_people, points, surface), 'floor': floor},
        contacts=find_contacts(estimated, mesh, plane, floor),
        priors=[*(('monocular', prior) for prior in monocular), ('floor', wrong)],
    )


def measured_views(images: Sequence[IndexImage], see: SeePeople) -> Iterator[DepthView]:
    """Yield the images whose depth a sensor measured; priors are that depth, 25 % off and bent.

    Args:
        images: Of an index; those without measured depth are passed over.
        see: Sees people in single images.

    Raises:
        ValueError: A file is missing or wrong.
    """
    for image in images:
        true_z = image.read_depth_z()
        if true_z is not None:
            yield _measured_view(image, true_z, see)


def _measured_view(image: IndexImage, true_z: np.ndarray, see: SeePeople) -> DepthView:
    frame = Frame(image.read_image(), image.camera, stamp=0)
    people, mesh = see(frame)
    on_people = image.people_pixels()
    points = image.camera.pixel_rays() * true_z[..., None]
    surface = None  # in a box without a mask there is more than the person
    if all(person.mask is not None for person in image.people):
        own = points[on_people]
        surface = own[np.isfinite(own).all(-1)][::_SURFACE_STEP]
    return DepthView(
        scenes=image.source,
        name=image.file,
        frame=frame,
        people=people,
        mesh=mesh,
        true_z=true_z,
        regions=_regions(true_z, on_people, points, surface),
        contacts=None,
        priors=[('25 % off', _off(true_z, image.camera, i)) for i in range(MEASURED_DRAWS)],
    )


def _off(true_z: np.ndarray, camera: Camera, number: int) -> DepthImage:
    bent = spoil_depth(true_z, np.random.default_rng(number), BENT)
    scale = np.float32(SCALES[number % len(SCALES)])
    return network_prior(scale * bent, camera)


def _regions(
    true_z: np.ndarray, on_people: np.ndarray, points: np.ndarray, surface: np.ndarray | None
) -> dict[str, np.ndarray]:
    regions = {**distance_regions(true_z), 'people': on_people}
    if surface is not None:
        near = near_surface(points, surface)
        regions |= {'near': near & ~on_people, 'far': ~near & ~on_people}
    return regions
