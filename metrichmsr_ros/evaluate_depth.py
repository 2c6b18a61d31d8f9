"""Score corrections of depth priors by people: methods without learning, and the refiner.

All methods get the same anchors. Every prior of an image gives one row per method; a video gives
one per method.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from metrichmsr_ros.data.depth.corruption import spoil_depth
from metrichmsr_ros.data.synthetic.loop import Loop
from metrichmsr_ros.data.synthetic.world import SyntheticWorld
from metrichmsr_ros.depth_metrics import flicker, seam_error
from metrichmsr_ros.depth_views import DepthView, network_prior, people_label, see_people
from metrichmsr_ros.geometry.mesh_depth import MeshDepth
from metrichmsr_ros.metrics import depth_errors
from metrichmsr_ros.models.depth_refiner import DepthRefiner
from metrichmsr_ros.perception.affine_field import AffineField
from metrichmsr_ros.perception.anchors import Anchors, people_anchors
from metrichmsr_ros.perception.depth_baselines import median_scale, smooth_affine
from metrichmsr_ros.perception.depth_refinement import Expected, GlobalAffine
from metrichmsr_ros.perception.learned_field import LearnedField
from metrichmsr_ros.perception.pipeline import Pipeline
from metrichmsr_ros.report import Row
from metrichmsr_ros.structures import DepthImage, Frame, People

PRIOR, REFINER = 'prior', 'refiner'
SETTLED = 20  # frames of a video until the tracker knows its people

Method = Callable[[Frame, DepthImage, Anchors, People], AffineField | None]
Show = Callable[[DepthView, DepthImage, Mapping[str, np.ndarray]], None]


def depth_methods(refiner: DepthRefiner) -> dict[str, Method]:
    """Return what is compared, by name; each returns None where it leaves the prior."""
    return {
        PRIOR: lambda frame, prior, anchors, people: None,
        'median scale': lambda frame, prior, anchors, people: median_scale(anchors),
        'global affine': GlobalAffine().estimate,
        'smooth affine': lambda frame, prior, anchors, people: smooth_affine(
            anchors, prior.depth_z.shape, Expected.of(prior)
        ),
        REFINER: LearnedField(refiner).estimate,
    }


def refine(
    methods: Mapping[str, Method],
    frame: Frame,
    prior: DepthImage,
    people: People,
    mesh: MeshDepth,
) -> dict[str, np.ndarray]:
    """Return the depth that each method makes of a prior, (H, W) metres, NaN where unknown.

    People stand in front of a floor whatever the method, as in the pipeline.

    Args:
        methods: By name.
        frame: What the prior shows.
        prior: On the frame's camera.
        people: Who is seen.
        mesh: Depth of their visible surfaces.
    """
    anchors = people_anchors(prior, people, mesh)
    refined = {}
    for name, method in methods.items():
        field = method(frame, prior, anchors, people)
        depth_z = prior.depth_z if field is None else field.apply(prior.depth_z)
        if not prior.sees_people:
            depth_z = np.where(mesh.person >= 0, mesh.depth_z, depth_z)
        refined[name] = depth_z
    return refined


def score_views(
    views: Iterable[DepthView], methods: Mapping[str, Method], *, show: Show | None = None
) -> list[Row]:
    """Return a row per view, prior and method.

    Args:
        views: Images with truth.
        methods: By name, ``PRIOR`` among them.
        show: Called with each view, its first prior and what the methods made of it.
    """
    rows: list[Row] = []
    for view in views:
        for number, (name, prior) in enumerate(view.priors):
            refined = refine(methods, view.frame, prior, view.people, view.mesh)
            if show is not None and not number:
                show(view, prior, refined)
            head = {
                'kind': 'depth',
                'scenes': view.scenes,
                'name': view.name,
                'people_seen': float(len(view.people)),
                'prior': name,
                'draw': number,
            }
            for method, depth_z in refined.items():
                same = np.array_equal(depth_z, refined[PRIOR], equal_nan=True)
                figures = {'corrected': float(not same), **_figures(view, depth_z)}
                rows.append({**head, 'method': method, **figures})
    return rows


def _figures(view: DepthView, depth_z: np.ndarray) -> dict[str, float]:
    """Return the errors of all regions, named region_figure, and the seam."""
    figures: dict[str, float] = {}
    for region, mask in {'all': None, **view.regions}.items():
        errors = asdict(depth_errors(depth_z, view.true_z, mask=mask))
        del errors['pixels']
        figures |= {f'{region}_{name}': value for name, value in errors.items()}
    if view.contacts is not None:
        figures['seam_m'] = seam_error(depth_z, view.contacts)
    return figures


def score_video(
    world: SyntheticWorld, pipeline: Pipeline, methods: Mapping[str, Method], *, frames: int
) -> list[Row]:
    """Return how much each method flickers: a row per method, from a monocular prior.

    The prior errs alike in all frames: what is measured is the people's unrest in the scene.

    Args:
        world: A loop of frames, of the pipeline's body.
        pipeline: For a stream.
        methods: By name.
        frames: How many consecutive ones, at least 2, after the tracker has settled.

    Raises:
        ValueError: ``frames`` is less than 2.
    """
    if frames < 2:
        raise ValueError(f'frames={frames} of a video must be at least 2')
    changes: dict[str, list[float]] = defaultdict(list)
    for before, now in pairwise(_moments(world, pipeline, methods, frames)):
        for name in methods:
            change = flicker(
                before.refined[name],
                now.refined[name],
                true_before_z=before.true_z,
                true_z=now.true_z,
                static=before.static & now.static,
            )
            changes[name].append(change)
    head = {'kind': 'flicker', 'scenes': people_label(world.config.people), 'pairs': frames - 1}
    return [
        {**head, 'method': name, 'flicker': float(np.nanmean(values))}
        for name, values in changes.items()
    ]


def watch(
    world: SyntheticWorld, loop: Loop, pipeline: Pipeline, frames: int
) -> Iterator[tuple[int, Frame, People, MeshDepth]]:
    """Play a loop from its start; yield number, frame, who is seen, and their surfaces.

    Args:
        world: Of the pipeline's body.
        loop: Rendered of it.
        pipeline: For a stream; forgets what it knew.
        frames: How many; the loop goes round, stamps grow.
    """
    pipeline.reset()
    for k in range(frames):
        frame = world.frame(loop, k)
        yield k, frame, *see_people(pipeline, frame)


class _Moment(NamedTuple):
    """One frame of a video: depth by method, true depth, pixels beside all people; (H, W)."""

    refined: dict[str, np.ndarray]
    true_z: np.ndarray
    static: np.ndarray


def _moments(
    world: SyntheticWorld, pipeline: Pipeline, methods: Mapping[str, Method], frames: int
) -> Iterator[_Moment]:
    loop, config = world.render(), world.config
    for k, frame, people, mesh in watch(world, loop, pipeline, SETTLED + frames):
        if k >= SETTLED:
            t = k % len(loop)
            true_z = loop.depth_z(t)
            rng = np.random.default_rng(config.seed)
            prior = network_prior(spoil_depth(true_z, rng), world.camera)
            refined = refine(methods, frame, prior, people, mesh)
            yield _Moment(refined, true_z, ~_in_boxes(loop.boxes[t], true_z.shape))


def _in_boxes(boxes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the pixels in boxes (P, 4) x_min, y_min, x_max, y_max, (H, W) bool."""
    inside = np.zeros(shape, bool)
    for low_x, low_y, high_x, high_y in np.rint(boxes).astype(int).clip(min=0):
        inside[low_y : high_y + 1, low_x : high_x + 1] = True
    return inside
