"""The network as an estimator of the pipeline."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike

import numpy as np
import torch
from torch import Tensor

from metrichmsr_ros.body.body_model import BodyModel, DEFAULT_BODY
from metrichmsr_ros.body.shape_transfer import ShapeTransfer
from metrichmsr_ros.geometry.boxes import mesh_boxes
from metrichmsr_ros.models.blazepose_encoder import PART_OF_LANDMARK
from metrichmsr_ros.models.gather import evidence_of_landmarks
from metrichmsr_ros.models.metric_hmr import body_of_checkpoint, MetricHMR
from metrichmsr_ros.models.prediction import Prediction
from metrichmsr_ros.perception.blazepose.assets import FULL, HEAVY
from metrichmsr_ros.structures import Frame, Landmarks, NUM_LANDMARKS, People, TrackState

NAME = 'metrichmr'
# What ships, by the BlazePose network whose landmarks it was trained for.
SHIPPED = {FULL: 'blazepose', HEAVY: 'blazepose_heavy'}


class NetworkEstimator:
    """MetricHMR of any size, on the CPU; follows the ``Estimator`` protocol."""

    name = NAME

    def __init__(self, network: MetricHMR, body: BodyModel) -> None:
        """Take a network for inference.

        Args:
            network: On the CPU; put into evaluation mode.
            body: Poses the surfaces. If it is not the one that the network was trained for, it
                gets the same pose and place, and the shape of the nearest joints and height.
        """
        self.network = network.eval()
        self.body = body
        same = network.body.name == body.name
        self._transfer = None if same else ShapeTransfer(network.body, body)

    @classmethod
    def from_pretrained(
        cls, path_or_name: str | PathLike[str], *, body: BodyModel
    ) -> NetworkEstimator:
        """Load a checkpoint.

        Args:
            path_or_name: As in :meth:`MetricHMR.from_pretrained`.
            body: Any body for a checkpoint of the body that ships; else the one it was trained
                for.

        Raises:
            CheckpointError: The checkpoint is missing, unreadable or does not fit.
        """
        shipped = body.name != DEFAULT_BODY == body_of_checkpoint(path_or_name)
        network = MetricHMR.from_pretrained(path_or_name, body=None if shipped else body)
        return cls(network, body)

    @torch.inference_mode()
    def predict(self, frame: Frame, landmarks: Landmarks) -> Prediction:
        """Return all that the network says about N ≥ 1 people; arguments as of ``estimate``."""
        return self.network(evidence_of_landmarks(self.network.config, frame, landmarks))

    def landmark_gates(self, frame: Frame, landmarks: Landmarks) -> np.ndarray:
        """Return how the landmarks' tokens are shared out among the routed experts.

        Args:
            frame: The image and its camera.
            landmarks: N people of that image.

        Returns:
            Gates, (N, L, 33, K) float32: L blocks in order, K experts; they sum to 1.

        Raises:
            ValueError: The network has no routed experts, or tokens of something else.
        """
        config = self.network.config
        if config.image_encoder != 'blazepose' or not config.routed_experts:
            raise ValueError(
                f'image_encoder is {config.image_encoder!r} with {config.routed_experts} routed '
                "experts: gates of landmarks need 'blazepose' and at least one"
            )
        blocks = config.patch_blocks + config.global_blocks
        if not len(landmarks):
            return np.zeros((0, blocks, NUM_LANDMARKS, config.routed_experts), np.float32)
        gates = self.predict(frame, landmarks).router[:, :, config.person_tokens :]
        return _array(gates[:, :, list(PART_OF_LANDMARK)])

    @torch.inference_mode()
    def estimate(self, frame: Frame, landmarks: Landmarks) -> People:
        """Estimate the people.

        Args:
            frame: The image and its camera.
            landmarks: N people of that image.

        Returns:
            As many people, in the same order, not tracked yet; ``scores`` are the landmarks' times
            the network's confidence: of two readings of somebody the better posed one has more.
        """
        count = len(landmarks)
        if not count:
            return People.empty(self.body.num_vertices, self.body.name)
        prediction = self.predict(frame, landmarks)
        if self._transfer is not None:
            prediction = replace(prediction, shape=self._transfer(prediction.shape))
        pose, translation = prediction.pose(), prediction.translation(self.body)
        vertices, joints = self.body(pose, prediction.shape, translation)
        return People(
            ids=('',) * count,
            states=(TrackState.NEW,) * count,
            scores=_array(prediction.confidence) * landmarks.scores.astype(np.float32),
            boxes=mesh_boxes(frame.camera, _array(vertices), landmarks.boxes),
            pose=_array(pose),
            shape=_array(prediction.shape),
            translation=_array(translation),
            vertices=_array(vertices),
            joints=_array(joints),
            pelvis_covariance=_array(prediction.pelvis_covariance()),
            heights=_array(self.body.heights(prediction.shape)),
            velocities=np.full((count, 3), np.nan, np.float32),
            body_model=self.body.name,
        )


def _array(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.numpy(), np.float32)
