"""Requests for lifecycle transitions that cannot be."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode


def refuse_impossible_transitions(node: LifecycleNode) -> None:
    """Answer a request for a transition that the node's state does not have with no.

    rclpy 7 does so where the request names the transition. Where it has only the number, as those
    of most C++ programs, rclpy raises out of ``spin()``, and the process ends.
    """
    service = node._service_change_state
    answer = service.callback

    def change_state(request: Any, response: Any) -> Any:
        wanted = request.transition
        possible = {number for number, *_ in node._state_machine.available_transitions}
        if not wanted.label and wanted.id not in possible:
            state = node._state_machine.current_state[1]
            node.get_logger().warning(f'there is no transition {wanted.id} from {state}')
            response.success = False
            return response
        return answer(request, response)

    service.callback = change_state
