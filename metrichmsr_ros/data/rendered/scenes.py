"""One person's picture: company, a seat, surroundings, the camera's eight bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metrichmsr_ros.data.rendered.people import People
from metrichmsr_ros.data.rendered.photo import develop
from metrichmsr_ros.data.rendered.render import CropRenderer, MAX_PEOPLE, Picture
from metrichmsr_ros.data.rendered.rooms import draw_room
from metrichmsr_ros.data.rendered.windows import Window, window_about

_COMPANY = 0.3  # share of pictures with others in them
_APART = (0.45, 2.5)
_SEAT_UNDER_PELVIS, _SEAT_HALF = 0.11, 0.21
_SEATED = 0.85
_CLEARANCE = 0.7  # metres from the camera to others


@dataclass(frozen=True)
class Scene:
    """A picture of a person.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        picture: Its depth and owners.
        window: What of the camera's image it shows.
        company: Other people placed in the world.
    """

    image: np.ndarray
    picture: Picture
    window: Window
    company: int


def draw_scene(
    renderer: CropRenderer, people: People, index: int, rng: np.random.Generator
) -> Scene | None:
    """Render person ``index``; None where the crop does not meet the image.

    Args:
        renderer: Wears its looks.
        people: A batch; the others serve as company.
        index: Who is read.
        rng: Random numbers.
    """
    lens = people.lenses[index : index + 1]
    window = window_about(people.rois[index].double().numpy(), lens.size[0].double().numpy())
    if window is None:
        return None
    R = people.R_cam_world[index].double().numpy()
    surface = people.surface[index].numpy()
    world = surface @ R
    origin = np.array([0.0, 0.004 - world[:, 1].min(), 0.0])
    world = world + origin
    surfaces = [surface, *_company(people, index, R, origin, rng)]
    room = draw_room(
        rng, camera=origin, low=world.min(0), high=world.max(0),
        seat=seat_under(people.target.joints[index].double().numpy() @ R + origin, rng),
    )  # fmt: skip
    looks = rng.permutation(renderer.num_looks)[: len(surfaces)]
    picture = renderer.render(
        np.stack(surfaces), looks, lens=lens, window=window,
        room=room, R_cam_world=R, origin=origin, seed=int(rng.integers(1 << 30)),
    )  # fmt: skip
    image = develop(picture.colour, rng, scale=window.scale)
    return Scene(image, picture, window, len(surfaces) - 1)


def _company(
    people: People, index: int, R: np.ndarray, origin: np.ndarray, rng: np.random.Generator
) -> list[np.ndarray]:
    """Place others of the batch about the person, on the same floor, in the camera's axes."""
    placed: list[np.ndarray] = []
    if rng.uniform() >= _COMPANY:
        return placed
    middle = people.target.pelvis[index].double().numpy() @ R + origin
    for _ in range(rng.integers(1, MAX_PEOPLE)):
        other = int(rng.integers(len(people)))
        heading, apart = rng.uniform(-np.pi, np.pi), rng.uniform(*_APART)
        points = people.surface[other].numpy() @ people.R_cam_world[other].double().numpy()
        place = middle + apart * np.array([np.cos(heading), 0.0, np.sin(heading)])
        points = points - points.mean(0) + place
        points[:, 1] -= points[:, 1].min()
        if other != index and np.linalg.norm(points - origin, axis=-1).min() > _CLEARANCE:
            placed.append(((points - origin) @ R.T).astype(np.float32))
    return placed


def seat_under(
    joints: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return a box under somebody who sits in the air, from joints in the world."""
    pelvis, hips, knees, feet = joints[0], joints[[1, 2]], joints[[4, 5]], joints[[7, 8]]
    flat = (hips[:, 1] - knees[:, 1] < 0.5 * np.linalg.norm(hips - knees, axis=-1)).all()
    if not flat or pelvis[1] - feet[:, 1].min() < 0.22 or rng.uniform() > _SEATED:
        return None
    forward = knees.mean(0) - hips.mean(0)
    forward = forward * [1, 0, 1] / max(np.linalg.norm(forward[[0, 2]]), 1e-3)
    middle = pelvis - 0.08 * forward
    top = pelvis[1] - _SEAT_UNDER_PELVIS
    half = rng.uniform(0.8, 1.3, 2) * _SEAT_HALF
    low = np.array([middle[0] - half[0], 0.0, middle[2] - half[1]])
    return low, np.array([middle[0] + half[0], top, middle[2] + half[1]])
