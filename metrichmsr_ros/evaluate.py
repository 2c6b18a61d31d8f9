"""Score predictions against an index of images with metric truth.

Every true person is one row; one that no prediction matches is a row without errors, counted as
missed. Error figures named ``…_bias_…`` keep their sign (positive = predicted too far, too tall).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from metrichmsr_ros import metrics
from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.data.index import IndexImage, TruePerson
from metrichmsr_ros.data.predictions import (
    check_depth_names,
    depth_path,
    PredictedImage,
    PredictedPerson,
    Predictions,
)
from metrichmsr_ros.depth_metrics import distance_regions
from metrichmsr_ros.geometry.mesh_depth import MeshDepth, MeshRaycaster
from metrichmsr_ros.report import build_report, Report, Row


def evaluate(
    images: Sequence[IndexImage],
    predictions: Predictions,
    *,
    body: BodyModel,
    depth_dir: Path | None = None,
) -> Report:
    """Score predictions.

    Args:
        images: The index.
        predictions: One entry per image, in the order of ``images``.
        body: Body that poses the predictions again where a visible surface is compared.
        depth_dir: Folder with the ``<stem>.npz`` depth images of ``metrichmsr infer``, or None.

    Returns:
        Figures per source and overall, and the rows behind them.

    Raises:
        ValueError: The predictions are of another body, or a mask or depth file is wrong.
    """
    if predictions.body_model != body.name:
        raise ValueError(
            f'the predictions are of the body {predictions.body_model!r}, not {body.name!r}; '
            'name its file with --body-model'
        )
    raycaster = MeshRaycaster(body.faces)
    rows: list[Row] = []
    for image, predicted in zip(images, predictions.images, strict=True):
        rows += _score_people(image, predicted, body=body, raycaster=raycaster)
    rows += _cross_view(images, rows)
    if depth_dir is not None:
        check_depth_names(images)
        for image in images:
            rows += _score_depth(image, depth_dir)
    return build_report(
        rows,
        sources=[image.source for image in images],
        method=predictions.method,
        body_model=predictions.body_model,
    )


def _score_people(
    image: IndexImage, predicted: PredictedImage, *, body: BodyModel, raycaster: MeshRaycaster
) -> Iterator[Row]:
    pairs = metrics.match_boxes(
        np.array([person.box for person in predicted.people]),
        np.array([person.box for person in image.people]),
    )
    rendered = _render(image, predicted, body=body, raycaster=raycaster)
    match = {t: p for p, t in pairs}
    for t, truth in enumerate(image.people):
        row = {'kind': 'person', 'source': image.source, 'file': image.file, 'id': truth.id}
        if t not in match:
            yield {**row, 'matched': False}
            continue
        person = predicted.people[match[t]]
        yield {
            **row,
            'matched': True,
            **_joint_figures(image, truth, person),
            **_size_figures(truth, person, rendered, match[t]),
            'pelvis': _pelvis(person).tolist(),
        }
    for p, person in enumerate(predicted.people):
        if p not in match.values():
            row = {'kind': 'false_positive', 'source': image.source, 'file': image.file}
            yield {**row, 'box': person.box.tolist(), 'score': str(round(person.score, 3))}


def _pelvis(person: PredictedPerson) -> np.ndarray:
    root = metrics.root_of(person.landmarks)
    if root is None:
        raise ValueError('a predicted person has neither a landmark pelvis nor two hips')
    return root


def _joint_figures(
    image: IndexImage, truth: TruePerson, person: PredictedPerson
) -> dict[str, float]:
    figures: dict[str, float] = {}
    true_root, root = metrics.root_of(truth.joints), _pelvis(person)
    if true_root is not None:
        error = metrics.root_error(root, true_root)
        figures['root_error_m'] = error.distance
        figures['root_error_percent'] = error.percent
        figures['root_depth_error_percent'] = error.depth_percent
        figures['root_depth_bias_percent'] = 100.0 * error.depth / float(true_root[2])
    for suffix, allowed in (('', metrics.LIMB_JOINTS), ('_all', tuple(truth.joints))):
        names = [name for name in allowed if name in truth.joints and name in person.landmarks]
        if not names:
            continue
        true = np.array([truth.joints[name] for name in names])
        guess = np.array([person.landmarks[name] for name in names])
        figures[f'g_mpjpe{suffix}_mm'] = metrics.g_mpjpe(guess, true)
        if true_root is not None:
            figures[f'mpjpe{suffix}_mm'] = metrics.mpjpe(
                guess, true, predicted_root=root, true_root=true_root
            )
        figures[f'pa_mpjpe{suffix}_mm'] = metrics.pa_mpjpe(guess, true)
        pixels = metrics.reprojection_error(guess, true, camera=image.camera)
        figures[f'reprojection{suffix}_px'] = pixels
        longer = float((truth.box[2:] - truth.box[:2]).max())
        figures[f'reprojection{suffix}_percent'] = 100.0 * pixels / longer
    return figures


def _size_figures(
    truth: TruePerson, person: PredictedPerson, rendered: MeshDepth | None, index: int
) -> dict[str, float]:
    figures: dict[str, float] = {}
    if truth.height is not None:
        figures['height_bias_m'] = person.height - truth.height
        figures['height_error_m'] = abs(figures['height_bias_m'])
    if truth.surface_depth is not None and rendered is not None:
        own = np.where(rendered.person == index, rendered.depth_z, np.nan)
        error = metrics.surface_depth_error(own, truth.surface_depth, mask=truth.read_mask())
        figures['surface_depth_bias_m'] = error
        figures['surface_depth_error_m'] = abs(error)
        figures['surface_depth_error_percent'] = 100.0 * abs(error) / truth.surface_depth
    return figures


def _render(
    image: IndexImage, predicted: PredictedImage, *, body: BodyModel, raycaster: MeshRaycaster
) -> MeshDepth | None:
    """Return the depth of the predicted meshes, or None where no surface depth is known."""
    if not predicted.people or all(truth.surface_depth is None for truth in image.people):
        return None
    pose, shape, translation = (
        torch.as_tensor(np.stack([getattr(person, name) for person in predicted.people])).float()
        for name in ('pose', 'shape', 'translation')
    )
    with torch.no_grad():
        vertices = body(pose, shape, translation).vertices.numpy()
    return raycaster.cast(vertices, image.camera)


def _cross_view(images: Sequence[IndexImage], rows: Iterable[Row]) -> Iterator[Row]:
    """Compare where the views of one instant put each person in the world.

    Without an id, a person is followed across views only where every view has one true person.
    """
    by_file = {image.file: image for image in images}
    seen: dict[tuple[str, str, str | None], list[np.ndarray]] = defaultdict(list)
    for row in rows:
        if row['kind'] != 'person' or not row['matched']:
            continue
        image = by_file[row['file']]
        R, t = image.R_world_to_cam, image.t_world_to_cam
        alone = len(image.people) == 1
        if R is None or t is None or image.frame is None or not (row['id'] or alone):
            continue
        point = metrics.world_point(np.array(row['pelvis']), R_world_to_cam=R, t_world_to_cam=t)
        seen[image.source, image.frame, row['id']].append(point)
    for (source, frame, person), points in seen.items():
        if len(points) > 1:
            yield {
                'kind': 'cross_view',
                'source': source,
                'frame': frame,
                'id': person,
                'cross_view_pelvis_m': metrics.cross_view_disagreement(np.array(points)),
            }


def _score_depth(image: IndexImage, depth_dir: Path) -> Iterator[Row]:
    """Compare one depth image by region; people are their masks, or their boxes without a mask."""
    true_z = image.read_depth_z()
    if true_z is None:
        return
    predicted_z = _read_depth(depth_path(depth_dir, image), true_z.shape)
    on_people = image.people_pixels()
    regions: Mapping[str, np.ndarray | None] = {
        'all': None,
        'people': on_people,
        'background': ~on_people,
        **distance_regions(true_z),
    }
    for region, mask in regions.items():
        errors = asdict(metrics.depth_errors(predicted_z, true_z, mask=mask))
        row = {'kind': 'depth', 'source': image.source, 'file': image.file, 'region': region}
        pixels = errors.pop('pixels')
        figures = {f'depth_{region}_{name}': value for name, value in errors.items()}
        yield {**row, 'pixels': pixels, **figures}


def _read_depth(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        with np.load(path) as archive:
            depth_z = archive['depth_z']
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f'{path} is not a depth file with an array "depth_z": {error}') from error
    if depth_z.shape != shape:
        raise ValueError(f'{path}: depth_z is {depth_z.shape}, but the image is {shape}')
    return depth_z
