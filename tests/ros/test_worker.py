"""The worker thread of the running node."""

import threading
from typing import Any

from graph import running
import pytest

from metrichmsr_ros.ros.outputs import Outputs

pytestmark = pytest.mark.ros


def test_the_worker_outlives_an_error_in_the_handling_of_an_error(
    context: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise KeyError('reset')

    with running() as graph:
        graph.listen_to_people()
        graph.start()
        with monkeypatch.context() as patch:
            patch.setattr(graph.pipeline, 'reset', broken)
            graph.pipeline.fail_with = RuntimeError('first')
            assert "KeyError: 'reset'" in graph.expect_nothing(None, 'worker')
        graph.expect()


def test_an_image_is_processed_while_the_one_before_is_published_and_order_stays(
    context: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, gate, entered = Outputs.publish, threading.Event(), threading.Event()

    def slow(*arguments: Any, **named: Any) -> None:
        entered.set()
        assert gate.wait(20)
        publish(*arguments, **named)

    with running() as graph:
        graph.listen_to_people()
        graph.start()
        monkeypatch.setattr(Outputs, 'publish', slow)
        sent = [graph.send()]
        graph.spin_until(entered.is_set)
        sent.append(graph.send())
        graph.spin_until(lambda: len(graph.pipeline.frames) == 2)
        assert not graph.people
        gate.set()
        graph.spin_until(lambda: len(graph.people) == 2)
        stamps = [message.header.stamp for message in graph.people]
        assert stamps == [image.header.stamp for image in sent]


def test_what_cannot_be_published_is_told_and_the_node_goes_on(
    context: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError('no memory')

    with running() as graph:
        graph.listen_to_people()
        graph.start()
        with monkeypatch.context() as patch:
            patch.setattr(Outputs, 'publish', broken)
            assert 'RuntimeError: no memory' in graph.expect_nothing(None, 'publishing')
        graph.expect()
