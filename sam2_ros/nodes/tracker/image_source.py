"""The camera end of the tracker: subscribes, checks every image, says why none come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from sam2_ros.live.arrived_images import ArrivedImage
from sam2_ros.live.journal import Journal
from sam2_ros.live.stamps import Arrival, StampOrder, stamp_nanoseconds, stamp_text
from sam2_ros.nodes.edge.decode_images import ConversionError, check_compressed, check_image
from sam2_ros.nodes.edge.endpoints import Endpoint
from sam2_ros.nodes.edge.following import FOLLOW_PERIOD, FollowingSubscription, Silence
from sam2_ros.nodes.edge.parameters import ParameterTable
from sam2_ros.nodes.edge.startup import subscribed_topic
from sam2_ros.nodes.edge.transport import VARIABLES

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

MAX_NAMES = 5  # of publishers, in a sentence
QUEUE_DEPTH = 10  # images; taken off the queue at once, so they do not grow old in it

WHY_DROPPED = {  # how it is counted, and the sentence
    Arrival.DUPLICATE: ('duplicate', 'has the stamp of the one before'),
    Arrival.REORDERED: ('reordered', 'is older than the one before'),
    Arrival.OUTLIER: ('stamp_outliers', 'is much older than those around it'),
}
PROFILE_HINT = (
    f'large best-effort images get lost without the transport profile: set {VARIABLES[0]} (from Kilted on '
    f'{VARIABLES[1]}) to config/fastdds_large_images.xml in the environment of all that send or receive '
    'them, viewers too; a camera that publishes reliably loses fewer'
)


IMAGES = (
    Endpoint(
        name='image',
        type_name='sensor_msgs/Image',
        type=Image,
        description='The camera. The newest image wins; those that are skipped are counted.',
    ),
    Endpoint(
        name='<image>/compressed',
        type_name='sensor_msgs/CompressedImage',
        type=CompressedImage,
        description='The camera as JPEG or PNG, with `image_transport: compressed` or `image` remapped to it.',
    ),
)


class ImageSource:
    """Subscribes to the images and hands on those that are whole and new, in order of arrival.

    The callbacks run in the executor and must return at once.

    Args:
        order: knows the images that came before, if the node has listened before.
        on_image: gets every accepted image.
        on_time_jump: is called before the first image after stamps have jumped back.
    """

    def __init__(
        self,
        node: Node,
        parameters: ParameterTable,
        *,
        journal: Journal,
        order: StampOrder,
        on_image: Callable[[ArrivedImage], None],
        on_time_jump: Callable[[], None],
    ) -> None:
        self._node = node
        self._parameters = parameters
        self._journal = journal
        self._on_image = on_image
        self._on_time_jump = on_time_jump
        topic, self._compressed = subscribed_topic(
            node.resolve_topic_name('image'), transport=parameters['image_transport']
        )
        self._order = order
        self._logged_reason: str | None = None  # of the silence, while there is one
        self._in_pairs = 0  # images until an equal stamp is worth a line in the log again
        self._hopeless = ''  # what was said about images that cannot be read, while such come
        journal.waiting_since = None
        hints = {Silence.OTHER_TYPE: 'image_transport'}
        if not self._compressed:
            hints[Silence.BEST_EFFORT] = PROFILE_HINT
        self._subscription = FollowingSubscription(
            node,
            CompressedImage if self._compressed else Image,
            topic,
            self._receive,
            depth=QUEUE_DEPTH,
            hints=hints,
            event_callbacks=SubscriptionEventCallbacks(message_lost=self._count_lost),
        )
        self.topic = self._subscription.topic
        self._timer = node.create_timer(FOLLOW_PERIOD, self._tell, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def close(self) -> None:
        self._node.destroy_timer(self._timer)
        self._subscription.close()

    def trouble(self) -> str | None:
        """Why no images come, as a sentence; None while they do."""
        reason = self._why_silent()
        return reason and self._complaint_about(reason)

    def rivals(self) -> str | None:
        """That several publishers send images, as a sentence; None if not."""
        names = sorted(
            f'{info.node_namespace.rstrip("/")}/{info.node_name}' for info in self._subscription.publishers()
        )
        if len(names) < 2:
            return None
        return (
            f'{len(names)} publishers send images on {self.topic} ({", ".join(names[:MAX_NAMES])}): they are taken '
            'for those of one camera; stop the others or remap image'
        )

    def _count_lost(self, event: Any) -> None:
        self._journal.count('lost_in_transport', event.total_count_change)

    def _tell(self) -> None:
        """Log each reason of a silence once, and its end."""
        reason = self._why_silent()
        if reason and reason != self._logged_reason:
            self._node.get_logger().warning(self._complaint_about(reason))
        elif self._logged_reason and not reason:
            self._node.get_logger().info(f'images are coming on {self.topic} again')
        self._logged_reason = reason

    def _complaint_about(self, reason: str) -> str:
        return f'no image on {self.topic} for {self._subscription.seconds_silent:.0f} s: {reason}'

    def _why_silent(self) -> str | None:
        return self._subscription.why_silent(self._parameters['image_timeout'])

    def _receive(self, message: Any) -> None:
        arrived = self._subscription.newest
        check = check_compressed if self._compressed else check_image
        try:
            check(message, max_pixels=self._parameters['max_image_pixels'])
        except ConversionError as error:
            self._journal.arrived.tick()
            self._drop(error)
            return
        self._hopeless = ''
        if not self._in_order(message, arrived):
            return
        if self._journal.waiting_since is None:
            self._journal.waiting_since = arrived
        self._on_image(
            ArrivedImage(
                message,
                time=self._order.elapsed,
                arrived=arrived,
                received_ns=self._node.get_clock().now().nanoseconds,
            )
        )

    def _drop(self, error: ConversionError) -> None:
        """Count an image that cannot be read. If no image of the camera can be read, that is logged once."""
        sentence = f'an image is dropped: {error}'
        if sentence == self._hopeless:
            self._journal.count('invalid')
            return
        self._journal.note('invalid', sentence)
        if error.field in ('encoding', 'format', 'size'):
            self._hopeless = sentence

    def _in_order(self, message: Any, arrived: float) -> bool:
        """Whether the image is taken, going by its stamp."""
        stamp_ns = stamp_nanoseconds(message.header.stamp)
        wrong = self._order.outliers
        arrival = self._order.classify(stamp_ns, arrived=arrived, reorder_window=self._parameters['reorder_window'])
        for _ in range(self._order.outliers - wrong):
            self._journal.note('stamp_outliers', 'an image was stamped ahead of those after it: a wrong stamp')
        if arrival is not Arrival.DUPLICATE:
            self._journal.arrived.tick()
            self._in_pairs = max(0, self._in_pairs - 1)
        if arrival in WHY_DROPPED:
            reason, why = WHY_DROPPED[arrival]
            if self._in_pairs and arrival is Arrival.DUPLICATE:
                self._journal.count(reason)
            else:
                self._journal.note(reason, f'an image stamped {stamp_text(stamp_ns)} is dropped: it {why}')
            if arrival is Arrival.DUPLICATE:
                self._in_pairs = 2
            return False
        if arrival is Arrival.UNSTAMPED:
            self._journal.note('unstamped', 'images without a stamp are tracked, but no prompt can name them')
        elif arrival is Arrival.NEW_EPOCH:
            self._journal.note(
                'time_jumps',
                f'stamps jump back to {stamp_text(stamp_ns)} (on_time_jump: {self._parameters["on_time_jump"]})',
            )
            self._on_time_jump()
        return True
