"""Arrays of objects that wait for their depth and their transforms, so that nothing else waits for them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sam2_ros.live.journal import Journal
from sam2_ros.live.settings import Settings
from sam2_ros.live.stamps import stamp_nanoseconds
from sam2_ros.nodes.objects_3d.lifting import Lifted, Lifting
from sam2_ros.spatial.ring import Chance, StampedRing
from sam2_ros.spatial.transforms import TransformNotYet

MOST_WAITING = 10  # of more the oldest goes on with what there is
SLACK = 1.5  # steps between depth images that are waited for the next one


@dataclass
class _Waiting:
    objects: Any
    since: float = field(default_factory=time.monotonic)  # seconds, monotonic clock


class WaitingObjects:
    """A queue. Its arrays leave it in the order in which they came, each with the best that is known in time."""

    def __init__(
        self,
        settings: Settings,
        *,
        ring: StampedRing[Any],
        lifting: Lifting,
        journal: Journal,
        on_lifted: Callable[[Lifted], None],
    ) -> None:
        self._settings, self._ring, self._lifting, self._journal = settings, ring, lifting, journal
        self._on_lifted = on_lifted
        self._queue: deque[_Waiting] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, objects: Any) -> None:
        """Queue a sam2_ros/TrackedObjectArray, and work on all that is ready."""
        self._queue.append(_Waiting(objects))
        self.work()

    def work(self) -> None:
        """Work on all that is ready or has waited long enough."""
        while self._queue:
            crowded = len(self._queue) > MOST_WAITING
            if crowded:
                self._journal.count('overtaken')
            began = time.monotonic()
            waiting = self._queue[0]
            lifted = self._try(waiting, last=crowded)
            if lifted is None:
                return
            self._queue.popleft()
            self._journal.latencies.add('lift', time.monotonic() - began)
            self._journal.latencies.add('wait', began - waiting.since)
            if lifted.problem:
                self._journal.last_refusal = lifted.problem
                self._journal.note('unmeasured', f'objects are not measured: {lifted.problem}')
            self._on_lifted(lifted)

    def _try(self, waiting: _Waiting, *, last: bool) -> Lifted | None:
        """What comes of an array; None if it is worth to wait. `last`: it may not wait any more."""
        objects, waited = waiting.objects, time.monotonic() - waiting.since
        stamp_ns = stamp_nanoseconds(objects.header.stamp)
        if not stamp_ns:
            return self._lifting.predict(objects, 'the images have no stamp, so no depth can be found for them')
        match = self._ring.find(stamp_ns, tolerance=self._settings['max_time_difference'])
        if match.chance is Chance.WAIT and not last and waited < SLACK * self._ring.usual_step:
            return None
        if match.item is None:
            return self._lifting.predict(objects, match.reason)
        try:
            return self._lifting.lift(objects, match.item)
        except TransformNotYet as error:
            if not last and waited < self._settings['tf_timeout']:
                return None
            return self._lifting.predict(objects, str(error))
        except ValueError as error:
            return self._lifting.predict(objects, str(error))
