"""A slow depth source beside the people: it works at its own rate, they wait for nothing."""

from __future__ import annotations

from dataclasses import replace
from threading import Condition, Thread
import weakref

from metrichmsr_ros.perception.depth_sources.base import DepthSource
from metrichmsr_ros.stamps import NS_PER_S
from metrichmsr_ros.structures import DepthImage, Frame


class Background:
    """Runs a source in its own thread, always on the newest frame.

    What it returns was seen a while ago, as its ``stamp`` says: a moving camera, and whoever moves
    before one, is in it where it was then.

    Args:
        source: The slow one; used by the thread alone from now on.
        max_age: Greatest time between a frame and the depth returned for it, seconds.

    Raises:
        ValueError: ``max_age`` is not above 0.
    """

    def __init__(self, source: DepthSource, *, max_age: float) -> None:
        if not max_age > 0:
            raise ValueError(f'max_age is {max_age}: it must be above 0 s')
        self._max_age_ns = max_age * NS_PER_S
        self._mailbox = _Mailbox()
        self._thread = Thread(
            target=_work, args=(source, self._mailbox), name='depth source', daemon=True
        )
        self._thread.start()
        # The thread knows the mailbox only: who drops this object is rid of source and thread.
        weakref.finalize(self, self._mailbox.close)

    def depth(self, frame: Frame) -> DepthImage | None:
        """Return the newest finished depth at once, and hand the frame to the source.

        Returns:
            Depth with the frame that it was made of, and its ``stamp``; None before the first one,
            where it is older than ``max_age`` or younger than the frame, and where the frame's
            camera is another one.

        Raises:
            Exception: What the source raised last since the last call; it goes on with this frame.
        """
        found, error = self._mailbox.exchange(frame)
        if error is not None:
            raise error
        if found is None or found.stamp is None or found.camera != frame.camera:
            return None
        return found if 0 <= frame.stamp - found.stamp <= self._max_age_ns else None

    def close(self) -> None:
        """Let the source finish what it does, and end its thread; ``depth`` then finds no more."""
        self._mailbox.close()
        self._thread.join()


class _Mailbox:
    """The newest frame in, the newest depth or error out."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._frame: Frame | None = None
        self._depth: DepthImage | None = None
        self._error: Exception | None = None
        self._closed = False

    def exchange(self, frame: Frame) -> tuple[DepthImage | None, Exception | None]:
        """Leave a frame, in the place of one not taken yet; return depth, and an error once."""
        with self._changed:
            self._frame = frame
            error, self._error = self._error, None
            self._changed.notify()
            return self._depth, error

    def take(self) -> Frame | None:
        """Wait for a frame and return it; None once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._frame is not None)
            frame, self._frame = self._frame, None
            return None if self._closed else frame

    def put(self, depth: DepthImage | None) -> None:
        with self._changed:
            self._depth = None if self._closed else depth

    def fail(self, error: Exception) -> None:
        with self._changed:
            self._error = error

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._frame = self._depth = self._error = None
            self._changed.notify()


def _work(source: DepthSource, mailbox: _Mailbox) -> None:
    while (frame := mailbox.take()) is not None:
        try:
            depth = source.depth(frame)
        except Exception as error:  # whatever it is, who asks for depth next is told
            mailbox.fail(error)
        else:
            mailbox.put(None if depth is None else replace(depth, stamp=frame.stamp, frame=frame))
