"""Parameters on a node: declared with descriptors, guarded at run time, read as one value."""

from __future__ import annotations

from collections.abc import Callable

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from metrichmsr_ros.ros.parameters import DEFAULTS, Parameters, Rule, RULES, Value

_GIVEN_BY_ROS = ('use_sim_time', 'start_type_description_service')


class ParameterServer:
    """Declares every parameter of :class:`Parameters` and keeps bad values out."""

    def __init__(self, node: Node, *, unconfigured: Callable[[], bool]) -> None:
        """Declare all parameters.

        Args:
            node: Owner.
            unconfigured: Says whether parameters that count at the next configure may be set.

        Raises:
            rclpy.exceptions.ParameterException: A start-up value breaks a rule.
        """
        self._node = node
        self._unconfigured = unconfigured
        self._declared = False
        node.add_on_set_parameters_callback(self._check)
        for name, rule in RULES.items():
            node.declare_parameter(name, DEFAULTS[name], _descriptor(rule, DEFAULTS[name]))
        self._declared = True
        self._keep()
        # One object, exchanged whole: the worker thread never sees half of an atomic change.
        node.add_post_set_parameters_callback(self._keep)
        for name in unknown_overrides(node):
            node.get_logger().warning(f'parameter {name} is given but unknown: ignored')

    def read(self) -> Parameters:
        """Return the values of now; safe in any thread."""
        return self._values

    def _keep(self, _: list[Parameter] | None = None) -> None:
        self._values = Parameters(**{name: self._node.get_parameter(name).value for name in RULES})

    def _check(self, parameters: list[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            rule = RULES.get(parameter.name)
            if rule is None:
                continue
            reason = rule.objection(parameter.name, parameter.value)
            if self._declared and not reason and not rule.live and not self._unconfigured():
                reason = f'{parameter.name} can only be set {rule.when}: clean up the node first'
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)


def unknown_overrides(node: Node) -> list[str]:
    """Return the start-up parameters that nobody declared, e.g. for a misspelt name."""
    return [
        name
        for name in node._parameter_overrides  # rclpy has no public list of the overrides
        if not node.has_parameter(name) and not name.startswith(_GIVEN_BY_ROS)
    ]


def _descriptor(rule: Rule, default: Value) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=rule.text, read_only=rule.read_only)
    descriptor.additional_constraints = '; '.join(
        part
        for part in (rule.choices and f'one of {rule.allowed}', f'can be set {rule.when}')
        if part
    )
    if rule.bounds is not None:
        low, high = rule.bounds
        if isinstance(default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    return descriptor
