"""People as cards, who play detector, landmarker and estimator of a pipeline at once."""

from dataclasses import replace

import numpy as np

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import MeshRaycaster
from metrichmsr_ros.perception.occluders import Occluders
from metrichmsr_ros.perception.people_finder import PeopleFinder
from metrichmsr_ros.perception.pipeline import Pipeline
from metrichmsr_ros.perception.scene_depth import SceneDepth
from metrichmsr_ros.perception.tracking import Tracker
from metrichmsr_ros.structures import Detections, Frame, Landmarks, People, TrackState

CAMERA = Camera.from_fov(320, 240, np.deg2rad(70))
MS = 1_000_000
FACES = np.array([[0, 1, 2], [1, 3, 2]])
# Where in a person's box each landmark is.
PATTERN = np.random.default_rng(3).random((33, 2))
PATTERN[:2] = [[0, 0], [1, 1]]


class World:
    """People as upright cards of 0.6 x 1.7 m; plays detector, landmarker and estimator."""

    name = 'fake'

    def __init__(self):
        self.pelvises = np.zeros((0, 3))
        self.calls = []
        self.ghosts = np.zeros((0, 4), np.float32)  # rois where a detector sees what is none
        self.broken = False

    def place(self, *pelvises):
        self.pelvises = np.array(pelvises, float).reshape(-1, 3)

    def _vertices(self):
        card = np.array([[-0.3, -0.8, 0], [0.3, -0.8, 0], [-0.3, 0.9, 0], [0.3, 0.9, 0]])
        return self.pelvises[:, None] + card

    def boxes(self):
        pixels = CAMERA.project(self._vertices())
        return np.concatenate([pixels[:, 0], pixels[:, 3]], axis=1).reshape(-1, 4)

    def detect(self, frame, *, known_boxes):
        self.calls.append(('detect', np.array(known_boxes)))
        boxes = self.boxes().astype(np.float32)
        middle, side = (boxes[:, :2] + boxes[:, 2:]) / 2, np.ptp(boxes[:, 1::2], axis=1)
        rois = np.column_stack([middle, side, np.zeros(len(boxes))]).astype(np.float32)
        rois = np.concatenate([rois, self.ghosts])
        return Detections(
            boxes=np.concatenate([boxes, np.zeros_like(self.ghosts)]),
            scores=np.linspace(0.9, 0.6, len(rois)).astype(np.float32),
            rois=rois,
        )

    def read(self, image, rois):
        self.calls.append(('read', np.array(rois)))
        boxes = self.boxes()
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        rois = np.asarray(rois, np.float32).reshape(-1, 4)
        n = len(rois)
        read, scores = np.zeros((n, 4)), np.zeros(n)
        for i, roi in enumerate(rois):
            away = np.linalg.norm(middle - roi[:2], axis=1) / roi[2]
            if len(away) and away.min() < 0.3:
                read[i], scores[i] = boxes[away.argmin()], 0.95
        points = np.zeros((n, 33, 3), np.float32)
        points[..., :2] = read[:, None, :2] + PATTERN * (read[:, 2:] - read[:, :2])[:, None]
        side = np.maximum(np.ptp(read[:, 1::2], axis=1), 1)
        following = np.column_stack([(read[:, :2] + read[:, 2:]) / 2, side, np.zeros(n)])
        return Landmarks(
            image=points,
            world=np.zeros((n, 33, 3), np.float32),
            visibility=np.ones((n, 33), np.float32),
            presence=np.ones((n, 33), np.float32),
            scores=scores.astype(np.float32),
            boxes=read.astype(np.float32),
            rois=rois,
            next_rois=following.astype(np.float32),
        )

    def estimate(self, frame, landmarks):
        self.calls.append(('estimate', len(landmarks)))
        boxes = self.boxes()
        chosen = [int(np.abs(boxes - b).sum(axis=1).argmin()) for b in landmarks.boxes]
        n = len(chosen)
        vertices = self._vertices()[chosen].astype(np.float32)
        if self.broken and n:
            vertices[0, 0] = np.nan
        joints = np.repeat(self.pelvises[chosen][:, None], 24, axis=1).astype(np.float32)
        return replace(
            People.empty(4, 'fake'),
            ids=('',) * n,
            states=(TrackState.NEW,) * n,
            scores=landmarks.scores,
            boxes=landmarks.boxes,
            pose=np.zeros((n, 24, 3), np.float32),
            shape=np.zeros((n, 10), np.float32),
            translation=joints[:, 0],
            vertices=vertices,
            joints=joints,
            pelvis_covariance=np.full((n, 3, 3), np.nan, np.float32),
            heights=np.full(n, 1.7, np.float32),
            velocities=np.full((n, 3), np.nan, np.float32),
        )


def make_pipeline(world, *, depth_source=None, **settings):
    raycaster = MeshRaycaster(FACES)
    scene_depth = None if depth_source is None else SceneDepth(depth_source, raycaster)
    return Pipeline(
        finder=PeopleFinder(world, world, Occluders(raycaster), **settings),
        estimator=world,
        tracker=Tracker(),
        raycaster=raycaster,
        scene_depth=scene_depth,
    )


def make_frame(k=0, camera=CAMERA, depth=None):
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    return Frame(image, camera, k * 50 * MS, depth)
