"""What BlazePose says of rendered people, beside the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import torch

from metrichmsr_ros.data.people.lens import Lenses
from metrichmsr_ros.data.people.observe import in_front
from metrichmsr_ros.data.people.sample import PeopleSampler
from metrichmsr_ros.data.people.target import Target
from metrichmsr_ros.data.rendered.looks import Wardrobe
from metrichmsr_ros.data.rendered.people import draw_people, People
from metrichmsr_ros.data.rendered.render import CropRenderer
from metrichmsr_ros.data.rendered.scenes import draw_scene, Scene
from metrichmsr_ros.data.rendered.windows import Window
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.models.evidence import Evidence
from metrichmsr_ros.perception.blazepose.assets import FULL
from metrichmsr_ros.structures import Frame, Landmarks

HIDDEN_BY = 0.12  # metres that a surface is nearer than a landmark inside the body
_PASSES = 2
_LOOKS = 8  # in a batch
_BATCH = 48

Row = dict[str, np.ndarray]


class Landmarker(Protocol):
    """As ``BlazePoseLandmarker``."""

    def read(
        self, image: np.ndarray, rois: np.ndarray, *, passes: int = 1, mirrored: bool = False
    ) -> Landmarks:
        """Read the person of each roi."""
        ...


@dataclass(frozen=True)
class Reader:
    """Who reads the pictures, and how.

    Attributes:
        landmarker: Runs the landmark network.
        landmark_network: Its name.
        mirrored: Whether in the mirror as well, as single images are read.
    """

    landmarker: Landmarker
    landmark_network: str = FULL
    mirrored: bool = False

    def read(self, image: np.ndarray, rois: np.ndarray) -> Landmarks:
        """Read the person of each roi."""
        return self.landmarker.read(image, rois, passes=_PASSES, mirrored=self.mirrored)


@dataclass(frozen=True)
class Reading:
    """One person as BlazePose read it, beside the truth.

    Attributes:
        evidence: Of one person.
        target: Of the same.
        hidden: Landmarks behind something: the own body, another one or a thing, (33,) bool.
        error: Median distance in the image between the landmarks and the truth, of those that
            are inside the image, in sides of the crop; NaN where none is.
    """

    evidence: Evidence
    target: Target
    hidden: np.ndarray
    error: float


def draw_readings(
    seed: tuple[int, ...],
    *,
    sampler: PeopleSampler,
    wardrobe: Wardrobe,
    reader: Reader,
) -> Iterator[Reading]:
    """Draw, render and read people without end.

    Args:
        seed: Decides everything, together with the sampler's poses and ranges and the wardrobe.
        sampler: Draws people and cameras.
        wardrobe: Of the sampler's body.
        reader: Reads the pictures.
    """
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(int(rng.integers(1 << 60)))
    body = wardrobe.body
    renderer = CropRenderer(body.faces, num_vertices=body.num_vertices)
    while True:
        renderer.wear(wardrobe.pick(_LOOKS, rng))
        people = draw_people(_BATCH, generator, sampler=sampler, body=body)
        for index in range(len(people)):
            scene = draw_scene(renderer, people, index, rng)
            if scene is not None:
                yield _read(scene, people, index, reader)


def _read(scene: Scene, people: People, index: int, reader: Reader) -> Reading:
    target, lens = people.target[index : index + 1], people.lenses[index : index + 1]
    camera = camera_of(lens)
    rois = scene.window.rois_in_window(people.rois[index : index + 1].double().numpy())
    read = in_image(reader.read(scene.image, rois), scene.window)
    frame = Frame(scene.image, camera, stamp=0)
    pixels = lens.project(in_front(target.landmarks))[0].double().numpy()
    error = np.linalg.norm(read.image[0, :, :2] - pixels, axis=-1) / read.rois[0, 2]
    inside = target.valid2d[0].numpy()
    return Reading(
        Evidence.from_landmarks(frame, read),
        target,
        hidden_landmarks(scene, pixels, target.landmarks[0, :, 2].numpy()),
        float(np.median(error[inside])) if inside.any() else np.nan,
    )


def hidden_landmarks(scene: Scene, pixels: np.ndarray, depth_z: np.ndarray) -> np.ndarray:
    """Tell which landmarks lie behind a surface of the picture, (K,) bool.

    Args:
        scene: The picture.
        pixels: Where they are in the camera's image, (K, 2).
        depth_z: How far, (K,), metres.
    """
    size = np.array([scene.window.width, scene.window.height])
    places = np.round(scene.window.to_window(pixels))
    inside = ((places >= 0) & (places < size)).all(-1)
    x, y = np.clip(places, 0, size - 1).astype(int).T
    return inside & (scene.picture.depth_z[y, x] < depth_z - HIDDEN_BY)


def in_image(read: Landmarks, window: Window) -> Landmarks:
    """Bring landmarks read in a window into the camera's pixels."""
    image = read.image.astype(np.float64)
    image[..., :2] = window.to_image(image[..., :2])
    image[..., 2] /= window.scale
    values = {item.name: getattr(read, item.name) for item in fields(Landmarks)}
    values['image'] = image.astype(np.float32)
    values['boxes'] = window.to_image(read.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
    for name in ('rois', 'next_rois'):
        rois = values[name].astype(np.float64)
        rois[:, :2] = window.to_image(rois[:, :2])
        rois[:, 2] /= window.scale
        values[name] = rois.astype(np.float32)
    values['boxes'] = values['boxes'].astype(np.float32)
    return Landmarks(**values)


def camera_of(lens: Lenses) -> Camera:
    """Return the camera of one lens."""
    (width, height), (fx, fy) = lens.size[0].tolist(), lens.focal[0].tolist()
    cx, cy = lens.centre[0].tolist()
    D = lens.D[0].double().numpy()
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    if lens.fisheye[0]:
        return Camera(int(width), int(height), K, D[:4], 'equidistant')
    return Camera(int(width), int(height), K, D)
