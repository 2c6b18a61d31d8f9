"""Who was where when a slow depth source saw them.

Depth that is half a second old shows a walking person half a metre from where he is now. Anchored
by where he is now, it would be brought to the scale of the wall behind him.
"""

from __future__ import annotations

from collections import deque

from metrichmsr_ros.geometry.camera import Camera
from metrichmsr_ros.geometry.mesh_depth import MeshDepth, MeshRaycaster
from metrichmsr_ros.structures import People

MAX_FRAMES = 300  # ten seconds of a usual camera; some 80 kB per person and frame


class PastPeople:
    """The people of the last frames, and the depth of their surfaces in one of them.

    Args:
        raycaster: Casts their meshes.
    """

    def __init__(self, raycaster: MeshRaycaster) -> None:
        self._raycaster = raycaster
        self._frames: deque[tuple[int, People]] = deque(maxlen=MAX_FRAMES)
        self._cast: tuple[int, Camera, People, MeshDepth] | None = None

    def keep(self, stamp: int, people: People) -> None:
        """Remember the people seen in the newest frame, of ``stamp`` nanoseconds."""
        self._frames.append((stamp, people))

    def at(self, stamp: int, camera: Camera) -> tuple[People, MeshDepth]:
        """Return who was seen in a frame since the first ``keep``, and their depth as of then.

        A depth source does not go back in time: the frames before that one are forgotten.

        Args:
            stamp: Of the frame, nanoseconds.
            camera: Camera of the frame.

        Returns:
            The people and their visible surfaces; nobody where that frame is not remembered.
        """
        if self._cast is None or self._cast[:2] != (stamp, camera):
            while len(self._frames) > 1 and self._frames[0][0] < stamp:
                self._frames.popleft()
            found, people = self._frames[0]
            if found != stamp:
                people = people.select([])
            self._cast = stamp, camera, people, self._raycaster.cast(people.vertices, camera)
        return self._cast[2:]
