"""The table of parameters, the file that mirrors it, and what is refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rclpy.node import Node
from rclpy.parameter import Parameter

from sam2_ros.nodes.edge.parameters import Change, ParameterRow, ParameterTable, yaml_text
from sam2_ros.nodes.tracker.parameters import TITLE, TRACKER_PARAMETERS
from tests.common import REPOSITORY

YAML = REPOSITORY / 'config/tracker.yaml'
ROWS = (
    ParameterRow('count', 3, 'A number.', 'pieces', 0, 10),
    ParameterRow('seconds', 1.5, 'A time.', 's', 0.0, 9.0),
    ParameterRow('kind', 'x', 'A choice.', choices=('x', 'y'), change=Change.UNCONFIGURED),
    ParameterRow('fixed', True, 'A switch.', change=Change.NEVER),
    ParameterRow('names', (), 'Words.', items=str),
    ParameterRow('size', (0, 0), 'Width and height.', 'pixels', 0, 99, items=int),
)


@pytest.fixture
def context() -> Iterator[rclpy.Context]:
    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    context.shutdown()


def make_table(context: rclpy.Context, **given: object) -> tuple[Node, ParameterTable]:
    overrides = [Parameter(name, value=value) for name, value in given.items()]
    node = Node('parameters_test', context=context, parameter_overrides=overrides)
    table = ParameterTable(node, ROWS)
    node.add_on_set_parameters_callback(lambda changes: table.check(changes, configured=True))
    return node, table


def test_the_file_is_the_table() -> None:
    assert YAML.read_text() == yaml_text(TRACKER_PARAMETERS, title=TITLE), (
        'write it anew: python -m sam2_ros.nodes.tracker.parameters > config/tracker.yaml'
    )


def test_the_file_holds_the_defaults_with_their_types() -> None:
    values = yaml.safe_load(YAML.read_text())['/**']['ros__parameters']
    defaults = [list(row.default) if isinstance(row.default, tuple) else row.default for row in TRACKER_PARAMETERS]
    assert values == {row.name: default for row, default in zip(TRACKER_PARAMETERS, defaults, strict=True)}
    assert [type(value) for value in values.values()] == [type(default) for default in defaults]


@pytest.mark.parametrize('row', TRACKER_PARAMETERS, ids=lambda row: row.name)
def test_every_row_says_what_it_is(row: ParameterRow) -> None:
    assert row.problem(row.default) is None
    assert row.description.endswith('.')
    if type(row.default) in (int, float):
        assert row.unit and row.low is not None and row.high is not None


def test_values_given_at_the_start(context: rclpy.Context) -> None:
    _, table = make_table(context, count=7, seconds=4, kind='y', fixed=False, names=['a', 'b'], size=[6, 4])
    assert [table[row.name] for row in ROWS] == [7, 4.0, 'y', False, ('a', 'b'), (6, 4)]
    assert isinstance(table['seconds'], float)


@pytest.mark.parametrize(
    ('name', 'value', 'sentence'),
    [
        ('count', 11, 'count is 11, but must be a whole number from 0 to 10 pieces'),
        ('count', 2.5, 'count is 2.5, but must be a whole number from 0 to 10 pieces'),
        ('count', True, 'count is True, but must be a whole number from 0 to 10 pieces'),
        ('seconds', -1.0, 'seconds is -1.0, but must be a number from 0 to 9 s'),
        ('seconds', float('nan'), 'seconds is nan, but must be a number from 0 to 9 s'),
        ('kind', 'z', "kind is 'z', but must be one of x, y"),
        ('fixed', 'no', "fixed is 'no', but must be true or false"),
        ('names', 'a', "names is 'a', but must be a list of texts"),
        ('names', [1], 'names is [1], but must be a list of texts'),
        ('size', [6], 'size is [6], but must be a list of 2 whole numbers from 0 to 99 pixels'),
        ('size', [6, 100], 'size is [6, 100], but must be a list of 2 whole numbers from 0 to 99 pixels'),
        ('size', [6.0, 4.0], 'size is [6.0, 4.0], but must be a list of 2 whole numbers from 0 to 99 pixels'),
    ],
)
def test_bad_values_at_the_start_are_refused_with_a_sentence(
    context: rclpy.Context, name: str, value: object, sentence: str
) -> None:
    with pytest.raises(ValueError) as refused:
        make_table(context, **{name: value})
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ('name', 'value', 'accepted'),
    [
        ('count', 10, True),
        ('count', 11, False),
        ('count', 'a', False),
        ('seconds', 2, True),
        ('seconds', 9.5, False),
        ('kind', 'y', False),
        ('fixed', False, False),
        ('names', ('x',), True),
        ('names', (), True),
        ('size', (9, 9), True),
        ('size', (9, 9, 9), False),
    ],
)
def test_changes_while_it_runs(context: rclpy.Context, name: str, value: object, accepted: bool) -> None:
    node, table = make_table(context)
    before = table[name]
    result = node.set_parameters([Parameter(name, value=value)])[0]
    assert result.successful is accepted
    assert table[name] == (type(before)(value) if accepted else before)
    assert accepted or result.reason


def test_an_empty_list_in_a_parameter_file_is_the_default(tmp_path: Path) -> None:
    """ROS does not know its type and takes it for no value."""
    file = tmp_path / 'empty.yaml'
    file.write_text('/**: {ros__parameters: {names: [], size: []}}')
    context = rclpy.Context()
    rclpy.init(context=context, args=['--ros-args', '--params-file', str(file)])
    try:
        _, table = make_table(context)
        assert (table['names'], table['size']) == ((), (0, 0))
    finally:
        context.shutdown()


def test_one_bad_value_refuses_all_of_them(context: rclpy.Context) -> None:
    node, table = make_table(context)
    changes = [Parameter('count', value=5), Parameter('seconds', value=100.0)]
    assert not node.set_parameters_atomically(changes).successful
    assert table['count'] == 3


def test_the_descriptor_says_it_all(context: rclpy.Context) -> None:
    node, _ = make_table(context)
    count, fixed = node.describe_parameter('count'), node.describe_parameter('fixed')
    assert (count.integer_range[0].from_value, count.integer_range[0].to_value) == (0, 10)
    assert count.description.startswith('A number. (a whole number from 0 to 10 pieces')
    assert fixed.read_only and not count.read_only


def test_a_list_in_a_file() -> None:
    rows = [ParameterRow('names', ('a', 'b'), 'Some names.', items=str)]
    assert yaml.safe_load(yaml_text(rows, title=''))['/**']['ros__parameters'] == {'names': ['a', 'b']}


@given(st.one_of(st.integers(), st.floats(), st.booleans(), st.text(), st.none(), st.lists(st.integers())))
def test_a_value_is_fine_or_there_is_a_sentence(value: object) -> None:
    for row in ROWS:
        problem = row.problem(value)
        assert problem is None or problem.startswith(f'{row.name} is ')
        if problem is None and row.low is not None and value is not None:
            assert all(row.low <= item <= row.high for item in (value if row.items else [value]))
