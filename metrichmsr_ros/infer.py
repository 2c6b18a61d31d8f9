"""Run a method on the images of an index, each on its own, and write what it predicts.

The depth image of an index is its truth and is never shown to a method. A method without a depth
source of its own knows the depth of the people that it sees and of nothing else, so its depth
images hold the visible surface of their meshes and are unknown elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
import logging
from pathlib import Path
import time

import numpy as np
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.index import IndexImage
from metrichmsr_ros.data.predictions import (
    check_depth_names,
    depth_path,
    PredictedImage,
    PredictedPerson,
    Predictions,
)
from metrichmsr_ros.geometry.mesh_depth import MeshRaycaster
from metrichmsr_ros.models.estimator import Estimator
from metrichmsr_ros.models.network_estimator import NetworkEstimator
from metrichmsr_ros.perception.blazepose.assets import find_assets, FULL
from metrichmsr_ros.perception.blazepose.detector import BlazePoseDetector
from metrichmsr_ros.perception.blazepose.landmarker import BlazePoseLandmarker
from metrichmsr_ros.perception.blazepose.people import is_new_person, suppress_duplicates
from metrichmsr_ros.structures import Frame, Landmarks, People
from metrichmsr_ros.visualization import draw_gates, write_picture

logger = logging.getLogger(__name__)

_PASSES = 5  # in a person's own crop: it settles, as in tracking

LandmarkFinder = Callable[[IndexImage, Frame], Landmarks]


def landmark_finder(*, true_boxes: bool, landmark_network: str = FULL) -> LandmarkFinder:
    """Return what reads the landmarks of the people of an image.

    Args:
        true_boxes: Take the boxes of the index, and keep all of them; a first pass about each
            turns and sizes the crop. Else ``single_image_finder`` finds them.
        landmark_network: One of ``LANDMARK_NETWORKS``.

    Raises:
        AssetError: A file of BlazePose is missing or corrupt.
    """
    if not true_boxes:
        find_people = single_image_finder(landmark_network)
        return lambda image, frame: find_people(frame)
    landmarker = BlazePoseLandmarker(find_assets(landmark_network=landmark_network))

    def read(image: IndexImage, frame: Frame) -> Landmarks:
        boxes = np.array([person.box for person in image.people]).reshape(-1, 4)
        return landmarker.read_boxes(frame.image, boxes)

    return read


def single_image_finder(landmark_network: str = FULL) -> Callable[[Frame], Landmarks]:
    """Return what finds the people of an image on its own and reads their landmarks.

    The detector looks at every tile of the image. Each candidate is read until its crop has
    settled, as tracking has it, and once more in the mirror; those in whom the landmark network
    sees a person are kept, once each.

    Args:
        landmark_network: One of ``LANDMARK_NETWORKS``.

    Raises:
        AssetError: A file of BlazePose is missing or corrupt.
    """
    assets = find_assets(landmark_network=landmark_network)
    landmarker = BlazePoseLandmarker(assets)
    detector = BlazePoseDetector(assets, budget_ms=None)

    def find(frame: Frame) -> Landmarks:
        rois = detector.detect(frame).rois
        landmarks = landmarker.read(frame.image, rois, passes=_PASSES, mirrored=True)
        height, width = frame.image.shape[:2]
        landmarks = landmarks.select(is_new_person(landmarks, width=width, height=height))
        return landmarks.select(suppress_duplicates(landmarks))

    return find


def check_images(images: Sequence[IndexImage]) -> None:
    """Read every image once, so that a bad one ends a long run before it starts.

    Raises:
        ValueError: An image is missing, corrupt or of another size.
    """
    for image in images:
        image.read_image()


def infer(
    images: Sequence[IndexImage],
    *,
    estimator: Estimator,
    body: BodyModel,
    find_landmarks: LandmarkFinder,
    true_boxes: bool = False,
    depth_dir: Path | None = None,
    router_dir: Path | None = None,
) -> Predictions:
    """Run a method on every image; nothing is carried from one to the next.

    Args:
        images: The index.
        estimator: The method.
        body: Its body.
        find_landmarks: Finds the people of an image.
        true_boxes: It reads the people in the boxes of the index, in their order: each prediction
            keeps its box, so that who is misread counts as wrong and not as missed.
        depth_dir: Folder for one ``<stem>.npz`` per image, or None.
        router_dir: Folder for one ``<stem>.png`` per image, ``draw_gates`` of its people, or None.

    Returns:
        One entry per image, in the same order, also for images without people.

    Raises:
        ValueError: An image is missing, corrupt or of another size; or the method has no router.
        OSError: A depth file or picture cannot be written.
    """
    if router_dir is not None and not isinstance(estimator, NetworkEstimator):
        raise ValueError(f'method {estimator.name!r} has no router to draw: metrichmr has')
    for folder in (depth_dir, router_dir):
        if folder is not None:
            check_depth_names(images)
            folder.mkdir(parents=True, exist_ok=True)
    raycaster = MeshRaycaster(body.faces)
    predicted = []
    for number, image in enumerate(images, start=1):
        frame = Frame(image=image.read_image(), camera=image.camera, stamp=0)
        start = time.perf_counter()
        landmarks = find_landmarks(image, frame)
        people = estimator.estimate(frame, landmarks)
        seconds = time.perf_counter() - start
        if true_boxes and image.people:
            people = replace(people, boxes=np.stack([person.box for person in image.people]))
        predicted.append(PredictedImage(image.file, predicted_people(people, body), seconds))
        if depth_dir is not None:
            depth_z = raycaster.cast(people.vertices, image.camera).depth_z
            np.savez_compressed(depth_path(depth_dir, image), depth_z=depth_z)
        if router_dir is not None and isinstance(estimator, NetworkEstimator):
            gates = estimator.landmark_gates(frame, landmarks)
            picture = draw_gates(frame.image, landmarks.image[..., :2], gates)
            write_picture(router_dir / f'{Path(image.file).stem}.png', picture)
        logger.info(
            '%d/%d %s: people %d, %.2f s', number, len(images), image.file, len(people), seconds
        )
    return Predictions(method=estimator.name, body_model=body.name, images=tuple(predicted))


@torch.inference_mode()
def predicted_people(people: People, body: BodyModel) -> tuple[PredictedPerson, ...]:
    """Return people as a prediction file holds them.

    Args:
        people: N people.
        body: The body that their parameters belong to.
    """
    landmarks = body.landmarks(torch.from_numpy(people.vertices))
    sigmas = np.sqrt(np.trace(people.pelvis_covariance, axis1=1, axis2=2))
    return tuple(
        PredictedPerson(
            id=people.ids[i],
            score=float(people.scores[i]),
            box=people.boxes[i],
            pose=people.pose[i],
            shape=people.shape[i],
            translation=people.translation[i],
            joints=people.joints[i],
            landmarks={name: points[i].numpy() for name, points in landmarks.items()},
            height=float(people.heights[i]),
            pelvis_sigma=float(sigmas[i]) if np.isfinite(sigmas[i]) else None,
        )
        for i in range(len(people))
    )
