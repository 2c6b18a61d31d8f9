"""What the monitor keeps of a run: an overlay video, and a rerun recording with the 3D scene."""

from __future__ import annotations

import logging
import os
from pathlib import Path
import queue
import threading
from typing import Any

import cv2
import numpy as np

from metrichmsr_ros.body.joints import PARENTS
from metrichmsr_ros.ros.marker_reader import MeshMarker
from metrichmsr_ros.ros.markers import marker_id
from metrichmsr_ros.ros.snapshot import side_by_side, Snapshot
from metrichmsr_ros.stamps import NS_PER_S

logger = logging.getLogger(__name__)

CLOUD_STRIDE = 4


class VideoWriter:
    """Writes the pictures of ``side_by_side`` as MP4."""

    def __init__(self, path: Path, *, rate: float) -> None:
        self.path, self._rate = path, rate
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._frames = 0

    def add(self, snapshot: Snapshot) -> None:
        """Append one frame; a picture of another size than the first is fitted into its size.

        Raises:
            OSError: The file cannot be written.
        """
        row = side_by_side(snapshot)
        if self._writer is None:
            self._size = row.shape[1], row.shape[0]
            codec = cv2.VideoWriter.fourcc(*'mp4v')
            self._writer = cv2.VideoWriter(str(self.path), codec, self._rate, self._size)
            if not self._writer.isOpened():
                raise OSError(f'cannot write the video {self.path}')
        self._writer.write(_fit(row, self._size)[..., ::-1])
        self._frames += 1

    def close(self) -> None:
        """Finish the file.

        Raises:
            OSError: Frames are missing in it.
        """
        if self._writer is None or not self._frames:
            return
        self._writer.release()
        # OpenCV only prints that a disk is full; the index at the file's end is then missing.
        reader = cv2.VideoCapture(str(self.path))
        found = round(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
        reader.release()
        if found < self._frames:
            raise OSError(f'{self.path} holds {found} of {self._frames} frames: is the disk full?')


def _fit(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    height, width = picture.shape[:2]
    if (width, height) == size:
        return picture
    scale = min(size[0] / width, size[1] / height)
    inner = cv2.resize(picture, (round(width * scale), round(height * scale)))
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    canvas[: inner.shape[0], : inner.shape[1]] = inner
    return canvas


class RerunWriter:
    """Logs the scene in 3D to a rerun file, and to the rerun viewer where a display exists."""

    def __init__(self, path: Path) -> None:
        """Start the recording.

        Raises:
            ImportError: rerun-sdk is not installed.
        """
        import rerun as rr

        self._rr: Any = rr
        self.recording = rr.RecordingStream('metrichmsr_ros')
        display = os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')
        if display and hasattr(rr, 'set_sinks'):  # rerun before 0.24, for NumPy 1, has one sink
            rr.spawn(connect=False)
            rr.set_sinks(rr.FileSink(path), rr.GrpcSink(), recording=self.recording)
        else:
            rr.save(path, recording=self.recording)
        self._log('camera', rr.ViewCoordinates.RDF, static=True)
        self._topology: tuple[np.ndarray, np.ndarray] | None = None
        self._shown: set[str] = set()

    def add(self, snapshot: Snapshot) -> None:
        """Log one moment: image, depth, cloud, frustum, meshes, skeletons and pelvis frames."""
        rr, camera = self._rr, snapshot.camera
        rr.set_time('time', timestamp=snapshot.stamp / NS_PER_S, recording=self.recording)
        size = (camera.width, camera.height)
        self._log('camera/view', rr.Pinhole(image_from_camera=camera.K, resolution=size))
        self._log('camera/view/image', rr.Image(snapshot.image).compress(jpeg_quality=80))
        self._log('camera/view/overlay', rr.Image(snapshot.overlay).compress(jpeg_quality=80))
        if snapshot.depth_z is not None:
            self._add_depth(snapshot.depth_z, snapshot)
        gone = self._shown.difference(snapshot.ids)
        for person in gone:
            self._log(f'camera/people/{person}', rr.Clear(recursive=True))
        self._shown = set(snapshot.ids)
        # Not by position: who has no mesh that can be drawn has no marker either.
        meshes = {mesh.id: mesh for mesh in snapshot.meshes}
        for i, person in enumerate(snapshot.ids):
            self._add_person(snapshot, i, f'camera/people/{person}')
            self._add_mesh(meshes.get(marker_id(person)), f'camera/people/{person}/mesh')

    def close(self) -> None:
        """Write what is buffered.

        Raises:
            RuntimeError: The file cannot be written.
        """
        self.recording.flush()
        self._rr.disconnect(recording=self.recording)

    def _add_depth(self, depth_z: np.ndarray, snapshot: Snapshot) -> None:
        rr, step = self._rr, slice(None, None, CLOUD_STRIDE)
        millimetres = np.nan_to_num(depth_z * 1e3, posinf=0.0).clip(0, 65535).astype(np.uint16)
        self._log('camera/view/depth', rr.DepthImage(millimetres, meter=1000.0))
        points = (snapshot.camera.pixel_rays() * depth_z[..., None])[step, step].reshape(-1, 3)
        colors = snapshot.image[step, step].reshape(-1, 3)
        known = np.isfinite(points).all(axis=1)
        self._log('camera/points', rr.Points3D(points[known], colors=colors[known], radii=0.01))

    def _add_person(self, snapshot: Snapshot, i: int, path: str) -> None:
        rr, joints = self._rr, snapshot.joints[i]
        bones = [joints[[parent, j]] for j, parent in enumerate(PARENTS) if parent >= 0]
        self._log(f'{path}/skeleton', rr.LineStrips3D(bones, radii=0.01))
        pelvis = rr.Transform3D(
            translation=joints[0], rotation=rr.Quaternion(xyzw=snapshot.orientations[i])
        )
        self._log(f'{path}/pelvis', pelvis)

    def _add_mesh(self, mesh: MeshMarker | None, path: str) -> None:
        rr = self._rr
        if mesh is None or not len(mesh.corners):
            self._log(path, rr.Clear(recursive=False))  # the one before would stand still
            return
        vertices, triangles = self._index(mesh.corners)
        shown = rr.Mesh3D(
            vertex_positions=vertices,
            triangle_indices=triangles,
            albedo_factor=(*mesh.color, 1.0),
        )
        self._log(path, shown)

    def _index(self, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return vertices and triangles of a triangle soup; the topology is that of the first."""
        if self._topology is None or len(self._topology[1]) * 3 != len(corners):
            _, first, inverse = np.unique(corners, axis=0, return_index=True, return_inverse=True)
            self._topology = first, inverse.reshape(-1, 3)
        first, triangles = self._topology
        return corners[first].astype(np.float32), triangles

    def _log(self, path: str, entity: Any, *, static: bool = False) -> None:
        self._rr.log(path, entity, static=static, recording=self.recording)


class Recorder:
    """Feeds the writers from a thread, so that the monitor's clock is not held up by them."""

    def __init__(
        self, video: VideoWriter | None, rerun: RerunWriter | None, *, rerun_every: int
    ) -> None:
        """Start the thread.

        Args:
            video: Gets every snapshot.
            rerun: Gets every ``rerun_every``-th one.
            rerun_every: See above.
        """
        self._video, self._rerun, self._every = video, rerun, rerun_every
        self._queue: queue.Queue[Snapshot | None] = queue.Queue(maxsize=2)
        self.failure: Exception | None = None  # why the files are not what they should be
        self._thread = threading.Thread(target=self._run, name='recorder', daemon=True)
        self._thread.start()

    def offer(self, snapshot: Snapshot) -> bool:
        """Record a snapshot, or refuse it where the writers are behind."""
        try:
            self._queue.put_nowait(snapshot)
        except queue.Full:
            return False
        return True

    def close(self) -> None:
        """Write what is queued and finish the files."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._write()
        except Exception as error:
            self.failure = error
            logger.error('recording stopped: %s', error)
            while self._queue.get() is not None:
                pass
        for writer in (self._video, self._rerun):
            try:
                if writer is not None:
                    writer.close()
            except Exception as error:
                self.failure = self.failure or error  # the first is the cause of the others

    def _write(self) -> None:
        count = 0
        while (snapshot := self._queue.get()) is not None:
            if self._video is not None:
                self._video.add(snapshot)
            if self._rerun is not None and count % self._every == 0:
                self._rerun.add(snapshot)
            count += 1


def open_recorder(folder: Path, *, video_rate: float, rerun_rate: float) -> Recorder:
    """Return the recorder of ``overlay.mp4`` and ``scene.rrd``.

    Args:
        folder: Where they are written; made if it is missing.
        video_rate: Snapshots per second, all of which are in the video.
        rerun_rate: Of these in ``scene.rrd``, per second; 0 = no such file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rerun = None
    if rerun_rate:
        try:
            rerun = RerunWriter(folder / 'scene.rrd')
        except ImportError:
            logger.warning('no scene.rrd: pip install rerun-sdk')
    every = max(1, round(video_rate / (rerun_rate or 1.0)))
    video = VideoWriter(folder / 'overlay.mp4', rate=video_rate)
    return Recorder(video, rerun, rerun_every=every)
