"""From one frame to its scene: who is there, where, and how far everything is.

Crops of known people → landmarks → detector for the others → estimator → tracker and its filters →
a sensor's depth of the people → mesh depth → refined depth. Each arrow is one call of a part that
was handed in; what is kept from frame to frame is the tracker, and where each person was.
"""

from __future__ import annotations

import secrets

import numpy as np
import torch

from metrichmsr_ros.body.body_model import BodyModel
from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import MeshDepth, MeshRaycaster
from metrichmsr_ros.models.estimator import Estimator
from metrichmsr_ros.models.methods import build_method
from metrichmsr_ros.perception.blazepose.assets import find_assets
from metrichmsr_ros.perception.blazepose.detector import BlazePoseDetector
from metrichmsr_ros.perception.blazepose.landmarker import BlazePoseLandmarker
from metrichmsr_ros.perception.config import PipelineConfig
from metrichmsr_ros.perception.floor_contact import FloorContact
from metrichmsr_ros.perception.occluders import Occluders
from metrichmsr_ros.perception.people_finder import PeopleFinder, STREAM_CANDIDATES
from metrichmsr_ros.perception.person_depth import PersonDepth
from metrichmsr_ros.perception.scene_depth import build_scene_depth, SceneDepth
from metrichmsr_ros.perception.stopwatch import Stopwatch
from metrichmsr_ros.perception.tracking import Tracker
from metrichmsr_ros.runtime.devices import resolve_device
from metrichmsr_ros.structures import DepthImage, DepthMap, Frame, People, Scene, TrackState

MIN_DEPTH = 0.1  # m; nobody's pelvis is nearer to a lens


class Pipeline:
    """Turns frames of one camera, in the order of time, into scenes. Not thread-safe.

    Args:
        finder: Finds and reads people.
        estimator: Makes people metric.
        tracker: Gives ids.
        raycaster: Casts the estimator's meshes.
        scene_depth: Makes the scenes' depth; None = they have none.
        floor: Says how far people are who stand on it; None = nothing is known of a floor.
    """

    def __init__(
        self,
        *,
        finder: PeopleFinder,
        estimator: Estimator,
        tracker: Tracker,
        raycaster: MeshRaycaster,
        scene_depth: SceneDepth | None = None,
        floor: FloorContact | None = None,
    ) -> None:
        self._finder = finder
        self._estimator = estimator
        self._tracker = tracker
        self._raycaster = raycaster
        self._scene_depth = scene_depth
        self._floor = floor
        self._person_depth = PersonDepth(raycaster)

    @property
    def body(self) -> BodyModel:
        """The body that the people's parameters and vertices belong to."""
        return self._estimator.body

    def reset(self) -> None:
        """Forget everything, as before the first frame; ids are still never given twice."""
        self._tracker.reset()
        self._finder.reset()
        if self._scene_depth is not None:
            self._scene_depth.reset()

    def warm_up(self) -> None:
        """Run each part that compiles or allocates on first use, so that no frame waits for it."""
        self._raycaster.warm_up()
        frame = Frame(np.zeros((256, 256, 3), np.uint8), Camera.from_fov(256, 256, 1.0), 0)
        self._estimator.estimate(frame, self._finder.warm_up(frame))

    def process(self, frame: Frame, *, want_depth: bool = True, want_mesh: bool = False) -> Scene:
        """Return the scene of one frame.

        Args:
            frame: The newest frame.
            want_depth: Whether anybody needs ``Scene.depth``.
            want_mesh: Whether anybody needs ``Scene.mesh``.

        Raises:
            ValueError: If the image is not RGB uint8 of the camera's size; names value and rule.
        """
        check_frame(frame)
        watch = Stopwatch()
        landmarks, known = self._finder.find(frame, watch)
        with watch('estimator'):
            measured = self._estimator.estimate(frame, landmarks)
            sound = _sound(measured)
            measured, landmarks = measured.select(sound), landmarks.select(sound)
        with watch('tracking'):
            tracked = self._tracker.update(measured, frame.stamp, frame.camera, known=known[sound])
            people = tracked.people
            landmarks = landmarks.select(list(tracked.measured))
        if self._floor is not None and len(people):
            with watch('floor'):
                reading = self._floor.read(people, landmarks, frame.camera)
                people = self._tracker.correct(people, reading, frame.camera)
        seen_depth = self._look_at_depth(frame, people, watch, want_depth)
        if seen_depth is not None and seen_depth.measured and len(people):
            with watch('person depth'):
                reading = self._person_depth.read(people, seen_depth, frame.stamp)
                people = self._tracker.correct(people, reading, frame.camera)
        self._finder.keep(people, landmarks.next_rois, frame.stamp)
        mesh, depth = self._cast(
            frame, people, seen_depth, watch, want_depth=want_depth, want_mesh=want_mesh
        )
        error = None if self._scene_depth is None else self._scene_depth.error_of(frame)
        return Scene(frame, people, depth, mesh=mesh, timings=watch.seconds, depth_error=error)

    def _look_at_depth(
        self, frame: Frame, people: People, watch: Stopwatch, want_depth: bool
    ) -> DepthImage | None:
        """Return the source's depth, if somebody wants it or it was measured and may correct."""
        if self._scene_depth is None:
            return None
        if not (want_depth or (len(people) and frame.depth is not None)):
            return None
        with watch('depth'):
            return self._scene_depth.look(frame)

    def _cast(
        self,
        frame: Frame,
        people: People,
        seen_depth: DepthImage | None,
        watch: Stopwatch,
        *,
        want_depth: bool,
        want_mesh: bool,
    ) -> tuple[MeshDepth | None, DepthMap | None]:
        """Return the people's surfaces and the scene's depth, as far as they are needed."""
        scene_depth = self._scene_depth if want_depth else None
        mesh, depth = None, None
        # Predicted people come last and are hidden by something: they have no pixels.
        seen = people.select([state != TrackState.PREDICTED for state in people.states])
        if want_mesh or (scene_depth is not None and scene_depth.needs_mesh(frame, seen_depth)):
            with watch('mesh'):
                mesh = self._raycaster.cast(seen.vertices, frame.camera)
        if scene_depth is not None:
            with watch('depth'):
                depth = scene_depth.of(frame, seen, mesh, seen_depth)
        return mesh, depth


def check_frame(frame: Frame) -> None:
    """Raise a ``ValueError`` unless the image is RGB uint8 of the camera's size."""
    image, camera = frame.image, frame.camera
    if image.dtype != np.uint8 or image.shape != (camera.height, camera.width, 3):
        raise ValueError(
            f'image is {image.dtype} {image.shape}: it must be uint8 '
            f'({camera.height}, {camera.width}, 3), the size of its camera'
        )


def _sound(people: People) -> np.ndarray:
    """Whether each person is finite and before the camera, (N,) bool."""
    finite = np.isfinite(people.vertices).all(axis=(1, 2)) & np.isfinite(people.boxes).all(axis=1)
    return finite & (people.pelvis[:, 2] > MIN_DEPTH)


def build_estimator(config: PipelineConfig, body: BodyModel) -> Estimator:
    """Return what makes people metric, with the weights that ``config`` asks for.

    Raises:
        ValueError: The checkpoint is missing or is for another body.
    """
    return build_method(
        config.estimator,
        body,
        checkpoint=config.checkpoint or None,
        landmark_network=config.landmark_network,
    )


def _floor(config: PipelineConfig) -> FloorContact | None:
    if not config.people_on_floor:
        return None
    return FloorContact(config.camera_height, config.camera_tilt)


def build_pipeline(config: PipelineConfig) -> Pipeline:
    """Load everything that ``config`` names and make it ready for the first frame.

    Nothing is fetched but a depth model of the hub that is not in its cache. ``config.threads``
    counts for torch in all of the process: on small tensors two threads wait for each other longer
    than they work.

    Raises:
        AssetError: A BlazePose file is missing or corrupt; names it and the command that mends it.
        BodyModelError: The body file is missing or breaks a rule of the format.
        ValueError: The device does not exist, or the depth network cannot be loaded.
    """
    device = resolve_device(config.device)
    torch.set_num_threads(config.threads)
    body = BodyModel.load(config.body_model)
    seed = secrets.randbits(32) if config.id_seed is None else config.id_seed
    raycaster = MeshRaycaster(body.faces, device=device)
    assets = find_assets(landmark_network=config.landmark_network)
    detector = BlazePoseDetector(
        assets, budget_ms=config.detector_budget_ms, num_threads=config.threads
    )
    finder = PeopleFinder(
        detector,
        BlazePoseLandmarker(assets, num_threads=config.threads),
        Occluders(raycaster),
        min_score=config.min_score,
        max_people=config.max_people,
        max_candidates=STREAM_CANDIDATES if config.detector_budget_ms else config.max_people,
    )
    pipeline = Pipeline(
        finder=finder,
        estimator=build_estimator(config, body),
        tracker=Tracker(seed=seed, body=body if config.temporal_filter else None),
        raycaster=raycaster,
        scene_depth=build_scene_depth(config, raycaster, device),
        floor=_floor(config),
    )
    pipeline.warm_up()
    return pipeline
