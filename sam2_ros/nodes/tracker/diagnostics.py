"""The state of the tracker node as diagnostics: what comes in, what goes out, what is wrong."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from sam2_ros.live.journal import Journal
from sam2_ros.live.stamps import NANOSECONDS, stamp_nanoseconds
from sam2_ros.msg import TrackedObjectArray
from sam2_ros.nodes.edge.diagnostics import (
    ERROR,
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
from sam2_ros.nodes.edge.messages import STATE_NAMES
from sam2_ros.nodes.tracker.detection_input import DetectionInput
from sam2_ros.nodes.tracker.detection_status import detections_status
from sam2_ros.nodes.tracker.image_source import ImageSource
from sam2_ros.tracking.graphs import GraphRunner

BEHIND = 0.5  # share of the images; a node that processes fewer falls behind
HANGS = 3.0  # after so many usual latencies without an output the network is said to hang
AHEAD_TOLERANCE = 1.0  # seconds that stamps may be ahead of our clock
DROPS = ('invalid', 'duplicate', 'reordered', 'failed', 'lost_in_transport')  # worth a warning while they happen
IN_PAIRS = 10  # reports in a row; then two images per stamp are the habit of this camera
NEXT_TRANSITION = {'unconfigured': 'configure', 'inactive': 'activate'}

DIAGNOSTICS = diagnostics_endpoint('rates, skipped images by reason, age, latency by stage, memory.')


@dataclass(frozen=True)
class Snapshot:
    """What the diagnostics look at. `source` is None while the node is not active, `model` is empty without a model."""

    state: str  # of the lifecycle
    timeout: float  # seconds without images or outputs after which something is wrong
    source: ImageSource | None = None
    model: str = ''
    memory: str = ''
    device: str = ''
    graphs: GraphRunner | None = None  # that frames run on; None: they run plainly
    newest: TrackedObjectArray | None = None  # newest output
    detections: DetectionInput | None = None  # None: the node listens to no detector


class Diagnostics:
    """Publishes /diagnostics once a second, in every state of the node."""

    def __init__(self, node: Node, *, journal: Journal, snapshot: Callable[[], Snapshot]) -> None:
        self._node = node
        self._journal = journal
        self._snapshot = snapshot
        self._fresh = FreshCounts()
        self._reports_with_duplicates = 0  # in a row
        self._said: dict[str, str] = {}  # what was last said in the log, by subject
        self._idle_since: float | None = None  # seconds, monotonic clock
        self._periodic = PeriodicDiagnostics(node, self._statuses)

    def _statuses(self) -> list[DiagnosticStatus]:
        snapshot, counts = self._snapshot(), self._journal.counts()
        fresh = self._fresh.since_last(counts)
        self._complain_of_idleness(snapshot)
        found = [self._images(snapshot, counts, fresh), self._tracking(snapshot), self._prompts(counts, fresh)]
        if snapshot.detections is not None:
            age = self._age(snapshot.detections.newest_ns)
            found.append(
                detections_status(snapshot.detections, counts=counts, fresh=fresh, timeout=snapshot.timeout, age=age)
            )
        for part in found:
            part.hardware_id = snapshot.device
        return found

    def _complain_of_idleness(self, snapshot: Snapshot) -> None:
        """Say once in the log that the node does not listen to images: somebody may wait for outputs."""
        transition, now = NEXT_TRANSITION.get(snapshot.state), time.monotonic()
        if transition is None:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif now - self._idle_since > snapshot.timeout:
            self._idle_since = math.inf
            self._node.get_logger().warning(
                f'the node is {snapshot.state}: it does not listen to images '
                f'(ros2 lifecycle set {self._node.get_fully_qualified_name()} {transition})'
            )

    def _images(self, snapshot: Snapshot, counts: dict[str, int], fresh: dict[str, int]) -> DiagnosticStatus:
        dropped = {reason: fresh[reason] for reason in DROPS if fresh.get(reason)}
        rivals = self._once('publishers', snapshot.source.rivals() if snapshot.source else None)
        rate, processed = self._journal.arrived.per_second(), self._journal.published.per_second()
        self._reports_with_duplicates = self._reports_with_duplicates + 1 if 'duplicate' in dropped else 0
        if self._reports_with_duplicates > IN_PAIRS and rate:  # a camera that hangs may send one image for ever
            del dropped['duplicate']
        level, message = OK, f'{rate:.1f} images/s'
        if snapshot.source is None:
            level, message = WARN, f'the node is {snapshot.state}: it does not listen to images'
        elif trouble := snapshot.source.trouble():
            level, message = ERROR, trouble
        elif dropped:
            level, message = WARN, 'images are dropped: ' + ', '.join(f'{n} {reason}' for reason, n in dropped.items())
        elif rivals:
            level, message = WARN, rivals
        elif fresh.get('stamp_outliers'):
            level, message = WARN, f'{fresh["stamp_outliers"]} images had a stamp that does not fit those around it'
        elif processed < BEHIND * rate:
            level = WARN
            message = f'falls behind: {processed:.1f} of {rate:.1f} images/s are processed, the others are skipped'
        values = {
            'topic': snapshot.source.topic if snapshot.source else '',
            'images/s': f'{rate:.2f}',
            'skipped': counts.get('skipped', 0),
        }
        reasons = (*DROPS, 'stamp_outliers', 'unstamped', 'time_jumps', 'format_changes')
        return status('images', level, message, values | {reason: counts.get(reason, 0) for reason in reasons})

    def _tracking(self, snapshot: Snapshot) -> DiagnosticStatus:
        level, message = OK, f'{self._journal.published.per_second():.1f} images/s processed'
        waiting_since, latencies = self._journal.waiting_since, self._journal.latencies.percentiles()
        behind = time.monotonic() - waiting_since if waiting_since is not None else 0.0
        _, usual = latencies.get('total', (0.0, 0.0))  # a slow model is not a network that hangs
        newest_ns = stamp_nanoseconds(snapshot.newest.header.stamp) if snapshot.newest else 0
        age, namesakes = self._age(newest_ns), self._once('name', self._namesakes())
        graphs = snapshot.graphs
        trouble = self._once('graphs', graphs.trouble if graphs else None)
        if not snapshot.model:
            level, message = WARN, f'the node is {snapshot.state}: no model is loaded'
        elif snapshot.source and behind > max(snapshot.timeout, HANGS * usual):
            level, message = ERROR, f'images come, but none was processed for {behind:.0f} s'
        elif age is not None and age < -AHEAD_TOLERANCE:
            level, message = WARN, f'stamps are {-age:.1f} s ahead of the clock of this node (use_sim_time?)'
        elif namesakes:
            level, message = WARN, namesakes
        elif trouble:
            level, message = WARN, trouble
        states = Counter(tracked.state for tracked in snapshot.newest.objects) if snapshot.newest else Counter()
        values: dict[str, Any] = {
            'model': snapshot.model,
            'memory policy': snapshot.memory,
            'device': snapshot.device,
            'processed images/s': f'{self._journal.published.per_second():.2f}',
            'age of newest output, s': '' if age is None else f'{age:.3f}',
        }
        values |= {f'objects {name}': states[state] for state, name in STATE_NAMES.items()}
        values |= latency_values(latencies)
        values['process memory, MB'] = f'{process_memory() / MEGABYTE:.0f}'
        if snapshot.device.startswith('cuda'):
            values['device memory, MB'] = f'{torch.cuda.memory_reserved(snapshot.device) / MEGABYTE:.0f}'
        if graphs:
            values |= {'graphs': graphs.count, 'memory of graphs, MB': f'{graphs.nbytes / MEGABYTE:.0f}'}
        return status('tracking', level, message, values)

    def _namesakes(self) -> str | None:
        """That several nodes have our name, as a sentence; None if no other has."""
        name = self._node.get_fully_qualified_name()
        number = sum(
            f'{namespace.rstrip("/")}/{other}' == name
            for other, namespace in self._node.get_node_names_and_namespaces()
        )
        if number < 2:
            return None
        return f'{number} nodes are named {name}: their outputs and services are mixed; give each a name or namespace'

    def _once(self, subject: str, sentence: str | None) -> str | None:
        """Returns the sentence. It is logged when it is new."""
        if sentence and self._said.get(subject) != sentence:
            self._node.get_logger().warning(sentence)
        self._said[subject] = sentence or ''
        return sentence

    def _prompts(self, counts: dict[str, int], fresh: dict[str, int]) -> DiagnosticStatus:
        refused = fresh.get('prompts_refused', 0)
        level, message = OK, 'no prompt was refused lately'
        if refused:
            level, message = WARN, f'{refused} refused, the last because: {self._journal.last_refusal}'
        return status(
            'prompts',
            level,
            message,
            {
                'applied': counts.get('prompts_applied', 0),
                'refused': counts.get('prompts_refused', 0),
                'applied, but with an empty mask': counts.get('empty_prompts', 0),
                'applied, but the mask does not fit': counts.get('prompts_that_do_not_fit', 0),
                'superseded by newer ones': counts.get('prompts_superseded', 0),
                'catch-ups cut short': counts.get('catch_ups_cut_short', 0),
                'last refusal': self._journal.last_refusal,
            },
        )

    def _age(self, stamp_ns: int) -> float | None:
        """Seconds from a stamp, in nanoseconds, to now; None without a stamp."""
        return (self._node.get_clock().now().nanoseconds - stamp_ns) / NANOSECONDS if stamp_ns else None
