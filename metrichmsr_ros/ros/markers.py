"""People's meshes as one ``visualization_msgs/MarkerArray`` of TRIANGLE_LIST markers.

RViz updates a marker in place when (ns, id) and the number of points stay, so each track id keeps
one integer; a lost person is deleted by name and the lifetime clears up after a node that died.
Colour is per marker and opaque: per-vertex colours turn RViz's lighting off, and less than full
alpha its depth test.
"""

from __future__ import annotations

import numpy as np

from metrichmsr_ros.ros.cdr import CdrWriter
from metrichmsr_ros.stamps import NS_PER_S
from metrichmsr_ros.visualization import id_color

NAMESPACE = 'people'
TRIANGLE_LIST, ADD, DELETE = 11, 0, 2


def marker_id(person_id: str) -> int:
    """Return the int32 that stands for a track id of lower-case letters, without collisions.

    Raises:
        ValueError: If the id is not one to six lower-case letters a-z.
    """
    if not (
        1 <= len(person_id) <= 6
        and person_id.isascii()
        and person_id.isalpha()
        and person_id.islower()
    ):
        raise ValueError(f'track id {person_id!r} must be one to six letters a-z')
    number = 0
    for letter in person_id:
        number = number * 27 + ord(letter) - ord('a') + 1
    return number


class MeshMarkers:
    """Writes the markers of one frame after the other and remembers whom to delete."""

    def __init__(self, faces: np.ndarray) -> None:
        """Prepare for a fixed topology.

        Args:
            faces: Vertex indices, (F, 3) integer.
        """
        self._corners = np.ascontiguousarray(faces, np.intp).reshape(-1)
        self._shown: frozenset[str] = frozenset()

    def bytes(
        self,
        vertices: np.ndarray,
        ids: tuple[str, ...],
        *,
        stamp: int,
        frame_id: str,
        lifetime: float,
    ) -> bytes:
        """Return the serialised ``MarkerArray`` of one frame.

        Args:
            vertices: (N, V, 3), metres, camera frame. Somebody with a value that is not finite is
                left out: RViz refuses such a marker.
            ids: Track ids, N.
            stamp: Nanoseconds.
            frame_id: Camera optical frame.
            lifetime: Seconds after which a viewer forgets a marker that is not renewed.
        """
        drawable = np.isfinite(vertices).all(axis=(1, 2))
        shown = {
            person: mesh for person, mesh, ok in zip(ids, vertices, drawable, strict=True) if ok
        }
        gone = sorted(self._shown.difference(shown))
        self._shown = frozenset(shown)
        writer = CdrWriter().pack('I', len(shown) + len(gone))
        for person, mesh in shown.items():
            corners = np.take(mesh.astype(np.float64), self._corners, axis=0)
            _write(writer, person, ADD, corners, stamp, frame_id, lifetime)
        for person in gone:
            _write(writer, person, DELETE, np.zeros((0, 3)), stamp, frame_id, lifetime)
        return writer.getvalue()


def _write(
    writer: CdrWriter,
    person_id: str,
    action: int,
    corners: np.ndarray,
    stamp: int,
    frame_id: str,
    lifetime: float,
) -> None:
    """Append one ``visualization_msgs/Marker``, field by field in the order of its definition."""
    seconds, nanoseconds = divmod(round(lifetime * NS_PER_S), NS_PER_S)
    writer.header(stamp, frame_id).string(NAMESPACE)
    writer.pack('i', marker_id(person_id), TRIANGLE_LIST, action)
    writer.pack('d', 0, 0, 0, 0, 0, 0, 1).pack('d', 1, 1, 1)  # pose, scale
    writer.pack('f', *(channel / 255 for channel in id_color(person_id)), 1.0)
    writer.pack('i', seconds).pack('I', nanoseconds).pack('B', 0)  # lifetime, frame_locked
    writer.array(corners, count=len(corners)).pack('I', 0).string(
        ''
    )  # points, colors, texture name
    writer.header(0, '').string('').pack('I', 0)  # texture
    writer.pack('I', 0).string('').string('')  # uv_coordinates, text, mesh_resource
    writer.string('').pack('I', 0).pack('B', 0)  # mesh_file, mesh_use_embedded_materials
