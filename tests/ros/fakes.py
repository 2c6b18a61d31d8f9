"""A pipeline that knows the answer; run as a script this is a node process around it."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace

import numpy as np

from metrichmsr_ros.geometry.mesh_depth import MeshDepth
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.structures import DepthMap, DepthState, Frame, People, Scene, TrackState

FACES = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]], np.int32)
CORNERS = np.array([[0, 0, 0], [0.4, 0, 0], [0, 0.9, 0], [0, 0, 0.3]], np.float32)
BACKGROUND = 3.0
PERSON = slice(20, 30), slice(30, 36)  # rows and columns where a mesh is seen


def make_people(*ids: str, distance: float = 2.0) -> People:
    """People side by side, each turned by its own angle."""
    count = len(ids)
    pelvis = np.array([[0.5 * i, 0.1, distance] for i in range(count)], np.float32).reshape(-1, 3)
    pose = np.zeros((count, 24, 3), np.float32)
    pose[:, 0, 0] = np.pi - 0.1 * np.arange(count)
    joints = pelvis[:, None] + np.linspace(0, 0.5, 24, dtype=np.float32)[None, :, None]
    return People(
        ids=ids,
        states=(TrackState.TRACKED,) * count,
        scores=np.full(count, 0.75, np.float32),
        boxes=np.tile(np.float32([10, 20, 30, 60]), (count, 1)),
        pose=pose,
        shape=np.full((count, 10), 0.5, np.float32),
        translation=pelvis + np.float32([0, 0.2, 0]),
        vertices=pelvis[:, None] + CORNERS,
        joints=joints,
        pelvis_covariance=np.tile(np.diag(np.float32([0.01, 0.02, 0.04])), (count, 1, 1)),
        heights=np.full(count, 1.75, np.float32),
        velocities=np.full((count, 3), np.nan, np.float32),
        body_model='fake',
    )


def make_mesh(size: tuple[int, int]) -> MeshDepth:
    """One person seen at ``PERSON``."""
    person = np.full(size, -1, np.int16)
    person[PERSON] = 0
    return MeshDepth(np.where(person == 0, np.float32(2), np.float32('nan')), person)


class FakePipeline:
    """Sees ``ids`` in every image and remembers what it was asked."""

    body = SimpleNamespace(name='fake', faces=FACES)

    def __init__(self, config: PipelineConfig) -> None:
        if config.body_model is not None and not config.body_model.is_file():
            raise FileNotFoundError(f'body model {config.body_model} does not exist')
        self.config = config
        self.ids: tuple[str, ...] = ('abcde',)
        self.depth_state = DepthState.ANCHORED
        self.frames: list[Frame] = []
        self.wants: list[tuple[bool, bool]] = []
        self.resets = 0
        self.fail_with: Exception | None = None
        self.depth_error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def reset(self) -> None:
        self.resets += 1

    def process(self, frame: Frame, *, want_depth: bool, want_mesh: bool) -> Scene:
        self.gate.wait(10)
        if self.fail_with is not None:
            error, self.fail_with = self.fail_with, None
            raise error
        self.frames.append(frame)
        self.wants.append((want_depth, want_mesh))
        depth = None
        if want_depth and self.config.depth_source != 'none':
            depth_z = np.full(frame.image.shape[:2], BACKGROUND, np.float32)
            depth_z[0, 0] = np.nan
            depth = DepthMap(
                depth_z, depth_z, 'fake', scale=1.1, shift=0.2, state=self.depth_state,
                anchor_age=1.25,
            )  # fmt: skip
        mesh = make_mesh(frame.image.shape[:2]) if want_mesh else None
        error = self.depth_error if want_depth else None
        return Scene(frame, make_people(*self.ids), depth, mesh=mesh, depth_error=error)


def draw(scene: Scene) -> np.ndarray:
    """The image with its first pixel painted."""
    overlay = scene.frame.image.copy()
    overlay[0, 0] = (255, 0, 0)
    return overlay


if __name__ == '__main__':
    from metrichmsr_ros.ros.node import MetricHmsrNode
    from metrichmsr_ros.ros.run import run_node

    sys.exit(run_node(lambda: MetricHmsrNode(build=FakePipeline, draw=draw)))
