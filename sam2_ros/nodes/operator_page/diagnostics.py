"""The state of the page as diagnostics: who looks, what is late, what was refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from sam2_ros.live.journal import Journal
from sam2_ros.nodes.edge.diagnostics import (
    MEGABYTE,
    OK,
    WARN,
    FreshCounts,
    PeriodicDiagnostics,
    diagnostics_endpoint,
    latency_values,
    process_memory,
    status,
)
from sam2_ros.web.server import Figures

DIAGNOSTICS = diagnostics_endpoint('the address, who looks, latency to the screen, what was refused.')


@dataclass(frozen=True)
class Snapshot:
    """What the diagnostics look at.

    Attributes:
        state: of the lifecycle.
        address: of the page; empty while it is not served.
        troubles: by tracker, what is wrong as a sentence, or None.
        recording: whether there is one.
    """

    state: str
    address: str = ''
    troubles: Mapping[str, str | None] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)
    recording: bool = False


class Diagnostics:
    """Publishes /diagnostics once a second, in every state of the node."""

    def __init__(self, node: Node, *, journal: Journal, snapshot: Callable[[], Snapshot]) -> None:
        self._journal, self._snapshot = journal, snapshot
        self._fresh = FreshCounts()
        self._periodic = PeriodicDiagnostics(node, self._statuses)

    def _statuses(self) -> Sequence[DiagnosticStatus]:
        snapshot, counts = self._snapshot(), self._journal.counts()
        fresh = self._fresh.since_last(counts)
        figures = snapshot.figures
        silent = [sentence for sentence in snapshot.troubles.values() if sentence]
        level, message = OK, f'{figures.viewers} pages are open'
        if not snapshot.address:
            level, message = WARN, f'the node is {snapshot.state}: the page is not served'
        elif snapshot.state != 'active':
            level, message = WARN, f'the node is {snapshot.state}: it listens to no tracker'
        elif not snapshot.troubles:
            level, message = WARN, 'no tracker was found yet'
        elif silent:
            level, message = WARN, '; '.join(silent)
        elif fresh.get('recording'):
            level, message = WARN, 'a recording has ended by itself'
        values = {
            'address': snapshot.address,
            'trackers': ', '.join(snapshot.troubles),
            'open pages': figures.viewers,
            'pictures/s': f'{self._journal.published.per_second():.2f}',
            'recording': snapshot.recording,
            'prompts refused': counts.get('prompts_refused', 0),
            'messages not understood': figures.refused,
            'last refusal': self._journal.last_refusal,
            'images that cannot be read': counts.get('invalid', 0),
            'memory, MB': f'{process_memory() / MEGABYTE:.0f}',
        }
        if figures.latency:
            values |= latency_values({'stamp to screen': figures.latency})
        return [status('page', level, message, values)]
