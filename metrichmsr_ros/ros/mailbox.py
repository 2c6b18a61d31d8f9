"""A one-slot mailbox: the newest item wins, the overwritten ones are counted."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar('Item')


class Mailbox(Generic[Item]):
    """Hands items from the executor thread to one worker without ever building a backlog."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._item: Item | None = None
        self._closed = False

    def put(self, item: Item) -> bool:
        """Store ``item``; return whether an unread one was dropped for it."""
        with self._ready:
            dropped = self._item is not None
            self._item = item
            self._ready.notify()
        return dropped

    def take(self) -> Item | None:
        """Wait for an item and remove it; None once the mailbox is closed."""
        with self._ready:
            self._ready.wait_for(lambda: self._closed or self._item is not None)
            if self._closed:
                return None
            item, self._item = self._item, None
        return item

    def close(self) -> None:
        """Wake the reader for the last time; what is unread is forgotten."""
        with self._ready:
            self._closed = True
            self._item = None
            self._ready.notify_all()
