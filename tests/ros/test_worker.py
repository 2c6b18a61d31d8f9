"""The worker thread of the running node."""

from graph import running
import pytest

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
