"""The page and its node: who may open it, what ends a connection, and what comes after."""

from __future__ import annotations

import pytest

from sam2_ros.web.access import Access
from tests.nodes import tracker_scene as scene
from tests.web.operating import centre, one_object, prompts_of, show_objects
from tests.web.pretended import Tracked, pretended, wait_for

pytest.importorskip('selenium', reason='selenium is not installed, which drives the browser')

from selenium.webdriver.common.keys import Keys

from tests.web.browser import Browser, browser

pytestmark = pytest.mark.slow
TOKEN = 'a-token-of-some-length'


def test_only_looking(tab: Browser) -> None:
    with pretended(read_only=True) as robot:
        tab.open(robot.thread.address)
        tab.sees_picture()
        assert not tab.find('#undo').is_displayed() and not tab.find('#record').is_displayed()
        tab.click(80, 60)
        tab.keys('b', Keys.DELETE)
        tab.press('#freeze')
        assert robot.asked == [] and tab.complaints() == []


def test_the_token_is_taken_out_of_the_address(tab: Browser) -> None:
    with pretended(access=Access(token=TOKEN)) as robot:
        address = robot.thread.address
        tab.open(address)
        assert not tab.has('#view')
        tab.open(f'{address}?token={TOKEN}')
        tab.sees_picture()
        assert tab.driver.current_url == address
        tab.complaints()  # that the first was refused


FOREIGN = """
const done = arguments[arguments.length - 1];
const socket = new WebSocket(arguments[0]);
socket.onopen = () => done('open');
socket.onerror = () => done('refused');
"""


def test_a_foreign_page_cannot_open_the_socket(tab: Browser) -> None:
    """A page of another origin, in the same browser, on the same machine."""
    with pretended() as robot, pretended() as other:
        tab.open(other.thread.address)
        tab.sees_picture()
        address = robot.thread.address.replace('http:', 'ws:') + 'ws'
        tab.driver.execute_cdp_cmd('Page.setBypassCSP', {'enabled': True})  # as an attacker's page has none
        tab.open('data:text/html,<title>evil</title>')
        assert tab.driver.execute_async_script(FOREIGN, address) == 'refused'
        tab.open(other.thread.address)
        assert tab.driver.execute_async_script(FOREIGN, address) == 'refused'
        tab.driver.execute_cdp_cmd('Page.setBypassCSP', {'enabled': False})
        assert tab.driver.execute_async_script(FOREIGN, other.thread.address.replace('http:', 'ws:') + 'ws') == 'open'
        tab.complaints()


def test_a_foreign_name_of_this_machine_shows_nothing(tab: Browser) -> None:
    """DNS rebinding. Browsers look for every name under localhost on this machine."""
    with pretended() as robot:
        tab.open(robot.thread.address.replace('127.0.0.1', 'evil.localhost'))
        assert not tab.has('#view') and 'not in allowed_hosts' in tab.text('body')
        tab.complaints()  # that it was refused
    with pretended(access=Access(allowed_hosts=('robot.localhost',))) as robot:
        tab.open(robot.thread.address.replace('127.0.0.1', 'robot.localhost'))
        tab.sees_picture()
        assert tab.complaints() == []


def test_the_page_cannot_be_framed_by_another(tab: Browser) -> None:
    """Else a foreign page could lay something over it and have the operator click."""
    with pretended() as robot:
        tab.open(f'data:text/html,<iframe src="{robot.thread.address}"></iframe>')
        tab.driver.switch_to.frame(0)
        assert not tab.has('#view')
        tab.driver.switch_to.default_content()
        tab.complaints()
        assert robot.thread.server.viewers == {}


def test_https(tab: Browser, certificate: tuple[str, str]) -> None:
    access = Access(token=TOKEN)
    with pretended(access=access, certificate=certificate[0], key=certificate[1], moving=False) as robot:
        tab.open(f'{robot.thread.address}?token={TOKEN}')
        wait_for(lambda: tab.has('body.has-picture'), 'a picture')
        assert tab.driver.current_url == robot.thread.address and robot.thread.address.startswith('https:')
        one_object(tab, robot, robot.cameras[0])
        assert any(address.startswith('wss:') for address in tab.requests())
        (cookie,) = [one for one in tab.driver.get_cookies() if one['name'].endswith(str(_port(robot)))]
        assert cookie['secure'] and cookie['httpOnly'] and cookie['sameSite'] == 'Strict'
        assert tab.driver.execute_script('return document.cookie') == ''
        assert tab.complaints() == []


EVIL = "document.title = 'owned'"
NAMES = (
    f'<img src=x onerror="{EVIL}">', f'"><script>{EVIL}</script>', f"' onclick={EVIL} '", '&lt;b&gt;', '__proto__',
    'constructor', '\N{RIGHT-TO-LEFT OVERRIDE}gpj.cup', '\N{GRINNING FACE}' * 32, 'x' * 64,
)  # fmt: skip


def test_names_are_only_text(tab: Browser) -> None:
    """Of objects, classes and cameras, wherever they are shown: nothing is run or even looked up."""
    with pretended((NAMES[0], NAMES[1]), moving=False) as robot:
        camera = robot.cameras[0]
        still = scene.disc('red', 0)
        for label, name in enumerate(NAMES, 1):
            camera.objects[name] = Tracked(label, still=still, class_name=NAMES[label % len(NAMES)])
        tab.open(robot.thread.address)
        wait_for(lambda: tab.has('body.has-picture'), 'a picture')
        show_objects(tab, robot, set(NAMES))
        assert tab.driver.execute_script(
            "return Array.from(document.querySelectorAll('.name'), (one) => one.textContent)"
        ) == list(NAMES)
        for number in range(len(NAMES)):
            item = f'#objects li:nth-child({number + 1})'
            tab.press(f'{item} .select')
            wait_for(lambda number=number: NAMES[number] in _text(tab, '#target'), 'the selected name')
            tab.press(f'{item} .rename')
            assert tab.find('#rename-name').get_attribute('value') == NAMES[number]
            tab.type('#rename-name', NAMES[number - 1][:20] if number != 8 else NAMES[4])
            tab.press('#renaming button[value=rename]' if number == 8 else '#rename-cancel')
        wait_for(lambda: 'There is a __proto__ already' in tab.messages(), 'a sentence with a name')
        robot.thread.post(robot.thread.server.set_cameras, [(NAMES[0], False, {}), (NAMES[1], True, {'trouble': EVIL})])
        wait_for(lambda: f'{NAMES[0]} is gone' in tab.text('#veil'), 'a sentence with the name of a camera')
        assert tab.driver.title != 'owned'
        assert tab.driver.execute_script("return document.querySelectorAll('img, script').length") == 2  # its own
        assert tab.complaints() == []


def _text(tab: Browser, selector: str) -> str:
    """As it is in the page, spaces included."""
    return tab.find(selector).get_attribute('textContent')


def test_a_page_that_asks_too_much_is_told_and_comes_back(tab: Browser) -> None:
    """An operator cannot: a key that is held counts once. A script in the page can, and another page goes on."""
    with pretended() as robot, browser(image_size=(scene.HEIGHT, scene.WIDTH)) as other:
        other.open(robot.thread.address)
        tab.open(robot.thread.address)
        tab.sees_picture()
        tab.driver.execute_script("window.told = []; const veil = document.getElementById('veil');"
            'new MutationObserver(() => told.push(veil.textContent)).observe(veil, { childList: true })')  # fmt: skip
        press = (
            "const view = document.getElementById('view'); view.focus();"
            "const press = (key, repeat) => view.dispatchEvent(new KeyboardEvent('keydown', { key, repeat }));"
            "press('ArrowLeft', false); for (let n = 0; n < 100; n++) press('Enter', arguments[0]);"
        )
        tab.driver.execute_script(press, True)
        assert robot.asked == []
        tab.driver.execute_script(press, False)
        wait_for(lambda: 'more than 20 messages a second' in tab.driver.execute_script('return told.join()'), 'why')
        wait_for(lambda: 'the connection broke before the answer came' in tab.messages(), 'that some were lost')
        assert 0 < len(robot.asked) < 100
        wait_for(lambda: tab.text('#veil') == '', 'a new connection')
        stamp = tab.shown_stamp()
        wait_for(lambda: tab.shown_stamp() > stamp, 'pictures again')
        other.sees_picture()
        assert other.complaints() == [] and len(robot.thread.server.viewers) == 2
        tab.complaints()


def test_one_page_too_many_waits_for_its_turn(tab: Browser) -> None:
    with pretended(most_viewers=1) as robot:
        tab.open(robot.thread.address)
        tab.sees_picture()
        first = tab.driver.current_window_handle
        tab.driver.switch_to.new_window('tab')
        tab.driver.get(robot.thread.address)
        wait_for(lambda: '1 pages are open already' in tab.text('#veil'), 'the reason')
        second = tab.driver.current_window_handle
        tab.driver.switch_to.window(first)
        tab.driver.get('about:blank')
        tab.driver.switch_to.window(second)
        tab.sees_picture()
        tab.driver.close()
        tab.driver.switch_to.window(first)
        tab.complaints()


def test_a_page_that_was_left_is_closed_and_goes_on_when_the_operator_goes_back(tab: Browser) -> None:
    """Browsers keep such pages for minutes, whole and with open connections."""
    with pretended() as robot:
        tab.open(robot.thread.address)
        tab.sees_picture()
        tab.driver.get('about:blank')
        wait_for(lambda: not robot.thread.server.viewers, 'the end of the connection')
        assert robot.watched == frozenset()
        tab.driver.back()
        wait_for(lambda: robot.watched, 'the page again')
        stamp = tab.shown_stamp() if tab.has('body.has-picture') else 0
        wait_for(lambda: tab.has('body.has-picture') and tab.shown_stamp() > stamp, 'new pictures')
        tab.complaints()


def _port(robot: object) -> int:
    return int(robot.thread.address.rsplit(':', 1)[1].strip('/'))


def test_the_page_finds_its_camera_again_when_the_node_starts_anew(tab: Browser) -> None:
    """By its name: the node may number the cameras otherwise, and find them one after the other."""
    with pretended(('/front/tracker', '/rear/tracker')) as robot:
        tab.open(robot.thread.address)
        tab.sees_picture()
        tab.press('#cameras button:last-child')
        port = _port(robot)
        tab.sees_picture()
        tab.click(80, 60)
        wait_for(lambda: 'nothing at this place' in tab.messages(), 'an answer')
    wait_for(lambda: tab.text('#veil') != '', 'the loss')
    with pretended(('/rear/tracker', '/front/tracker'), port=port, moving=False) as robot:
        chosen = '#cameras button[aria-pressed=true]'
        wait_for(lambda: tab.text('#veil').startswith('The picture is') or tab.text('#veil') == '', 'the node again')
        wait_for(lambda: tab.has(chosen) and tab.text(chosen) == 'rear/tracker', 'the same camera')
        rear = robot.cameras[0]
        wait_for(lambda: tab.shown_stamp() == rear.stamp_ns(rear.index), 'its picture')
        assert not tab.find('#undo').is_enabled(), 'what was prompted was for cameras with other numbers'
        tab.click(*centre(rear, 'red'))
        prompts_of(rear, 1)
        tab.complaints()


def test_a_short_break_loses_nothing(tab: Browser) -> None:
    """What was collected, the frozen picture, and what can be undone."""
    with pretended(moving=False) as robot:
        tab.open(robot.thread.address)
        wait_for(lambda: tab.has('body.has-picture'), 'a picture')
        port, camera = _port(robot), robot.cameras[0]
        one_object(tab, robot, camera)
        stamp, place = camera.stamp_ns(camera.index), centre(camera, 'red')
        tab.press('#freeze')
        tab.press('#collect')
        tab.click(*place)
        tab.click(place[0] + 3, place[1])
    wait_for(lambda: tab.text('#veil') != '', 'the loss')
    tab.press('#send')
    wait_for(lambda: 'there is no connection' in tab.messages(), 'the sentence')
    tab.chord(Keys.CONTROL, 'z')
    wait_for(lambda: tab.messages().count('there is no connection') == 2, 'the sentence')
    with pretended(port=port, moving=False) as robot:
        camera = robot.cameras[0]
        wait_for(lambda: robot.watched, 'the page')
        tab.press('#send')
        (prompt,) = prompts_of(camera, 1)
        assert prompt.stamp_ns == stamp and prompt.points == ((*place, 1), (place[0] + 3, place[1], 1))
        assert tab.find('#undo').is_enabled()
        tab.complaints()


def test_a_node_with_a_new_token_says_so(tab: Browser) -> None:
    with pretended(access=Access(token=TOKEN)) as robot:
        tab.open(f'{robot.thread.address}?token={TOKEN}')
        tab.sees_picture()
        port = _port(robot)
    with pretended(access=Access(token='another-token-of-some-length'), port=port):
        wait_for(lambda: 'Open the page with the address that the node has printed' in tab.text('#veil'), 'what to do')
        tab.complaints()
