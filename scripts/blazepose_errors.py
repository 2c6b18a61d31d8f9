"""Measure BlazePose's errors on clean renders of the default body, for ``data/people/noise.py``.

    python scripts/blazepose_errors.py OUT.npz --actors 20 --frames 24

Dressed people of random shape take random procedural poses in the synthetic room; the real
network reads them from crops about their true landmarks, three passes, and the truth is kept
beside what it says. ``docs/synthetic_people.md`` says what was taken from the result.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.body.landmarks import BLAZEPOSE_NAMES
from metrichmsr_ros.data.people.pose_bank import PoseBank
from metrichmsr_ros.data.synthetic.cast import cast_actors
from metrichmsr_ros.data.synthetic.render import Renderer
from metrichmsr_ros.data.synthetic.world import SyntheticWorld, WorldConfig
from metrichmsr_ros.geometry.turns import matrix, rotvec
from metrichmsr_ros.perception.blazepose.crops import rois_from_axes
from metrichmsr_ros.perception.blazepose.landmarker import BlazePoseLandmarker

MIN_SCORE, MAX_ERROR, MIN_READINGS = 0.8, 0.03, 10
HIDDEN_BY = 0.12  # metres that the picture's surface is nearer than a landmark inside the body


def main() -> None:
    """Render, read and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', type=Path)
    parser.add_argument('--actors', type=int, default=20)
    parser.add_argument('--frames', type=int, default=24)
    parser.add_argument('--seed', type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    body, landmarker = BodyModel.load(), BlazePoseLandmarker()
    poses = PoseBank.procedural(4000, arguments.seed + 1, body=body).poses.numpy()
    rng = np.random.default_rng(arguments.seed)
    rows: list[dict[str, np.ndarray]] = []
    for actor in range(arguments.actors):
        rows += measure(body, landmarker, poses, arguments.frames, actor, rng)
        print(f'{actor + 1} of {arguments.actors} people, {len(rows)} readings', flush=True)
    found = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    np.savez(arguments.out, **found)
    report(found)


def report(found: dict[str, np.ndarray]) -> None:
    """Print medians by landmark, of people whom the network did not lose."""
    error = np.linalg.norm(found['image'][..., :2] - found['pixels'], axis=-1)
    error = error / found['roi'][:, 2:3]
    kept = (found['score'] > MIN_SCORE) & (np.median(error, 1) < MAX_ERROR)
    print(f'{kept.mean():.0%} of {len(kept)} readings are clean; error in sides of the crop')
    print('landmark           seen: error  p90  visibility   hidden: error  visibility')
    for index, name in enumerate(BLAZEPOSE_NAMES):
        line = f'{name:18s}'
        for hidden in (False, True):
            chosen = kept & found['inside'][:, index] & (found['hidden'][:, index] == hidden)
            if chosen.sum() > MIN_READINGS:
                values = error[chosen, index], found['visibility'][chosen, index]
                line += f'  {np.median(values[0]):.4f} {np.quantile(values[0], 0.9):.4f}'
                line += f' {np.median(values[1]):.2f}'
        print(line)


def measure(
    body: BodyModel,
    landmarker: BlazePoseLandmarker,
    poses: np.ndarray,
    frames: int,
    number: int,
    rng: np.random.Generator,
) -> list[dict[str, np.ndarray]]:
    """Render one person in many poses and read each picture."""
    config = WorldConfig(people=1, seed=number, camera_height=float(rng.uniform(0.6, 2.0)))
    world = SyntheticWorld(config, body=body)
    person = cast_actors(body, people=1, frames=8, seed=number)[0]
    renderer = Renderer(
        world.camera, world.R_world_from_camera, world.position, faces=body.faces,
        textures=person.texture[None], stand_off=person.stand_off[None], seed=number,
    )  # fmt: skip
    rows = []
    for frame in range(frames):
        pose = poses[rng.integers(len(poses))][None].astype(np.float64)
        heading = matrix(np.array([[0, rng.uniform(-np.pi, np.pi), 0]]))
        pose[:, 0] = rotvec(heading @ matrix(pose[:, 0]))
        vertices, _ = body.pose_numpy(pose, person.shape[None], np.zeros((1, 3)))
        depth = rng.uniform(1.6, 5.2)
        place = np.array([rng.uniform(-0.25, 0.25) * depth, 0.0, -depth])
        vertices = vertices - [0, vertices[0, :, 1].min(), 0] + place
        picture = renderer.render(vertices, place[None], frame=frame)
        points = body.blazepose(torch.as_tensor(vertices, dtype=torch.float32))[0].double().numpy()
        points = (points - world.position) @ world.R_world_from_camera
        pixels = world.camera.project(points)
        if not np.isfinite(pixels).all():
            continue
        hips = pixels[[23, 24]].mean(0)
        axis = pixels[[11, 12]].mean(0) - hips
        radius = np.linalg.norm(pixels - hips, axis=1).max()
        end = hips + radius * axis / np.linalg.norm(axis) * np.exp(rng.normal(0, 0.1))
        rois = rois_from_axes(hips[None] + rng.normal(0, 8, 2), end[None], factor=1.25)
        read = landmarker.read(picture.image, rois, passes=3)
        column = np.round(pixels).astype(int)
        inside = ((column >= 0) & (column < [config.width, config.height])).all(-1)
        x, y = np.clip(column, 0, [config.width - 1, config.height - 1]).T
        nearer = picture.depth_z[y, x] < points[:, 2] - HIDDEN_BY
        ray = world.camera.unproject(read.rois[0, :2].astype(np.float64))
        rows.append({
            'points': points, 'pixels': pixels, 'inside': inside, 'hidden': nearer & inside,
            'image': read.image[0], 'world': read.world[0], 'visibility': read.visibility[0],
            'presence': read.presence[0], 'score': read.scores[0], 'roi': read.rois[0],
            'next_roi': read.next_rois[0], 'ray': ray, 'height': np.float64(person.height),
            'focal': world.camera.K[0, 0],
        })  # fmt: skip
    return rows


if __name__ == '__main__':
    main()
