"""A real Chromium without a window, for tests of the page."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.web.pretended import wait_for

CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None)
DRIVER = shutil.which('chromedriver')
MISSING = 'there is no Chromium with its driver: apt-get install chromium chromium-driver'
EMPTY = '\N{EN DASH}'  # what stands for a figure that is not known
DESKTOP, PHONE = (1280, 800), (390, 844)
# Browsers of a machine without graphics draw by the processor. /dev/shm of a container may be small.
SWITCHES = (
    '--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--force-device-scale-factor=1',
    '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
    '--disable-features=OptimizationHints,MediaRouter', '--hide-scrollbars',
)  # fmt: skip

# By a copy of one pixel: the browser warns of a canvas that is read often.
PIXEL = """
const canvas = document.getElementById('view');
const at = (length, whole, size) => Math.floor((length + 0.5) * whole / size);
const [x, y, width, height] = arguments;
const copy = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
copy.drawImage(canvas, -at(x, canvas.width, width), -at(y, canvas.height, height));
return Array.from(copy.getImageData(0, 0, 1, 1).data).slice(0, 3);
"""


class Browser:
    """One tab with the page, as somebody uses it. Coordinates are pixels of the camera's image."""

    def __init__(self, driver: webdriver.Chrome, *, image_size: tuple[int, int]) -> None:
        self.driver = driver
        self._height, self._width = image_size
        self._requests: list[str] = []

    def open(self, address: str) -> None:
        """Open a page. What the one before has complained of is forgotten: it may have lost its server."""
        self.driver.get('about:blank')
        self.complaints()
        self.driver.get(address)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def has(self, selector: str) -> bool:
        return bool(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def text(self, selector: str) -> str:
        return self.find(selector).text

    def press(self, selector: str) -> None:
        self.find(selector).click()

    def choose(self, selector: str, value: str) -> None:
        self.find(f'{selector} option[value="{value}"]').click()

    def type(self, selector: str, text: str) -> None:
        self.find(selector).clear()
        self.find(selector).send_keys(text)

    def keys(self, *keys: str) -> None:
        """Press keys where the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def chord(self, held: str, key: str) -> None:
        """Press a key while another is held."""
        ActionChains(self.driver).key_down(held).send_keys(key).key_up(held).perform()

    def objects(self) -> list[str]:
        """Names in the list."""
        script = "return Array.from(document.querySelectorAll('#objects li'), one => one.dataset.object)"
        return self.driver.execute_script(script)

    def messages(self) -> str:
        return self.text('#messages')

    def sees_picture(self) -> None:
        wait_for(lambda: self.has('body.has-picture') and self.text('#rate') not in ('', EMPTY), 'pictures')

    def pixel(self, x: float, y: float) -> tuple[int, ...]:
        """The colour on the screen at this place of the image."""
        return tuple(self.driver.execute_script(PIXEL, x, y, self._width, self._height))

    def is_coloured(self, place: tuple[float, float], colour: Sequence[int], *, tolerance: int = 4) -> bool:
        """Whether the screen has this colour there, RGB."""
        return max(abs(int(a) - b) for a, b in zip(colour, self.pixel(*place), strict=True)) <= tolerance

    def shown_stamp(self) -> int:
        """The stamp of the picture on the screen, in nanoseconds."""
        seconds, nanoseconds = self.find('#view').get_attribute('data-stamp').split('.')
        return int(seconds) * 1_000_000_000 + int(nanoseconds)

    def actions(self) -> ActionChains:
        return ActionChains(self.driver, duration=20)

    def at(self, actions: ActionChains, x: float, y: float) -> ActionChains:
        """Move the mouse to the middle of this pixel of the image."""
        canvas = self.find('#view')
        size = canvas.size
        right = (x + 0.5) / self._width * size['width'] - size['width'] / 2
        down = (y + 0.5) / self._height * size['height'] - size['height'] / 2
        return actions.move_to_element_with_offset(canvas, round(right), round(down))

    def click(self, x: float, y: float, *, right: bool = False, held: str | None = None) -> None:
        actions = self.at(self.actions(), x, y)
        if held:
            actions.key_down(held)
        (actions.context_click if right else actions.click)()
        if held:
            actions.key_up(held)
        actions.perform()

    def drag(self, begin: tuple[float, float], *places: tuple[float, float]) -> None:
        actions = self.at(self.actions(), *begin).click_and_hold()
        for place in places:
            self.at(actions, *place)
        actions.release().perform()

    def collect(self, *points: tuple[float, float, bool]) -> None:
        """Click several places with Shift held; the third says whether with the right button."""
        actions = self.actions().key_down(Keys.SHIFT)
        for x, y, right in points:
            self.at(actions, x, y)
            (actions.context_click if right else actions.click)()
        actions.key_up(Keys.SHIFT).perform()

    def touch(self, kind: str, *places: tuple[float, float]) -> None:
        """Put fingers down at these pixels of the image, or move or lift them.

        Args:
            kind: 'touchStart', 'touchMove', 'touchEnd' or 'touchCancel'.
            places: where each finger is now.
        """
        script = (
            "const shown = document.getElementById('view').getBoundingClientRect();"
            'return [shown.left - visualViewport.offsetLeft, shown.top - visualViewport.offsetTop, '
            'shown.width, shown.height]'
        )
        left, top, width, height = self.driver.execute_script(script)
        points = [
            {'x': left + (x + 0.5) / self._width * width, 'y': top + (y + 0.5) / self._height * height, 'id': number}
            for number, (x, y) in enumerate(places)
        ]
        self.driver.execute_cdp_cmd('Input.dispatchTouchEvent', {'type': kind, 'touchPoints': points})

    def tap(self, x: float, y: float) -> None:
        self.swipe((x, y))

    def swipe(self, begin: tuple[float, float], *places: tuple[float, float]) -> None:
        """With one finger."""
        self.touch('touchStart', begin)
        for place in places:
            self.touch('touchMove', place)
        self.touch('touchEnd')

    def spread(self, middle: tuple[float, float]) -> None:
        """Two fingers, one after the other, that move away from each other."""
        x, y = middle
        self.touch('touchStart', (x - 8, y))
        for distance in range(8, 60, 3):
            kind = 'touchStart' if distance == 8 else 'touchMove'
            self.touch(kind, (x - distance, y), (x + distance, y))
        self.touch('touchEnd')

    def zoom(self) -> float:
        return self.driver.execute_script('return visualViewport.scale')

    def zoom_rests(self) -> bool:
        """Whether the view stays as it is: the browser moves it a little later than the fingers move."""
        views = []
        for _ in range(2):
            view = 'const v = visualViewport; return [v.scale, v.offsetLeft, v.offsetTop, scrollX, scrollY]'
            views.append(self.driver.execute_script(view))
            time.sleep(0.2)
        return views[0] == views[1]

    @contextmanager
    def phone(self) -> Iterator[None]:
        """Be a phone with a touch screen, in a tab of its own: touches of a tab that was zoomed go astray later."""
        desktop = self.driver.current_window_handle
        self.driver.switch_to.new_window('tab')
        try:
            self.resize(PHONE, pixels=2, mobile=True)
            touch = {'enabled': True, 'maxTouchPoints': 2}
            self.driver.execute_cdp_cmd('Emulation.setTouchEmulationEnabled', touch)
            yield
        finally:
            self.driver.close()
            self.driver.switch_to.window(desktop)

    @contextmanager
    def with_script(self, script: str) -> Iterator[None]:
        """Run a script in every page that is opened in the block, before those of the page."""
        given = {'source': script}
        added = self.driver.execute_cdp_cmd('Page.addScriptToEvaluateOnNewDocument', given)
        try:
            yield
        finally:
            self.driver.execute_cdp_cmd('Page.removeScriptToEvaluateOnNewDocument', added)

    def figures(self) -> dict[str, float]:
        """What the browser counts, after it has tidied up: JSHeapUsedSize, Nodes, JSEventListeners and others."""
        self.driver.execute_cdp_cmd('Performance.enable', {})
        self.driver.execute_cdp_cmd('HeapProfiler.collectGarbage', {})
        counted = self.driver.execute_cdp_cmd('Performance.getMetrics', {})['metrics']
        return {one['name']: one['value'] for one in counted}

    def requests(self) -> list[str]:
        """Addresses of all that was asked for since the start, WebSockets included."""
        for entry in self.driver.get_log('performance'):
            message = json.loads(entry['message'])['message']
            if message['method'] == 'Network.requestWillBeSent':
                self._requests.append(message['params']['request']['url'])
            elif message['method'] == 'Network.webSocketCreated':
                self._requests.append(message['params']['url'])
        return self._requests

    def foreign_requests(self) -> list[str]:
        """Those that leave this machine."""
        kept_here = ('blob', 'data', 'about', 'chrome')
        return [
            url
            for url in self.requests()
            if urlsplit(url).scheme not in kept_here and not _is_here(urlsplit(url).hostname or '')
        ]

    def complaints(self) -> list[Any]:
        """Errors and warnings in the console since this was last asked: violations of the policy are among them."""
        return [entry['message'] for entry in self.driver.get_log('browser')]

    def resize(self, size: tuple[int, int], *, pixels: int = 1, mobile: bool = False) -> None:
        """`pixels`: of the screen, for one of the page."""
        self.driver.execute_cdp_cmd(
            'Emulation.setDeviceMetricsOverride',
            {'width': size[0], 'height': size[1], 'deviceScaleFactor': pixels, 'mobile': mobile},
        )

    def colour_scheme(self, scheme: str) -> None:
        feature = {'name': 'prefers-color-scheme', 'value': scheme}
        self.driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [feature]})


def _is_here(host: str) -> bool:
    """Browsers look for names that end so on this machine."""
    return host in ('127.0.0.1', 'localhost') or host.endswith('.localhost')


@contextmanager
def browser(*, image_size: tuple[int, int]) -> Iterator[Browser]:
    """A browser that ends with the block."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in SWITCHES:
        options.add_argument(switch)
    options.accept_insecure_certs = True  # those of tests are signed by nobody
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        made = Browser(driver, image_size=image_size)
        made.resize(DESKTOP)
        yield made
    finally:
        driver.quit()
