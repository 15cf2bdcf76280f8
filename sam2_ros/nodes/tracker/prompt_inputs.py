"""The ways a prompt comes in: topics, services and clicks. Everything is only checked here, then queued.

To add an input, add a row to INPUTS or SERVICES.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from geometry_msgs.msg import Point, PointStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_srvs.srv import Trigger

from sam2_ros.detections.detection_prompts import Objects
from sam2_ros.detections.kinds import checked_class
from sam2_ros.live.arrived_images import ArrivedImage, ArrivedImages
from sam2_ros.live.camera_stream import CameraStream
from sam2_ros.live.journal import Journal
from sam2_ros.live.requests import UNNAMED, Answer, PromptRequest, ignore
from sam2_ros.live.stamps import NANOSECONDS, stamp_nanoseconds, stamp_text
from sam2_ros.msg import Prompt as PromptMessage
from sam2_ros.nodes.edge.endpoints import Endpoint
from sam2_ros.nodes.edge.messages import prompt_from_message
from sam2_ros.nodes.edge.parameters import ParameterTable
from sam2_ros.nodes.edge.qos import make_subscription
from sam2_ros.nodes.edge.startup import base_topic
from sam2_ros.nodes.tracker.detection_input import DetectionInput
from sam2_ros.nodes.tracker.service_calls import AnsweredService
from sam2_ros.nodes.tracker.space_clicks import SpaceClicks
from sam2_ros.srv import RemoveObject, SetPrompt
from sam2_ros.tracking import Prompt

EXPIRY_PERIOD = 0.2  # seconds between two looks at prompts that wait for their image
QUEUE_DEPTH = 50  # prompts; a detector may send one for every object at once
MAX_EARLY = 100  # prompts that wait for their image


@dataclass(frozen=True, kw_only=True)
class InputTopic(Endpoint):
    """A topic on which prompts come. `take` gets each message; it must return at once."""

    take: Callable[[PromptInputs, Any], None]


@dataclass(frozen=True, kw_only=True)
class Service(Endpoint):
    """A service.

    Attributes:
        ask: begins the work. It gets the function to call with the answer, at once or later.
        fill: writes the answer into the response.
    """

    ask: Callable[[PromptInputs, Any, Callable[[Answer], None]], None]
    fill: Callable[[Any, Answer], None]


@dataclass(frozen=True)
class _Early:
    """A prompt whose image has not arrived yet."""

    stamp_ns: int
    request: PromptRequest
    expires: float  # seconds, monotonic clock


class PromptInputs:
    """Finds the image that each prompt was made on and queues the prompt for the inference thread.

    Call `images_arrived` after every new image.

    Attributes:
        stream: None while the node is inactive; then everything is refused.
        detections: None unless the node listens to a detector.
    """

    def __init__(
        self, node: Node, parameters: ParameterTable, *, ring: ArrivedImages, objects: Objects, journal: Journal
    ) -> None:
        self._stream: CameraStream | None = None
        self.detections: DetectionInput | None = None
        if parameters['detections']:
            self.detections = DetectionInput(
                node, parameters, ring=ring, objects=objects, journal=journal, why_no_image=self._why_no_image
            )
        self._node = node
        self._parameters = parameters
        self._ring = ring
        self._journal = journal
        self._early: list[_Early] = []
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(EXPIRY_PERIOD, self.images_arrived, clock=steady)
        image_topic = base_topic(node.resolve_topic_name('image'))
        self._space_clicks = SpaceClicks(node, image_topic=image_topic)
        self._subscriptions = [
            make_subscription(
                node, row.type, row.name.replace('<image>', image_topic), partial(row.take, self), QUEUE_DEPTH
            )
            for row in INPUTS
            if row.type is not None
        ]
        self._services = [
            AnsweredService(node, row.type, row.name, ask=partial(row.ask, self), fill=row.fill) for row in SERVICES
        ]

    @property
    def stream(self) -> CameraStream | None:
        return self._stream

    @stream.setter
    def stream(self, stream: CameraStream | None) -> None:
        self._stream = stream
        if self.detections is not None:
            self.detections.follow(stream)

    @property
    def answering(self) -> bool:
        """Whether there are service calls whose answer was not sent yet."""
        return any(service.answering for service in self._services)

    def time_jumped(self) -> None:
        """Stamps jumped back: forget where the camera was, and what a detector has seen."""
        self._space_clicks.forget_transforms()
        if self.detections is not None:
            self.detections.forget()

    def close(self) -> None:
        """Stop listening; what was not answered yet is refused."""
        self._space_clicks.close()
        if self.detections is not None:
            self.detections.close()
        self._node.destroy_timer(self._timer)
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self.refuse_calls('the node was cleaned up')
        for service in self._services:
            service.close()

    def deactivate(self) -> None:
        """Refuse what waits for its image."""
        self.stream = None
        early, self._early = self._early, []
        for waiting in early:
            self._refuse(waiting.request, 'the node was deactivated')

    def refuse_calls(self, reason: str) -> None:
        """Refuse all service calls that were not answered yet."""
        for service in self._services:
            service.refuse(reason)

    def images_arrived(self) -> None:
        """Look again for the images of prompts that came too early."""
        early, self._early = self._early, []
        for waiting in early:
            self._place(waiting.request, waiting.stamp_ns, expires=waiting.expires)
        if self.detections is not None:
            self.detections.images_arrived()

    def take_prompt(self, message: PromptMessage) -> None:
        self._take_message(message, ignore)

    def set_prompt(self, call: SetPrompt.Request, give: Callable[[Answer], None]) -> None:
        self._take_message(call.prompt, give)

    def remove_object(self, call: RemoveObject.Request, give: Callable[[Answer], None]) -> None:
        if self.stream is None:
            give(Answer('the node is not active'))
            return
        if self.detections is not None:
            self.detections.removing(call.object_id)
        self.stream.remove(call.object_id, give)

    def reset(self, _: Trigger.Request, give: Callable[[Answer], None]) -> None:
        if self.stream is None:
            give(Answer('the node is not active'))
            return
        if self.detections is not None:
            self.detections.forget()
        self.stream.reset(give)

    def take_pixel(self, message: Point) -> None:
        self._click(message.x, message.y, stamp_ns=0)

    def take_stamped_pixel(self, message: PointStamped) -> None:
        self._click(message.point.x, message.point.y, stamp_ns=stamp_nanoseconds(message.header.stamp))

    def take_point_in_space(self, message: PointStamped) -> None:
        """A click in RViz. Its stamp is the time of the click, so it is for the newest output at that time."""
        stamp_ns = stamp_nanoseconds(message.header.stamp)
        image = self._ring.newest_tracked(not_after_ns=stamp_ns or None)
        if image is None:
            self._journal.refuse_prompt(f'no image was processed at or before the click at {stamp_text(stamp_ns)}')
            return
        try:
            x, y = self._space_clicks.pixel(message, image)
        except ValueError as error:
            self._journal.refuse_prompt(str(error))
            return
        self._click(x, y, image=image)

    def _click(self, x: float, y: float, *, stamp_ns: int = 0, image: ArrivedImage | None = None) -> None:
        try:
            prompt = Prompt(UNNAMED, points=[(x, y)])
        except ValueError as error:
            self._journal.refuse_prompt(str(error))
            return
        request = PromptRequest(prompt, self._parameters['click_object'], extend=True, click=True)
        if image is not None and self.stream is not None:
            self.stream.submit(image, request)
        else:
            self._place(request, stamp_ns)

    def _take_message(self, message: PromptMessage, give: Callable[[Answer], None]) -> None:
        limit, count = self._parameters['max_prompt_points'], max(len(message.points), len(message.labels))
        try:
            if count > limit:  # before they are looked at
                raise ValueError(
                    f'the prompt has {count} points or labels, but at most {limit} are accepted (max_prompt_points)'
                )
            prompt = prompt_from_message(message, object_id=message.object_id or UNNAMED)
            class_name = checked_class(message.class_name)
        except (ValueError, TypeError) as error:
            self._journal.refuse_prompt(str(error))
            give(Answer(str(error)))
            return
        request = PromptRequest(prompt, message.object_id, give, extend=message.extend, class_name=class_name)
        self._place(request, stamp_nanoseconds(message.header.stamp))

    def _place(self, request: PromptRequest, stamp_ns: int, *, expires: float | None = None) -> None:
        """Queue the request for its image, or let it wait for an image to come, or refuse it."""
        if self.stream is None:
            self._refuse(request, 'the node is not active')
            return
        image = self._image_of(stamp_ns)
        if image is not None:
            self.stream.submit(image, request)
            return
        now = time.monotonic()
        expires = now + self._parameters['prompt_wait'] if expires is None else expires
        newest = self._ring.newest()
        if stamp_ns > (newest.stamp_ns if newest else 0) and now < expires:
            if len(self._early) < MAX_EARLY:
                self._early.append(_Early(stamp_ns, request, expires))
            else:
                self._refuse(request, f'{MAX_EARLY} prompts wait for their image already')
        else:
            self._refuse(request, self._why_no_image(stamp_ns))

    def _image_of(self, stamp_ns: int) -> ArrivedImage | None:
        if stamp_ns == 0:
            return self._ring.newest_tracked() or self._ring.newest()
        return self._ring.at_stamp(stamp_ns, tolerance=self._parameters['stamp_tolerance'])

    def _why_no_image(self, stamp_ns: int) -> str:
        images = self._ring.images()
        stamps = _without_outliers([image.stamp_ns for image in images if image.stamp_ns])
        if not images:
            return 'no image has arrived yet'
        if not stamps:
            return f'no image is stamped {stamp_text(stamp_ns)}: the camera gives no stamps; use a stamp of zero'
        begin = max((n for n in range(1, len(stamps)) if stamps[n] < stamps[n - 1]), default=0)
        oldest, newest = stamps[begin], stamps[-1]  # since stamps jumped back, if they did
        if newest < stamp_ns <= max(stamps):
            return (
                f'the image stamped {stamp_text(stamp_ns)} is not kept: stamps have jumped back to '
                f'{stamp_text(oldest)} since'
            )
        if stamp_ns > newest:
            return (
                f'the stamp {stamp_text(stamp_ns)} is {(stamp_ns - newest) / NANOSECONDS:.3f} s in the future: the '
                f'newest image is stamped {stamp_text(newest)}'
            )
        if stamp_ns < oldest:
            return (
                f'the stamp {stamp_text(stamp_ns)} is too old: the {len(stamps) - begin} images kept reach back '
                f'{(newest - oldest) / NANOSECONDS:.3f} s, to {stamp_text(oldest)} (ring_images, ring_megabytes)'
            )
        nearest = min(stamps, key=lambda stamp: abs(stamp - stamp_ns))
        return (
            f'no image is stamped {stamp_text(stamp_ns)}; the nearest is {stamp_text(nearest)}: copy the stamp '
            'from the image'
        )

    def _refuse(self, request: PromptRequest, reason: str) -> None:
        self._journal.refuse_prompt(reason)
        request.answer(Answer(reason))


def _without_outliers(stamps: list[int]) -> list[int]:
    """The stamps without single ones that are ahead of their neighbours."""
    return [
        stamp
        for before, stamp, after in zip([*stamps[:1], *stamps], stamps, [*stamps[1:], *stamps[-1:]], strict=False)
        if not before < after < stamp
    ]


def _fill_set_prompt(response: SetPrompt.Response, answer: Answer) -> None:
    response.success, response.object_id = answer.success, answer.object_id
    response.reason = answer.reason or answer.remark
    if answer.image is not None:  # it was applied
        response.header, response.object = answer.image.header, answer.tracked_object


def _fill_remove_object(response: RemoveObject.Response, answer: Answer) -> None:
    response.success, response.reason, response.object_id = answer.success, answer.reason, answer.object_id


def _fill_reset(response: Trigger.Response, answer: Answer) -> None:
    response.success, response.message = answer.success, answer.reason


INPUTS = (
    InputTopic(
        name='~/prompts',
        type_name='sam2_ros/Prompt',
        type=PromptMessage,
        description='Points, box or mask for one object; the stamp names the image that they were made on.',
        take=PromptInputs.take_prompt,
    ),
    *(
        InputTopic(
            name=name,
            type_name='geometry_msgs/Point',
            type=Point,
            description='Clicks in rqt_image_view: on an object they correct it, elsewhere they start one.',
            take=PromptInputs.take_pixel,
        )
        for name in ('<image>_mouse_left', '<image>/compressed_mouse_left', '~/overlay_mouse_left')
    ),
    InputTopic(
        name='~/click',
        type_name='geometry_msgs/PointStamped',
        type=PointStamped,
        description='A click in pixels, with the stamp of its image.',
        take=PromptInputs.take_stamped_pixel,
    ),
    InputTopic(
        name='clicked_point',
        type_name='geometry_msgs/PointStamped',
        type=PointStamped,
        description='Publish Point in RViz: a point in space, projected through the camera_info beside the images.',
        take=PromptInputs.take_point_in_space,
    ),
)
SERVICES = (
    Service(
        name='~/set_prompt',
        type_name='sam2_ros/SetPrompt',
        type=SetPrompt,
        description='As `~/prompts`; the answer holds the object on the prompted image, or why it was refused.',
        ask=PromptInputs.set_prompt,
        fill=_fill_set_prompt,
    ),
    Service(
        name='~/remove_object',
        type_name='sam2_ros/RemoveObject',
        type=RemoveObject,
        description='Forget one object.',
        ask=PromptInputs.remove_object,
        fill=_fill_remove_object,
    ),
    Service(
        name='~/reset',
        type_name='std_srvs/Trigger',
        type=Trigger,
        description='Forget all objects.',
        ask=PromptInputs.reset,
        fill=_fill_reset,
    ),
)
