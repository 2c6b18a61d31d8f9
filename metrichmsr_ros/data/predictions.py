"""The prediction file (schema 1): ``metrichmsr infer`` writes it, ``evaluate`` reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

import numpy as np

from metrichmsr_ros.body.joints import JOINT_NAMES as SMPL_JOINT_NAMES
from metrichmsr_ros.data.image_list import read_images, SCHEMA
from metrichmsr_ros.data.index import IndexImage
from metrichmsr_ros.structures import NUM_JOINTS, NUM_SHAPE


@dataclass(frozen=True)
class PredictedPerson:
    """One predicted person; metres in the image's camera optical frame.

    Attributes:
        id: Track id, '' where images are independent.
        score: Confidence, 0..1.
        box: x_min, y_min, x_max, y_max, (4,), pixels.
        pose: Axis-angle θ, (24, 3), radians.
        shape: β, (10,), standard deviations.
        translation: SMPL ``transl``, (3,); not the pelvis.
        joints: SMPL joints, (24, 3).
        landmarks: Anatomical points of the body's surface by name, (3,) each.
        height: Standing height of the unposed body.
        pelvis_sigma: Standard deviation of the pelvis' position (root of the covariance's trace),
            or None where unknown.
    """

    id: str
    score: float
    box: np.ndarray
    pose: np.ndarray
    shape: np.ndarray
    translation: np.ndarray
    joints: np.ndarray
    landmarks: Mapping[str, np.ndarray]
    height: float
    pelvis_sigma: float | None = None


@dataclass(frozen=True)
class PredictedImage:
    """The people of one image, and the seconds that finding them took."""

    file: str
    people: tuple[PredictedPerson, ...]
    seconds: float = 0.0


@dataclass(frozen=True)
class Predictions:
    """A method's answer to a whole index."""

    method: str
    body_model: str
    images: tuple[PredictedImage, ...]


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write the prediction file.

    Raises:
        ValueError: A number is not finite, which JSON cannot hold.
        OSError: The file cannot be written.
    """
    document = {
        'schema': SCHEMA,
        'method': predictions.method,
        'body_model': predictions.body_model,
        'images': [
            {
                'file': image.file,
                'seconds': round(image.seconds, 6),
                'people': [_person_to_json(person) for person in image.people],
            }
            for image in predictions.images
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, allow_nan=False) + '\n', encoding='utf-8')


def read_predictions(path: Path, images: Sequence[IndexImage]) -> Predictions:
    """Read a prediction file and put its images in the order of the index.

    Args:
        path: The file.
        images: The index that it answers.

    Raises:
        ValueError: Against the schema, or an image of the index does not appear; the message names
            the file, entry and rule.
        OSError: The file cannot be opened.
    """
    document, answers = read_images(path, 'predictions have', _image_from_json)
    parsed = {image.file: image for image in answers}
    absent = [image.file for image in images if image.file not in parsed]
    if absent:
        raise ValueError(
            f'{path}: {len(absent)} images of the index do not appear (first: {absent[0]}); '
            'an image without people has an empty list'
        )
    return Predictions(
        method=str(document.get('method', '')),
        body_model=str(document.get('body_model', '')),
        images=tuple(parsed[image.file] for image in images),
    )


def depth_path(folder: Path, image: IndexImage) -> Path:
    """Return where the depth of an image of the index is kept."""
    return folder / f'{Path(image.file).stem}.npz'


def check_depth_names(images: Iterable[IndexImage]) -> None:
    """Refuse an index in which two images would share one depth file.

    Raises:
        ValueError: Two images have the same stem.
    """
    seen: dict[str, str] = {}
    for image in images:
        stem = Path(image.file).stem
        if stem in seen:
            raise ValueError(
                f'{seen[stem]} and {image.file} would share the depth file {stem}.npz; '
                'image stems must differ'
            )
        seen[stem] = image.file


def _person_to_json(person: PredictedPerson) -> dict[str, Any]:
    return {
        'id': person.id,
        'score': float(person.score),
        'bbox_xyxy': _numbers(person.box),
        'pose': _numbers(person.pose.ravel()),
        'shape': _numbers(person.shape),
        'translation': _numbers(person.translation),
        'joint_names': list(SMPL_JOINT_NAMES),
        'joints': _numbers(person.joints),
        'landmarks': {name: _numbers(point) for name, point in person.landmarks.items()},
        'height': float(person.height),
        'pelvis_sigma': None if person.pelvis_sigma is None else float(person.pelvis_sigma),
    }


def _image_from_json(entry: dict[str, Any]) -> PredictedImage:
    return PredictedImage(
        file=str(entry['file']),
        people=tuple(_person_from_json(person) for person in entry['people']),
        seconds=float(entry.get('seconds', 0.0)),
    )


def _person_from_json(entry: dict[str, Any]) -> PredictedPerson:
    sigma = entry.get('pelvis_sigma')
    return PredictedPerson(
        id=str(entry.get('id') or ''),
        score=float(entry['score']),
        box=_array(entry, 'bbox_xyxy', (4,)),
        pose=_array(entry, 'pose', (NUM_JOINTS * 3,)).reshape(NUM_JOINTS, 3),
        shape=_array(entry, 'shape', (NUM_SHAPE,)),
        translation=_array(entry, 'translation', (3,)),
        joints=_array(entry, 'joints', (NUM_JOINTS, 3)),
        landmarks={name: _array(entry['landmarks'], name, (3,)) for name in entry['landmarks']},
        height=float(entry['height']),
        pelvis_sigma=None if sigma is None else float(sigma),
    )


def _numbers(array: np.ndarray) -> list:
    """Return nested lists; five decimals are finer than anything that they measure."""
    return np.round(np.asarray(array, np.float64), 5).tolist()


def _array(entry: dict[str, Any], name: str, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(entry[name], np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f'has a {name} that is not {shape} finite numbers')
    return array
