"""The rooms of the package and what each may import.

`python docs/rooms.py` prints the map, draws docs/rooms.svg and writes the table of rooms in docs/architecture.md.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise, permutations
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / 'sam2_ros'
PICTURE = Path(__file__).parent / 'rooms.svg'
PAGE = Path(__file__).parent / 'architecture.md'
BEGIN, END = '<!-- rooms: made by `python docs/rooms.py` -->', '<!-- end of rooms -->'

# What each room may import of the package, from the ground up: a room names rooms above it only.
ROOMS: dict[str, set[str]] = {
    'model': set(),
    'synthetic': set(),
    'files': set(),
    'interruption': set(),
    'spatial': set(),
    'effects': set(),
    'images': {'model', 'files'},
    'masklets': {'files'},
    'web': set(),
    'tracking': {'model'},
    'drawing': {'tracking'},
    'video': {'tracking', 'synthetic', 'files'},
    'session': {'model', 'tracking', 'video'},
    'labelling': {'model', 'files', 'images', 'masklets', 'tracking', 'session'},
    'live': {'model', 'tracking'},
    'detections': {'live', 'tracking'},
    'evaluation': {
        'model', 'tracking', 'synthetic', 'files', 'video', 'drawing', 'interruption', 'masklets', 'session',
    },
    'training': {'model', 'tracking', 'synthetic', 'drawing', 'files', 'evaluation', 'interruption'},
    'nodes/edge': {'tracking', 'files', 'live', 'spatial', 'detections', 'interruption'},
    'nodes/tracker': {'model', 'tracking', 'files', 'drawing', 'effects', 'live', 'detections', 'nodes/edge'},
    'nodes/trackers': {'model', 'live', 'nodes/edge', 'nodes/tracker'},
    'nodes/video_player': {'video', 'nodes/edge'},
    'nodes/recorder': {'tracking', 'drawing', 'video', 'live', 'nodes/edge'},
    'nodes/objects_3d': {'drawing', 'live', 'spatial', 'nodes/edge'},
    'nodes/bag': {'model', 'tracking', 'session', 'live', 'detections', 'nodes/edge', 'nodes/tracker'},
    'nodes/operator_page': {'tracking', 'drawing', 'files', 'live', 'web', 'nodes/edge', 'nodes/bag'},
    'tools': {
        'model', 'synthetic', 'files', 'interruption', 'effects', 'images', 'masklets', 'tracking', 'drawing', 'video',
        'session', 'labelling', 'live', 'evaluation', 'nodes/edge', 'nodes/tracker', 'nodes/bag',
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


def description(room: str) -> str:
    """The first sentence of the docstring of a room."""
    file = PACKAGE / room / '__init__.py'
    source = (file if file.exists() else PACKAGE / f'{room}.py').read_text()
    text = ' '.join((ast.get_docstring(ast.parse(source)) or '').split('\n\n')[0].split())
    return text.split('. ')[0].rstrip('.').replace('`', '')


def page_with_rooms() -> str:
    """The page on the architecture, with the table of rooms as the code has them."""
    rows = ['| room | holds | imports |', '|---|---|---|']
    for room, others in arrows().items():
        path = f'sam2_ros/{room}/' if (PACKAGE / room).is_dir() else f'sam2_ros/{room}.py'
        rows.append(f'| `{path}` | {description(room)} | {", ".join(sorted(others)) or "nothing of the others"} |')
    before, _, rest = PAGE.read_text(encoding='utf-8').partition(BEGIN)
    return '\n'.join([f'{before}{BEGIN}\n', *rows, f'\n{END}{rest.partition(END)[2]}'])


def needed_arrows(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """The arrows without those that follow from others: what a room reaches through another room is left out."""
    reached: dict[str, set[str]] = {}
    for room in imports:  # in the order of ROOMS
        reached[room] = imports[room].union(*(reached[other] for other in imports[room]))
    return {
        room: {other for other in others if not any(other in reached[between] for between in others)}
        for room, others in imports.items()
    }


# The picture. Lengths in pixels.
BOX_WIDTH, LINE_HEIGHT, LINE_LENGTH, TITLE_HEIGHT = 206, 15, 28, 25
LANE_WIDTH, GAP, FLOOR_GAP, MARGIN = 8, 22, 62, 28
HEADING = 92  # height of what stands above the rooms
COLOURS = (
    '#17718f', '#b5541c', '#77810f', '#8a4f9e', '#c0392b', '#2d62c8', '#0a8f75', '#b58300', '#cf3f78', '#5c5fae',
    '#4a525c', '#8c5a3c',
)  # fmt: skip


@dataclass
class Spot:
    """A place on a floor: a room, or a lane in which arrows to the room `target` pass that floor."""

    name: str
    target: str
    lines: list[str] = field(default_factory=list)
    x: float = 0.0  # of the centre
    below: list[Spot] = field(default_factory=list)  # where arrows go from here
    above: list[Spot] = field(default_factory=list)  # where they come from

    @property
    def width(self) -> int:
        return BOX_WIDTH if self.lines else LANE_WIDTH

    def aim(self) -> float:
        """Where it would stand best: in the middle of its neighbours."""
        neighbours = [*self.below, *self.above]
        return sum(other.x for other in neighbours) / len(neighbours) if neighbours else self.x


def arranged(imports: dict[str, set[str]]) -> list[list[Spot]]:
    """The floors from the ground up, with few crossings of arrows."""
    heights = floors(imports)
    spots = {room: Spot(room, room, textwrap.wrap(description(room), LINE_LENGTH)) for room in imports}
    storeys: list[list[Spot]] = [[] for _ in range(max(heights.values()) + 1)]
    for room, spot in spots.items():
        storeys[heights[room]].append(spot)
    for room, others in needed_arrows(imports).items():
        for other in sorted(others):
            lane = spots[room]
            for floor in range(heights[room] - 1, heights[other], -1):
                name = f'{other} at {floor}'
                if name not in spots:
                    spots[name] = Spot(name, other)
                    storeys[floor].append(spots[name])
                _join(lane, spots[name])
                lane = spots[name]
            _join(lane, spots[other])
    _untangle(storeys)
    _spread(storeys)
    return storeys


def _join(upper: Spot, lower: Spot) -> None:
    if lower not in upper.below:
        upper.below.append(lower)
        lower.above.append(upper)


def _untangle(storeys: list[list[Spot]]) -> None:
    """Order each floor for the fewest crossings with the floors beside it, until no floor gets better."""
    _stand(storeys)
    for _ in range(2 * len(storeys)):
        before = [[spot.name for spot in storey] for storey in storeys]
        for storey in storeys:
            orders: Iterable[tuple[Spot, ...]] = permutations(storey) if len(storey) <= 7 else _swaps(storey)
            best = min(orders, key=_tangle)
            storey[:] = best
            _stand([storey])
        if [[spot.name for spot in storey] for storey in storeys] == before:
            return


def _swaps(storey: list[Spot]) -> Iterator[tuple[Spot, ...]]:
    """The order as it is, and with any two spots exchanged."""
    yield tuple(storey)
    for first, second in ((i, j) for j in range(len(storey)) for i in range(j)):
        order = list(storey)
        order[first], order[second] = order[second], order[first]
        yield tuple(order)


def _stand(storeys: list[list[Spot]]) -> None:
    """Put the spots of each floor side by side about x = 0."""
    for storey in storeys:
        x = -(sum(spot.width for spot in storey) + GAP * (len(storey) - 1)) / 2
        for spot in storey:
            spot.x = x + spot.width / 2
            x += spot.width + GAP


def _tangle(order: tuple[Spot, ...]) -> tuple[int, float]:
    """Crossings of the arrows of a floor in this order, then how far they go sideways."""
    _stand([list(order)])
    crossings = 0
    for left, right in ((order[i], order[j]) for j in range(len(order)) for i in range(j)):
        for side in ('below', 'above'):
            crossings += sum(a.x > b.x for a in getattr(left, side) for b in getattr(right, side))
    return crossings, sum(abs(spot.x - other.x) for spot in order for other in (*spot.below, *spot.above))


def _spread(storeys: list[list[Spot]]) -> None:
    """Move the spots under and over their neighbours, in the order they have, without leaving the widest floor."""
    edge = max(storey[-1].x + storey[-1].width / 2 for storey in storeys)
    for _ in range(40):
        for storey in (*storeys, *reversed(storeys)):
            for spot in storey:
                spot.x = (spot.x + spot.aim()) / 2
            for left, right in pairwise(storey):
                right.x = max(right.x, left.x + (left.width + right.width) / 2 + GAP)
            storey[-1].x = min(storey[-1].x, edge - storey[-1].width / 2)
            for right, left in pairwise(reversed(storey)):
                left.x = min(left.x, right.x - (left.width + right.width) / 2 - GAP)
            storey[0].x = max(storey[0].x, -edge + storey[0].width / 2)
            for left, right in pairwise(storey):
                right.x = max(right.x, left.x + (left.width + right.width) / 2 + GAP)


def picture() -> str:
    """The rooms as an SVG: floors from the ground up, and the arrows that do not follow from others."""
    imports = arrows()
    storeys = arranged(imports)
    left = min(spot.x - spot.width / 2 for storey in storeys for spot in storey) - MARGIN
    right = max(spot.x + spot.width / 2 for storey in storeys for spot in storey) + MARGIN
    colours = {room: COLOURS[number % len(COLOURS)] for number, room in enumerate(imports)}
    heights = [TITLE_HEIGHT + LINE_HEIGHT * max(len(spot.lines) for spot in storey) + 14 for storey in storeys]
    bottom = HEADING + sum(heights) + FLOOR_GAP * (len(storeys) - 1) + MARGIN
    boxes: list[str] = []
    lines: list[str] = []
    y = bottom - MARGIN  # the bottom of the floor in work
    for storey, height in zip(storeys, heights, strict=True):
        for spot in storey:
            x = spot.x - left
            if spot.lines:
                boxes += _box(spot, x, y - height, height, colours[spot.target])
            else:
                lines.append(_path(f'M{x:.0f} {y - height:.0f} V{y:.0f}', colours[spot.target]))
            ends = sorted(spot.below, key=lambda other: other.x)
            for number, other in enumerate(ends):
                start = x + (spot.width * 0.7 * ((number + 0.5) / len(ends) - 0.5) if spot.lines else 0)
                lines += _arrow(start, y, other.x - left, y + FLOOR_GAP, bool(other.lines), colours[other.target])
        y -= height + FLOOR_GAP
    width = right - left
    return '\n'.join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {bottom:.0f}" '
            f'font-family="\'DejaVu Sans\', Verdana, Helvetica, Arial, sans-serif" role="img">',
            '<title>The rooms of sam2_ros and what each of them imports</title>',
            f'<rect width="{width:.0f}" height="{bottom:.0f}" rx="14" fill="#fbfaf6"/>',
            *_heading(),
            *lines,
            *boxes,
            '</svg>',
            '',
        ]
    )


def _heading() -> list[str]:
    text = '<text x="{x}" y="{y}" font-size="{size}" fill="{fill}">{words}</text>'
    x = MARGIN
    return [
        text.format(x=x, y=38, size=19, fill='#20242a', words='The rooms of sam2_ros'),
        text.format(
            x=x,
            y=60,
            size=12,
            fill='#5a6068',
            words='An arrow leads to a room that is imported, and has its colour. '
            'Arrows that follow from others are left out.',
        ),
        f'<rect x="{x}" y="70" width="14" height="11" rx="3" fill="#e6f0f7" stroke="#9db7c9"/>',
        text.format(x=x + 20, y=80, size=12, fill='#5a6068', words=f'knows ROS, as {" and ".join(MAY_USE_ROS[1:])} do'),
    ]


def _path(way: str, colour: str) -> str:
    return f'<path d="{way}" fill="none" stroke="{colour}" stroke-width="1.8"/>'


def _arrow(x: float, y: float, to_x: float, to_y: float, ends: bool, colour: str) -> list[str]:
    """From the bottom of a spot to the top of one on the next floor, with a head where it ends at a room."""
    tip = to_y - (7 if ends else 0)
    bend = 0.55 * (tip - y)
    way = f'M{x:.1f} {y:.1f} C{x:.1f} {y + bend:.1f} {to_x:.1f} {tip - bend:.1f} {to_x:.1f} {tip:.1f}'
    head = f'<path d="M{to_x - 5:.1f} {tip - 2:.1f} h10 l-5 9 z" fill="{colour}"/>'
    return [_path(way, colour), *([head] if ends else [])]


def _box(spot: Spot, x: float, y: float, height: float, colour: str) -> list[str]:
    ros = spot.name.startswith('nodes/')
    fill, line = ('#e6f0f7', '#9db7c9') if ros else ('#ffffff', '#c9c6bb')
    left = x - BOX_WIDTH / 2
    words = [
        f'<text x="{left + 12:.1f}" y="{y + TITLE_HEIGHT + 16 + LINE_HEIGHT * number:.1f}" font-size="11.5" '
        f'fill="#3d434b">{escape(line_, quote=False)}</text>'
        for number, line_ in enumerate(spot.lines)
    ]
    return [
        f'<rect x="{left:.1f}" y="{y:.1f}" width="{BOX_WIDTH}" height="{height:.1f}" rx="8" fill="{fill}" '
        f'stroke="{line}" stroke-width="1.2"/>',
        f'<rect x="{left:.1f}" y="{y + 9:.1f}" width="4" height="{height - 18:.1f}" rx="2" fill="{colour}"/>',
        f'<text x="{left + 12:.1f}" y="{y + 21:.1f}" font-size="14" font-weight="bold" fill="#20242a">'
        f'{escape(spot.name)}</text>',
        *words,
    ]


if __name__ == '__main__':
    print(printed_map())
    PICTURE.write_text(picture(), encoding='utf-8')
    PAGE.write_text(page_with_rooms(), encoding='utf-8')
