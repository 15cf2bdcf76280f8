"""One tracker and its camera: images and objects are brought together by their stamps."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import Trigger

from sam2_ros.live.journal import Journal
from sam2_ros.live.measurements import Rate
from sam2_ros.live.settings import Settings
from sam2_ros.live.stamps import NANOSECONDS, stamp_nanoseconds
from sam2_ros.msg import TrackedObjectArray
from sam2_ros.nodes.edge.decode_images import ConversionError
from sam2_ros.nodes.edge.following import FollowingSubscription
from sam2_ros.nodes.edge.startup import COMPRESSED, base_topic
from sam2_ros.nodes.operator_page.shown import seen_objects, shown_file, shown_object
from sam2_ros.srv import RemoveObject, SetPrompt
from sam2_ros.web.pictures import Picture
from sam2_ros.web.thread import ServerThread

QUEUE_DEPTH = 10  # messages; taken off the queue at once
KEPT = 30  # images that wait for their objects, and arrays of objects that wait for their image
SILENT = 3.0  # seconds after which an image is shown alone, because the tracker says nothing
MEGABYTE = 1e6
RING = ('ring_images', 'ring_megabytes')  # parameters of the tracker


class TrackedCamera:
    """Shows what a tracker says, on the images that it says it of.

    Attributes:
        tracker: full name of the tracker node.
        image_topic: of its raw images.
        index: in the list of cameras.
        frame_id: of the newest image, for prompts.
        size: (height, width) of the images that are tracked; None while nothing has come.
        set_prompt, remove_object, reset: clients of the services of the tracker.
    """

    def __init__(
        self,
        node: Node,
        settings: Settings,
        *,
        index: int,
        tracker: str,
        objects_topic: str,
        image_topic: str,
        page: ServerThread,
        journal: Journal,
        record: Callable[[TrackedCamera, Any, TrackedObjectArray], None],
    ) -> None:
        """`record`: is given each image with its objects while there is a recording."""
        self.tracker, self.image_topic, self.index = tracker, base_topic(image_topic), index
        self.frame_id = ''
        self.size: tuple[int, int] | None = None
        self._node, self._settings, self._page, self._journal, self._record = node, settings, page, journal, record
        self.set_prompt = node.create_client(SetPrompt, f'{tracker}/set_prompt')
        self.remove_object = node.create_client(RemoveObject, f'{tracker}/remove_object')
        self.reset = node.create_client(Trigger, f'{tracker}/reset')
        self._parameters = node.create_client(GetParameters, f'{tracker}/get_parameters')
        self._ring: tuple[float, float] | None = None  # images and bytes that the tracker keeps
        self._ring_asked = False
        self.objects = FollowingSubscription(
            node, TrackedObjectArray, objects_topic, self._take_objects, depth=QUEUE_DEPTH
        )
        self.images: FollowingSubscription | None = None  # while somebody looks
        self._images: OrderedDict[int, Any] = OrderedDict()  # by stamp
        self._objects: OrderedDict[int, TrackedObjectArray] = OrderedDict()
        self._shown, self._recorded = False, False
        self._unanswered: float | None = None  # when the first image came of which the tracker has said nothing yet
        self._rate, self._bytes = Rate(), 0
        self._due = 0.0  # when the next picture may be shown, in seconds of the monotonic clock

    def close(self) -> None:
        self.want(shown=False, recorded=False)
        self.objects.close()
        for client in (self.set_prompt, self.remove_object, self.reset, self._parameters):
            self._node.destroy_client(client)

    def want(self, *, shown: bool, recorded: bool) -> None:
        """Whether somebody looks at the camera, and whether it is recorded; otherwise its images are not fetched."""
        self._shown, self._recorded = shown, recorded
        topic = self.image_topic + (COMPRESSED if self._takes_compressed() else '')
        if self.images is not None and (not (shown or recorded) or self.images.topic != topic):
            self.images.close()
            self.images = None
            self._images.clear()
        if self.images is None and (shown or recorded):
            type_ = CompressedImage if topic.endswith(COMPRESSED) else Image
            self.images = FollowingSubscription(self._node, type_, topic, self._take_image, depth=QUEUE_DEPTH)
        if shown and not self._ring_asked and self._parameters.service_is_ready():
            self._ring_asked = True
            request = GetParameters.Request(names=list(RING))
            self._parameters.call_async(request).add_done_callback(self._take_ring)

    def facts(self) -> dict[str, Any]:
        """What the page is told of the camera."""
        facts: dict[str, Any] = {}
        rate = self._rate.per_second()
        if self._ring and rate and self._bytes:
            images, size = self._ring
            facts['ring_seconds'] = round(min(images, size / self._bytes) / rate, 1)
        if self.images is not None and (why := self.images.silence(self._settings['input_timeout'])):
            facts['trouble'] = f'{why[0].upper()}{why[1:]}.'
        return facts

    def trouble(self) -> str | None:
        """What is wrong, as a sentence."""
        timeout = self._settings['input_timeout']
        silent = self.images.silence(timeout) if self.images is not None else None
        return self.objects.silence(timeout) or silent

    def _takes_compressed(self) -> bool:
        transport = self._settings['transport']
        if transport == 'auto':
            return bool(self._node.count_publishers(self.image_topic + COMPRESSED))
        return bool(transport == 'compressed')

    def _take_ring(self, future: Any) -> None:
        answer = future.result()
        values = [value.integer_value or value.double_value for value in answer.values] if answer else []
        if len(values) == len(RING) and all(values):
            self._ring = values[0], values[1] * MEGABYTE

    def _take_image(self, message: Any) -> None:
        self._rate.tick()
        self._bytes = len(message.data)
        stamp_ns = stamp_nanoseconds(message.header.stamp)
        objects = self._objects.pop(stamp_ns, None)
        if objects is not None:
            self._both(message, objects)
            return
        _keep(self._images, stamp_ns, message)
        now = time.monotonic()
        self._unanswered = self._unanswered or now
        if now - self._unanswered > SILENT:
            self._show(message, None)

    def _take_objects(self, message: TrackedObjectArray) -> None:
        stamp_ns = stamp_nanoseconds(message.header.stamp)
        self.frame_id, self.size = message.header.frame_id, (message.image_height, message.image_width)
        self._unanswered = None
        self._page.post(self._page.server.saw, self.index, stamp_ns, seen_objects(message))
        image = self._images.pop(stamp_ns, None)
        if image is not None:
            self._both(image, message)
        elif self.images is not None:
            _keep(self._objects, stamp_ns, message)

    def _both(self, image: Any, objects: TrackedObjectArray) -> None:
        if self._recorded:
            self._record(self, image, objects)
        self._show(image, objects)

    def _show(self, image: Any, objects: TrackedObjectArray | None) -> None:
        now = time.monotonic()
        if not self._shown or now < self._due:
            return
        # a rate, not a pause: a picture that came late does not delay the next ones
        period = 1 / self._settings['max_rate']
        self._due = max(self._due + period, now)
        stamp_ns = stamp_nanoseconds(image.header.stamp)
        try:
            file, media_type, size = shown_file(image, self._settings)
        except ConversionError as error:
            self._journal.note('invalid', f'an image is not shown: {error}')
            return
        if objects is not None:
            size = objects.image_height, objects.image_width
        shown = [
            shown_object(one, image_height=size[0], image_width=size[1])
            for one in (objects.objects if objects is not None else ())
        ]
        age = (self._node.get_clock().now().nanoseconds - stamp_ns) / NANOSECONDS
        facts = {'tracked': objects is not None}
        picture = Picture(stamp_ns, size, shown, file, media_type, age=age, facts=facts)
        self._page.post(self._page.server.show, self.index, picture)
        self._journal.published.tick()


def _keep(kept: OrderedDict[int, Any], stamp_ns: int, message: Any) -> None:
    kept[stamp_ns] = message
    while len(kept) > KEPT:
        kept.popitem(last=False)
