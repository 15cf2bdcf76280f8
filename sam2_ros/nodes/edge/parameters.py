"""Parameters of a node as a table. One row says everything about one parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

Value = bool | int | float | str | tuple[Any, ...]
KINDS = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'a text'}  # in words
LISTS = {int: Parameter.Type.INTEGER_ARRAY, str: Parameter.Type.STRING_ARRAY}  # by the type of their items


class Change(Enum):
    """When a parameter may be changed."""

    NEVER = 'read-only: set at the start'
    UNCONFIGURED = 'changed while the node is unconfigured'
    ANY_TIME = 'changed at any time'


@dataclass(frozen=True)
class ParameterRow:
    """One parameter. Ranges include both ends; `choices` lists the accepted texts.

    A list has a tuple as its default, and in `items` the type of its items, int or str. If the default is not empty, a
    list has as many items. The range is that of each item.
    """

    name: str
    default: Value
    description: str
    unit: str = ''
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    change: Change = Change.ANY_TIME
    items: type | None = None

    @property
    def accepted(self) -> str:
        """What is accepted, in words: 'a number from 0 to 60 s'."""
        if self.choices:
            return 'one of ' + ', '.join(self.choices)
        if isinstance(self.default, tuple):
            assert self.items is not None, f'{self.name} is a list: say of what'
            number = f'{len(self.default)} ' if self.default else ''
            kind = f'a list of {number}{KINDS[self.items].removeprefix("a ")}s'
        else:
            kind = KINDS[type(self.default)]
        limits = f' from {self.low:g} to {self.high:g}' if self.low is not None else ''
        return f'{kind}{limits}{" " + self.unit if self.unit else ""}'

    @property
    def default_text(self) -> str:
        """The default as YAML has it, without quotes: 'true', '30.0', 'auto', '[0, 0]'."""
        if isinstance(self.default, tuple):
            return str(list(self.default))
        return str(self.default).lower() if isinstance(self.default, bool) else str(self.default)

    def problem(self, value: Any) -> str | None:
        """Why the value is refused, as a sentence; None when it is fine. 3 is accepted as 3.0."""
        if isinstance(self.default, tuple):
            return None if self._is_fine_list(value) else f'{self.name} is {value!r}, but must be {self.accepted}'
        wanted: tuple[type, ...] = (int, float) if isinstance(self.default, float) else (type(self.default),)
        fits = isinstance(value, wanted) and isinstance(value, bool) == isinstance(self.default, bool)
        if fits and self.choices:
            fits = value in self.choices
        if fits and self.low is not None and self.high is not None:
            fits = self.low <= value <= self.high
        return None if fits else f'{self.name} is {value!r}, but must be {self.accepted}'

    def _is_fine_list(self, value: Any) -> bool:
        assert isinstance(self.default, tuple)
        if value is None:  # an empty list in a parameter file has no type, so that ROS takes it for no value
            return True
        if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
            return False
        fits = all(type(item) is self.items for item in value) and len(value) == (len(self.default) or len(value))
        return fits and (self.low is None or self.high is None or all(self.low <= item <= self.high for item in value))

    def descriptor(self) -> ParameterDescriptor:
        descriptor = ParameterDescriptor(
            name=self.name,
            description=f'{self.description} ({self.accepted}; {self.change.value})',
            type=(LISTS[self.items] if self.items else Parameter.Type.from_parameter_value(self.default)).value,
            read_only=self.change is Change.NEVER,
            # 3 is taken for 3.0, and an empty list is of any type; ParameterTable.check checks it with everything else.
            dynamic_typing=isinstance(self.default, (float, tuple)),
        )
        if self.low is not None and self.high is not None and self.items is None:
            if isinstance(self.default, int):
                descriptor.integer_range = [IntegerRange(from_value=int(self.low), to_value=int(self.high))]
            else:
                descriptor.floating_point_range = [FloatingPointRange(from_value=self.low, to_value=self.high)]
        return descriptor


AUTOSTART = ParameterRow(
    'autostart',
    True,
    'Configure and activate at the start. False: wait for lifecycle transitions.',
    change=Change.NEVER,
)


class ParameterTable:
    """The parameters of one node: declares them, refuses bad values, reads the current ones.

    Read a value where it is used, so that a change takes effect.
    """

    def __init__(self, node: Node, rows: Sequence[ParameterRow]) -> None:
        """Declare every row.

        Raises:
            ValueError: a sentence, if a value given at the start is not accepted.
        """
        self._node = node
        self._rows = {row.name: row for row in rows}
        for row in rows:
            default = list(row.default) if isinstance(row.default, tuple) else row.default
            given = node.declare_parameter(row.name, default, _any_type(row), ignore_override=False).value
            problem = row.problem(given)
            if problem:
                raise ValueError(problem)
            node.set_descriptor(row.name, row.descriptor())

    def __getitem__(self, name: str) -> Any:
        value, default = self._node.get_parameter(name).value, self._rows[name].default
        if isinstance(default, tuple):
            return default if value is None else tuple(value)
        return float(value) if isinstance(default, float) else value

    def check(self, parameters: Sequence[Parameter], *, configured: bool) -> SetParametersResult:
        """Whether all these changes are accepted, for Node.add_on_set_parameters_callback."""
        for parameter in parameters:
            row = self._rows.get(parameter.name)
            if row is None:
                continue
            problem = row.problem(parameter.value)
            if problem is None and row.change is Change.UNCONFIGURED and configured:
                problem = f'{row.name} can only be changed while the node is unconfigured: clean it up first'
            if problem:
                return SetParametersResult(successful=False, reason=problem)
        return SetParametersResult(successful=True)


def _any_type(row: ParameterRow) -> ParameterDescriptor:
    """A descriptor that accepts any type, so that a bad value is refused by our sentence and not by a traceback."""
    return ParameterDescriptor(name=row.name, dynamic_typing=True)


def yaml_text(rows: Sequence[ParameterRow], *, title: str) -> str:
    """The rows as a parameter file: every parameter at its default, with what it means and what is accepted."""
    lines = [f'# {title}', '', '/**:', '  ros__parameters:']
    for row in rows:
        default = f'"{row.default}"' if isinstance(row.default, str) else row.default_text
        lines += [
            '',
            f'    # {row.description}',
            f'    # {row.accepted}; {row.change.value}',
            f'    {row.name}: {default}',
        ]
    return '\n'.join(lines) + '\n'
