"""From boxes of a detector to ordinary prompts: which object each box is of, and when one starts an object."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from sam2_ros.detections.bars import Bar, Bars
from sam2_ros.detections.boxes import (
    SAME_BOX,
    SAME_THING,
    Box,
    DetectedBox,
    Fit,
    cut_to_image,
    diagonal,
    distance,
    overlap,
    without_second_names,
)
from sam2_ros.detections.duplicates import duplicates
from sam2_ros.detections.kinds import ObjectKind
from sam2_ros.detections.seen import SeenObject, objects_at
from sam2_ros.detections.trails import Trail, Trails, TrailStatus, best_pairs
from sam2_ros.live.arrived_images import ArrivedImage, ArrivedImages, ImageStatus
from sam2_ros.live.journal import Journal
from sam2_ros.live.requests import UNNAMED, Answer, PromptRequest, Source, ignore
from sam2_ros.live.settings import Settings
from sam2_ros.tracking import Prompt

COVERED = 0.7  # share of a box that the mask of an object fills; then the box is taken for a part or a name of it
NEAR = 3.0  # diagonals from where a hidden object was seen last, within which a box may be that object
MAX_BOXES = 100  # the surest of one message; more would take long to compare
LEAST_ALONE = 5  # messages that must have had no box for an object before it is removed: the detector may pause
BAR_TIME = 10.0  # seconds that a place is barred; after a removal by hand from when something was seen there last


class Objects(Protocol):
    """What is known of the objects beside their tracks. All of it is used in the inference thread only.

    Attributes:
        image_size: (height, width) of the newest image in pixels.
        known_objects: the ids of all.
    """

    image_size: tuple[int, int]

    @property
    def known_objects(self) -> Collection[str]: ...

    @property
    def max_objects(self) -> int: ...

    def kind(self, object_id: str) -> ObjectKind: ...


class Commands(Protocol):
    """What is asked of the stream of the camera; it is done later."""

    def submit(self, image: ArrivedImage, request: PromptRequest) -> None: ...

    def remove(self, object_id: str, answer: Callable[[Answer], None]) -> None: ...


@dataclass
class _Watch:
    """What the detector has said of one object lately.

    Attributes:
        place: where the object was seen last.
        poor: boxes in a row that overlap too little with its mask, though they agree with each other; `poor_box` is
            the newest.
        alone: messages in a row in which no box was of it; the first was at `alone_since`, in seconds of stream time.
        others_seen: meanwhile boxes were of others of its class, so that the detector does look for it.
    """

    place: Box | None = None
    poor: int = 0
    poor_box: Box | None = None
    alone: int = 0
    alone_since: float = 0.0
    others_seen: bool = False


class DetectionPrompts:
    """Compares every message of a detector with what was handed out for the image it is about.

    A box that is of an object supports it. A box of nothing starts an object once it was seen often enough, by a prompt
    on its own image. Whoever prompts an object by hand has it for good: detections neither correct nor remove it.
    Used by the inference thread only.

    Call `begin` first.

    Attributes:
        waiting: things that were seen, but not often enough to start an object, as of the newest message.
    """

    def __init__(self, settings: Settings, *, ring: ArrivedImages, objects: Objects, journal: Journal) -> None:
        """`settings`: all that begin with detection_."""
        self.waiting = 0
        self._commands: Commands | None = None
        self._settings = settings
        self._ring = ring
        self._objects = objects
        self._journal = journal
        self._trails = Trails()
        self._bars = Bars()
        self._watched: dict[str, _Watch] = {}
        self._arrived = -1.0  # when the newest image arrived that a message was about

    def begin(self, commands: Commands) -> None:
        """Everything begins anew, with this stream: nothing was seen, nothing is barred."""
        self._commands = commands
        self.forget()

    def take(self, image: ArrivedImage, boxes: Sequence[DetectedBox]) -> None:
        """A message of the detector.

        Args:
            image: it is about this image, which has settled (`has_settled`).
            boxes: in pixels of the detector's input. None at all is a message, too: it has looked and seen nothing.
        """
        if image.arrived < self._arrived:
            self._journal.count('detections_out_of_order')
            return
        again = image.arrived == self._arrived
        self._arrived = image.arrived
        found = self._placed(boxes)
        seen = objects_at(self._ring.images(), image)
        self._look_after(seen)
        pairs = self._matches(found, seen)
        for box, one in pairs:
            self._support(image, box, one)
        claimed = {id(box) for box, _ in pairs}
        supported = {one.object_id for _, one in pairs}
        supported |= self._follow(image, [box for box in found if id(box) not in claimed], seen)
        if not again:
            classes = {box.class_name for box in found}
            self._miss([one for one in seen.values() if one.object_id not in supported], classes, time=image.time)
        kinds = {object_id: self._objects.kind(object_id) for object_id in self._objects.known_objects}
        for object_id in duplicates(self._ring.images(), image, seen, kinds):
            self._remove(object_id, 'detections_merged')
        self.waiting = self._trails.count(TrailStatus.NEW)

    def removing(self, object_id: str) -> None:
        """Somebody is about to remove the object: no detection shall start it again.

        Its place is barred while the detector sees something there, and for a while after.
        """
        newest = self._ring.newest_tracked()
        if newest is None or object_id not in self._objects.known_objects:
            return
        place = None
        if object_id in self._watched:  # as of the newest message: the next one is about hardly later an image
            place = self._watched.pop(object_id).place
        elif seen := objects_at(self._ring.images(), newest).get(object_id):
            place = seen.place
        self._drop_trails_of(object_id)
        if place is not None:
            votes = self._objects.kind(object_id).votes
            self._bars.add(Bar([(newest.time, place)], newest.time + BAR_TIME, lasting=BAR_TIME, votes=votes))

    def forget(self) -> None:
        """Everything begins anew: nothing was seen, nothing is barred."""
        self._trails.forget()
        self._bars.forget()
        self._watched.clear()
        self._arrived, self.waiting = -1.0, 0

    def _placed(self, boxes: Sequence[DetectedBox]) -> list[DetectedBox]:
        """The boxes in pixels of the image, strongest first, without those that say nothing."""
        height, width = self._objects.image_size
        if not height:
            return []
        fit = Fit.of((width, height), self._settings['detection_size'], how=self._settings['detection_fit'])
        strong = [box for box in boxes if box.score >= self._settings['detection_support_score']]
        strong = sorted(strong, key=lambda box: -box.score)[:MAX_BOXES]
        inside = [
            replace(box, box=cut)
            for box in strong
            if (cut := cut_to_image(fit.to_image(box.box), width, height)) is not None
        ]
        kept = without_second_names(inside)
        self._journal.count('detections', len(boxes))
        self._journal.count('detections_weak', len(boxes) - len(strong))
        self._journal.count('detections_outside', len(strong) - len(inside))
        self._journal.count('detections_second_names', len(inside) - len(kept))
        return kept

    def _look_after(self, seen: Mapping[str, SeenObject]) -> None:
        """Remember where the objects are. Forget those that are gone, and the trails of those that have arrived."""
        known = set(self._objects.known_objects)
        self._watched = {object_id: watch for object_id, watch in self._watched.items() if object_id in known}
        for object_id, one in seen.items():
            watch = self._watched.setdefault(object_id, _Watch())
            watch.place = one.place or watch.place
        for trail in self._trails:
            arrived = trail.object_id in seen and seen[trail.object_id].box is not None
            if trail.status is TrailStatus.STARTED and (arrived or trail.object_id not in known):
                self._trails.drop(trail)

    def _matches(
        self, found: Sequence[DetectedBox], seen: Mapping[str, SeenObject]
    ) -> list[tuple[DetectedBox, SeenObject]]:
        """Which box is of which object; each is in one pair at most.

        A box of another class is of the object only if hardly anything else can be. To an object whose class a prompt
        has said every class is as good: the words may be others than those of the detector.
        """
        least = self._settings['detection_match_overlap']
        candidates = []
        for one in seen.values():
            kind = self._objects.kind(one.object_id)
            for box in found:
                agrees = bool(kind.said) or kind.class_name in ('', box.class_name) or not box.class_name
                common = one.match(box.box, least=least)
                if common is not None and (agrees or common >= SAME_THING):
                    candidates.append(((float(agrees), common), box, one))
        return best_pairs(candidates)

    def _support(self, image: ArrivedImage, box: DetectedBox, one: SeenObject) -> None:
        """The detector sees the object, too."""
        self._journal.count('detections_matched')
        kind, watch = self._objects.kind(one.object_id), self._watched[one.object_id]
        kind.missed = 0
        kind.votes.add(box.class_name, box.score)
        watch.alone, watch.others_seen = 0, False
        least = self._settings['detection_correct_overlap']
        if kind.source is not Source.DETECTOR or box.score < self._settings['detection_start_score']:
            return
        if one.box is None or overlap(one.box, box.box) >= least:
            watch.poor = 0
            return
        agrees = watch.poor_box is not None and overlap(watch.poor_box, box.box) >= SAME_BOX
        watch.poor = watch.poor + 1 if agrees else 1
        watch.poor_box = box.box
        if watch.poor >= self._settings['detection_correct_after']:
            watch.poor = 0
            self._ask(image, Prompt(one.object_id, box=box.box), one.object_id, self._corrected)

    def _follow(self, image: ArrivedImage, boxes: Sequence[DetectedBox], seen: Mapping[str, SeenObject]) -> set[str]:
        """Follow the boxes that are of no object at that time.

        Returns:
            The objects that were started, but had not come as far as this image, and of which there was a box.
        """
        free = self._bars.let_through(boxes, time=image.time)
        self._journal.count('detections_held_barred', len(boxes) - len(free))
        strong = [box for box in free if self._may_start(box)]
        weak = [box for box in free if not self._may_start(box)]
        supported = set()
        for trail, box in self._trails.follow(image, strong, weak):
            if trail.status is TrailStatus.STARTED:
                supported.add(trail.object_id)
                kind = self._objects.kind(trail.object_id)
                kind.votes, kind.missed = trail.votes, 0
            elif trail.status is TrailStatus.NEW and trail.seen >= self._settings['detection_confirm']:
                trail.confirmed = True
                if held := self._why_held(trail, image, seen):
                    self._journal.count(f'detections_held_{held}')
                elif self._may_start(box):
                    trail.status = TrailStatus.ASKED
                    prompt = Prompt(UNNAMED, box=trail.box)
                    self._ask(image, prompt, '', partial(self._answered, trail), class_name=trail.votes.best)
        return supported

    def _may_start(self, box: DetectedBox) -> bool:
        classes = self._settings['detection_classes']
        wanted = not classes or box.class_name in classes or box.class_id in classes
        return wanted and box.score >= self._settings['detection_start_score']

    def _why_held(self, trail: Trail, image: ArrivedImage, seen: Mapping[str, SeenObject]) -> str:
        """Why a thing that was seen often enough must not start an object now, in a word; empty if it may."""
        if image.status is ImageStatus.FAILED:
            return 'failed_image'
        asked = [other for other in self._trails if other.status in (TrailStatus.ASKED, TrailStatus.STARTED)]
        if any(overlap(other.box, trail.box) > SAME_BOX for other in asked):
            return 'covered'
        objects = len(self._objects.known_objects) + self._trails.count(TrailStatus.ASKED)
        if objects >= self._objects.max_objects:
            return 'full'
        for one in seen.values():
            if one.box is not None:
                if one.covers(trail.box) > COVERED or overlap(one.box, trail.box) > SAME_THING:
                    return 'covered'
            elif image.time - trail.since < self._settings['detection_reappear_wait'] and self._may_be(trail, one):
                return 'reappearing'
        return ''

    def _may_be(self, trail: Trail, hidden: SeenObject) -> bool:
        """Whether a new thing may be a hidden object that comes back. The memory of the object finds it first then."""
        place, kind = self._watched[hidden.object_id].place, self._objects.kind(hidden.object_id)
        if place is None or (not kind.said and kind.class_name and kind.class_name != trail.votes.best):
            return False
        return distance(place, trail.box) <= NEAR * max(diagonal(place), diagonal(trail.box))

    def _ask(
        self,
        image: ArrivedImage,
        prompt: Prompt,
        object_id: str,
        answer: Callable[[Answer], None],
        *,
        class_name: str = '',
    ) -> None:
        assert self._commands is not None, 'begin comes first'
        request = PromptRequest(prompt, object_id, answer, class_name=class_name, source=Source.DETECTOR)
        self._commands.submit(image, request)

    def _answered(self, trail: Trail, answer: Answer) -> None:
        """The prompt of a trail has started its object, or was refused. A mask that does not fit is no object."""
        if not answer.success:
            self._journal.count('detections_refused')
            self._trails.drop(trail)  # what is there has to be seen often enough again
            return
        self._objects.kind(answer.object_id).votes = trail.votes
        if answer.remark:
            self._trails.drop(trail)
            self._bars.add(Bar([(trail.last, trail.box)], trail.last + BAR_TIME, votes=trail.votes))
            self._remove(answer.object_id, 'detections_withdrawn')
            return
        trail.status, trail.object_id = TrailStatus.STARTED, answer.object_id
        self._journal.count('detections_started')

    def _corrected(self, answer: Answer) -> None:
        self._journal.count('detections_corrected' if answer.success else 'detections_refused')

    def _miss(self, alone: Sequence[SeenObject], classes: Collection[str], *, time: float) -> None:
        """The message had no box for these objects, but boxes of these classes."""
        patience = self._settings['detection_remove_after']
        for one in alone:
            kind, watch = self._objects.kind(one.object_id), self._watched[one.object_id]
            if one.box is not None:
                kind.missed += 1
            watch.alone_since = watch.alone_since if watch.alone else time
            watch.alone += 1
            watch.others_seen = watch.others_seen or kind.class_name in classes
            late = watch.alone >= LEAST_ALONE and 0 < patience < time - watch.alone_since
            if late and watch.others_seen and kind.source is Source.DETECTOR:
                self._remove(one.object_id, 'detections_removed')

    def _remove(self, object_id: str, reason: str) -> None:
        """Remove an object that detections have started."""
        assert self._commands is not None, 'begin comes first'
        self._journal.count(reason)
        self._watched.pop(object_id, None)
        self._drop_trails_of(object_id)
        self._commands.remove(object_id, ignore)

    def _drop_trails_of(self, object_id: str) -> None:
        for trail in self._trails:
            if trail.object_id == object_id:
                self._trails.drop(trail)
