"""The rooms of the package and what each may import: `python docs/rooms.py` prints the map and draws docs/rooms.svg."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / 'sam2_ros'

# What each room may import of the package, from the ground up: a room names rooms above it only.
ROOMS: dict[str, set[str]] = {
    'model': set(),
    'synthetic': set(),
    'files': set(),
    'interruption': set(),
    'tracking': {'model'},
    'drawing': {'tracking'},
    'video': {'tracking', 'synthetic', 'files'},
    'live': {'model', 'tracking'},
    'evaluation': {'model', 'tracking', 'synthetic', 'video', 'drawing', 'interruption'},
    'training': {'model', 'tracking', 'synthetic', 'drawing', 'files', 'evaluation'},
    'nodes/edge': {'tracking', 'files', 'live'},
    'nodes/tracker': {'model', 'tracking', 'files', 'drawing', 'live', 'interruption', 'nodes/edge'},
    'nodes/video_player': {'video', 'nodes/edge'},
    'nodes/recorder': {'tracking', 'drawing', 'video', 'live', 'nodes/edge'},
    'nodes/bag': {'tracking', 'live', 'nodes/edge', 'nodes/tracker'},
    'tools': {
        'model', 'synthetic', 'files', 'interruption', 'tracking', 'drawing', 'video', 'live', 'evaluation',
        'nodes/edge', 'nodes/tracker', 'nodes/bag',
    },
}  # fmt: skip
MESSAGES = {'msg', 'srv'}  # generated from the folders of these names
MAY_USE_ROS = ('nodes/', 'tools/track_bag.py', 'tools/demo.py')
ROS_MODULES = {
    'ament_index_python', 'builtin_interfaces', 'cv_bridge', 'launch', 'launch_ros', 'message_filters',
    'rcl_interfaces', 'rclpy', 'rosbags', 'rosidl_runtime_py', 'tf2_ros',
}  # fmt: skip


def modules() -> list[str]:
    """All modules as paths within the package."""
    return sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob('*.py'))


def room_of(module: str) -> str:
    """The room of a module, given as its path within the package; empty for what holds rooms only."""
    parts = module.removesuffix('.py').split('/')
    if parts in (['__init__'], ['nodes', '__init__']):
        return ''
    return '/'.join(parts[:2]) if parts[0] == 'nodes' and len(parts) > 2 else parts[0]


def imported_names(source: str, module: str) -> Iterator[str]:
    """Absolute names of all that a module imports, at any depth of its code: `from a import b` gives a.b."""
    parents = ('sam2_ros', *Path(module).parent.parts)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = parents[: len(parents) - node.level + 1] if node.level else ()
            yield from ('.'.join((*base, *filter(None, [node.module]), alias.name)) for alias in node.names)


def imported_room(name: str) -> str | None:
    """The room that an imported name is of; None for names of other packages."""
    package, *parts = name.split('.')
    if package != 'sam2_ros' or not parts:
        return None
    return '/'.join(parts[:2]) if parts[0] == 'nodes' else parts[0]


def is_ros(name: str) -> bool:
    """Whether an imported name is part of ROS, or of our own messages."""
    top = name.split('.')[0]
    return top in ROS_MODULES or top.endswith(('_msgs', '_srvs', '_msgs_py')) or imported_room(name) in MESSAGES


def forbidden_imports(module: str, source: str) -> set[str]:
    """Those imports of a module that its room may not make."""
    room = room_of(module)
    allowed = ROOMS.get(room, set()) | MESSAGES | {room}
    return {
        name
        for name in imported_names(source, module)
        if (is_ros(name) and not module.startswith(MAY_USE_ROS))
        or (imported_room(name) is not None and imported_room(name) not in allowed)
    }


def arrows() -> dict[str, set[str]]:
    """By room, the other rooms that it really imports."""
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for module in modules():
        names = imported_names((PACKAGE / module).read_text(), module)
        rooms = {imported_room(name) for name in names} - {None, room_of(module)} - MESSAGES
        found.setdefault(room_of(module), set()).update(room for room in rooms if room)
    return {room: others for room, others in found.items() if room}


def floors(imports: dict[str, set[str]]) -> dict[str, int]:
    """How high each room stands: 0 imports nothing, others stand above all that they import."""
    heights: dict[str, int] = {}
    for room in imports:  # in the order of ROOMS, in which what is imported comes first
        heights[room] = 1 + max((heights[other] for other in imports[room]), default=-1)
    return heights


def printed_map() -> str:
    """One line for each room, from the ground up."""
    return '\n'.join(f'{room:20} <- {", ".join(sorted(others)) or "nothing"}' for room, others in arrows().items())


if __name__ == '__main__':
    print(printed_map())
