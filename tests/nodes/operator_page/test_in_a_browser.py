"""The whole way: a click in a real browser, the node of the page, a real tracker, and its mask on the screen."""

from __future__ import annotations

import pytest

from tests.nodes import tracker_scene as scene
from tests.nodes.graph import Client
from tests.nodes.operator_page.live_page import page_beside, stamp_text
from tests.web.pretended import COLOURS, wait_for

pytest.importorskip('selenium', reason='selenium is not installed, which drives the browser')

from tests.web import browser as browsers
from tests.web.browser import browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (browsers.CHROMIUM and browsers.DRIVER), reason=browsers.MISSING),
]


def test_a_click_in_the_browser_prompts_the_picture_on_the_screen(tracker: Client) -> None:
    with page_beside(tracker) as page, browser(image_size=(scene.HEIGHT, scene.WIDTH)) as tab:
        tab.open(tracker.wait_for(lambda: page.node.address, 'the address'))
        tracker.wait_for(lambda: any(camera.images for camera in page.node._cameras.values()), 'somebody who looks')
        index = 0
        while not tab.has('body.has-picture'):  # the first images come before the node listens
            tracker.step(index)
            index += 1
        tab.press('#freeze')
        wait_for(lambda: 'Held for' in tab.text('#frozen'), 'the frozen picture')
        seen = next(n for n in range(index) if stamp_ns(tracker, n) == tab.shown_stamp())
        for _ in range(3):
            tracker.step(index)
            index += 1
        x, y = map(round, scene.centre('red', seen))
        tab.type('#new-name', 'ball')
        tab.click(x, y)
        wait_for(lambda: 'Done: prompt (ball)' in tab.messages(), 'the answer')
        tint = [round(0.65 * a + 0.35 * b) for a, b in zip((230, 60, 50), COLOURS[0], strict=True)]
        wait_for(lambda: tab.is_coloured((x, y), tint, tolerance=12), 'the mask on the frozen picture')
        (ball,) = tracker.step(index).objects
        assert ball.object_id == 'ball'
        wait_for(lambda: tab.objects() == ['ball'], 'the list')
        assert tab.complaints() == [] and tab.foreign_requests() == []


def stamp_ns(tracker: Client, index: int) -> int:
    seconds, nanoseconds = stamp_text(tracker.stamp(index)).split('.')
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
