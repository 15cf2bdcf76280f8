"""The page in a real browser: what an operator does, and what the robot is asked then."""

from __future__ import annotations

import pytest

from tests.nodes import tracker_scene as scene
from tests.web.operating import RED, centre, one_object, only_the_image, prompts_of, show_objects
from tests.web.pretended import COLOURS, PretendedCamera, Tracked, pretended, wait_for

pytest.importorskip('selenium', reason='selenium is not installed, which drives the browser')

from selenium.webdriver.common.keys import Keys

from tests.web.browser import Browser

pytestmark = pytest.mark.slow


def test_a_click_prompts_the_picture_that_was_seen(tab: Browser, still: tuple) -> None:
    """The pixel that was clicked, to the pixel, and the stamp, to the nanosecond."""
    _, camera = still
    tab.type('#new-name', 'ball')
    tab.type('#new-class', 'toy')
    x, y = centre(camera, 'red')
    tab.click(x, y)
    (prompt,) = prompts_of(camera, 1)
    assert prompt.points == ((x, y, 1),)
    assert prompt.stamp_ns == camera.stamp_ns(camera.index)
    assert (prompt.object_id, prompt.class_name) == ('ball', 'toy')
    wait_for(lambda: 'Done: prompt (ball)' in tab.messages(), 'the answer')
    assert tab.find('#new-name').get_attribute('value') == ''


def test_a_mask_is_drawn_where_it_is(tab: Browser, still: tuple) -> None:
    robot, camera = still
    one_object(tab, robot, camera)
    x, y = centre(camera, 'red')
    red, ground = RED, scene.picture(camera.index)[5, 150]
    tint = [round(0.65 * a + 0.35 * b) for a, b in zip(red, COLOURS[0], strict=True)]
    wait_for(lambda: tab.is_coloured((x, y), tint), 'the tint')
    assert tab.is_coloured((150, 5), ground)
    # between the last pixel of the disc and the next one
    wait_for(lambda: tab.is_coloured((x + scene.RADIUS + 0.5, y), COLOURS[0], tolerance=40), 'the outline')
    only_the_image(tab)
    wait_for(lambda: tab.is_coloured((x, y), red), 'no tint')


def test_a_drag_is_a_box(tab: Browser, still: tuple) -> None:
    _, camera = still
    left, top, right, bottom = map(round, scene.box('blue', camera.index))
    tab.drag((left, top), ((left + right) / 2, bottom), (right, bottom))
    (prompt,) = prompts_of(camera, 1)
    assert prompt.points == () and prompt.mask is None
    assert all(abs(a - b) <= 1 for a, b in zip(prompt.box, (left, top, right + 1, bottom + 1), strict=True))


@pytest.mark.parametrize('way', ['right', 'alt', 'button'])
def test_right_and_alt_clicks_are_negative(tab: Browser, still: tuple, way: str) -> None:
    robot, camera = still
    one_object(tab, robot, camera)
    tab.press('#objects .select')
    x, y = centre(camera, 'blue')
    if way == 'button':
        tab.press('#sign')
        assert 'not part of it' in tab.text('#sign')
    tab.click(x, y, right=way == 'right', held=Keys.ALT if way == 'alt' else None)
    prompt = prompts_of(camera, 2)[-1]
    assert (prompt.object_id, prompt.points, prompt.extend) == ('object_1', ((x, y, 0),), True)


def test_a_negative_click_needs_an_object(tab: Browser, still: tuple) -> None:
    _, camera = still
    tab.click(*centre(camera, 'red'), right=True)
    wait_for(lambda: 'Select the object' in tab.messages(), 'the sentence')
    assert camera.prompts == []


def test_a_click_on_an_object_corrects_it(tab: Browser, still: tuple) -> None:
    robot, camera = still
    one_object(tab, robot, camera)
    x, y = centre(camera, 'red')
    tab.click(x + 3, y)
    assert prompts_of(camera, 2)[-1].object_id == 'object_1'
    tab.click(*centre(camera, 'blue'))
    assert prompts_of(camera, 3)[-1].object_id == ''


def test_clicks_with_shift_are_one_prompt_on_one_picture(tab: Browser, still: tuple) -> None:
    robot, camera = still
    x, y = centre(camera, 'red')
    stamp = camera.stamp_ns(camera.index)
    actions = tab.actions().key_down(Keys.SHIFT)
    tab.at(actions, x, y).click().perform()
    for _ in range(3):  # pictures go on meanwhile
        robot.step()
    wait_for(lambda: 'Held for' in tab.text('#frozen'), 'the held picture')
    actions = tab.actions()
    tab.at(actions, x + 5, y).click()
    tab.at(actions, 150, 5).context_click().perform()
    assert camera.prompts == []
    tab.actions().key_up(Keys.SHIFT).perform()
    (prompt,) = prompts_of(camera, 1)
    assert prompt.points == ((x, y, 1), (x + 5, y, 1), (150, 5, 0)) and prompt.stamp_ns == stamp


def test_collecting_by_the_button_and_cancelling(tab: Browser, still: tuple) -> None:
    _, camera = still
    x, y = centre(camera, 'red')
    tab.press('#collect')
    tab.click(x, y)
    wait_for(lambda: tab.find('#send').is_enabled(), 'something to send')
    tab.press('#cancel')
    wait_for(lambda: not tab.find('#send').is_enabled(), 'nothing to send')
    tab.click(x, y)
    tab.click(x - 4, y)
    tab.press('#send')
    (prompt,) = prompts_of(camera, 1)
    assert prompt.points == ((x, y, 1), (x - 4, y, 1))


def test_a_mask_is_painted(tab: Browser, still: tuple) -> None:
    _, camera = still
    tab.press('[data-tool=brush]')
    tab.drag((40, 40), (80, 40))
    (prompt,) = prompts_of(camera, 1)
    assert prompt.points == () and prompt.box is None
    left, top = prompt.corner
    height, width = prompt.mask.shape
    assert abs(left - 38) <= 2 and abs(left + width - 83) <= 2 and top <= 40 <= top + height
    assert prompt.mask[40 - top].sum() > 40 and prompt.mask.sum() < 45 * height


def test_correct_rename_remove_and_undo(tab: Browser, still: tuple) -> None:
    robot, camera = still
    one_object(tab, robot, camera)
    tab.press('#objects .correct')
    x, y = centre(camera, 'red')
    before, index = scene.disc('red', camera.index), camera.index
    tab.click(x, y + 4)
    assert prompts_of(camera, 2)[-1].object_id == 'object_1'
    wait_for(lambda: 'correct object_1' in tab.messages(), 'the answer')

    tab.press('#undo')  # it gets back the mask that it had
    undone = prompts_of(camera, 3)[-1]
    (left, top), (height, width) = undone.corner, undone.mask.shape
    assert undone.stamp_ns == camera.stamp_ns(index) and undone.object_id == 'object_1'
    assert (before[top : top + height, left : left + width] == undone.mask).all() and undone.mask.sum() == before.sum()

    show_objects(tab, robot, {'object_1'})
    tab.press('#objects .rename')
    tab.type('#rename-name', '<b>cup</b>')
    tab.type('#rename-class', 'mug')
    tab.press('#renaming button[value=rename]')
    renamed = prompts_of(camera, 4)[-1]
    assert (renamed.old, renamed.object_id, renamed.class_name) == ('object_1', '<b>cup</b>', 'mug')
    show_objects(tab, robot, {'<b>cup</b>'})
    assert tab.text('#objects .name') == '<b>cup</b>' and not tab.has('#objects .name b')  # text, not HTML

    tab.press('#objects .remove')
    wait_for(lambda: camera.objects == {}, 'the removal')
    show_objects(tab, robot, set())


def test_undo_removes_a_new_object(tab: Browser, still: tuple) -> None:
    robot, camera = still
    one_object(tab, robot, camera)
    tab.find('#view').click()  # a point beside all objects, refused; it cannot be undone
    wait_for(lambda: 'there is nothing at this place' in tab.messages(), 'the refusal')
    tab.chord(Keys.CONTROL, 'z')
    wait_for(lambda: camera.objects == {}, 'the removal')


def test_an_object_that_is_gone_is_not_selected_any_more(tab: Browser, still: tuple) -> None:
    """Whoever removed it: the next click would begin it anew under its name."""
    robot, camera = still
    one_object(tab, robot, camera)
    tab.press('#objects .select')
    wait_for(lambda: 'For object_1' in tab.text('#target'), 'the selection')
    camera.silent = True  # that says nothing of it
    robot.step()
    wait_for(lambda: tab.shown_stamp() == camera.stamp_ns(camera.index), 'the next picture')
    assert 'For object_1' in tab.text('#target')
    camera.silent = False
    show_objects(tab, robot, {'object_1'})
    camera.objects.clear()
    show_objects(tab, robot, set())
    wait_for(lambda: 'For object_1' not in tab.text('#target'), 'no selection')
    tab.click(*centre(camera, 'blue'))
    assert prompts_of(camera, 2)[-1].object_id == ''


def test_a_frozen_picture_stays_and_can_be_prompted(tab: Browser, still: tuple) -> None:
    robot, camera = still
    frozen = camera.index
    tab.press('#freeze')
    for _ in range(5):
        robot.step()
    wait_for(lambda: 'Held for' in tab.text('#frozen') and 'the tracker keeps it' in tab.text('#frozen'), 'the time')
    x, y = centre(camera, 'red', frozen)
    tab.click(x, y)
    (prompt,) = prompts_of(camera, 1)
    assert prompt.stamp_ns == camera.stamp_ns(frozen) and camera.index == frozen + 5
    # the answer's mask is drawn on the frozen picture
    red = scene.picture(frozen)[y, x]
    wait_for(lambda: tab.pixel(x, y) != tuple(red), 'the mask on the frozen picture')
    for _ in range(80):
        robot.step()
    wait_for(lambda: 'has forgotten it' in tab.text('#frozen'), 'the warning')
    tab.press('#freeze')
    wait_for(lambda: tab.text('#frozen') == '', 'the live picture')


def test_everything_by_keyboard(tab: Browser, still: tuple) -> None:
    robot, camera = still
    tab.driver.execute_script("document.getElementById('view').focus()")
    tab.keys(*[Keys.ARROW_LEFT] * 25, *[Keys.ARROW_UP] * 12, Keys.ENTER)
    (prompt,) = prompts_of(camera, 1)
    x, y = 80 - 25 * 1.6, 60 - 12 * 1.6
    assert prompt.points == ((int(x), int(y), 1),)
    show_objects(tab, robot, {'object_1'})
    tab.keys('1')
    wait_for(lambda: 'For object_1' in tab.text('#target'), 'the selection')
    tab.keys(Keys.ARROW_RIGHT, '-')
    assert prompts_of(camera, 2)[-1].points[0][2] == 0
    tab.keys(Keys.ARROW_RIGHT, 'x', *[Keys.ARROW_RIGHT] * 5, *[Keys.ARROW_DOWN] * 5, 'x')
    prompt = prompts_of(camera, 3)[-1]
    assert prompt.box is not None and prompt.box[2] - prompt.box[0] >= 8
    tab.keys('r')
    wait_for(lambda: tab.has('#renaming[open]'), 'the dialog')
    tab.keys(Keys.ESCAPE)
    tab.keys(Keys.DELETE)
    wait_for(lambda: camera.objects == {}, 'the removal')
    tab.keys('?')
    wait_for(lambda: tab.has('#helping[open]'), 'the help')
    tab.keys(Keys.ESCAPE)
    tab.keys(' ')
    wait_for(lambda: tab.find('#freeze').get_attribute('aria-pressed') == 'true', 'frozen')


def test_a_refused_prompt_is_told_in_the_words_of_the_node(tab: Browser, still: tuple) -> None:
    tab.click(150, 5)
    wait_for(lambda: 'there is nothing at this place' in tab.text('#messages .refused'), 'the sentence')


def _click_frozen(tab: Browser, camera: PretendedCamera, disc: str) -> int:
    """Freeze the picture and click on a disc; the stamp that was clicked."""
    tab.press('#freeze')
    wait_for(lambda: 'Held for' in tab.text('#frozen'), 'a frozen picture')
    stamp_ns = tab.shown_stamp()
    tab.click(*centre(camera, disc, camera.index_of(stamp_ns)))
    return stamp_ns


def test_two_cameras(tab: Browser) -> None:
    with pretended(('/front/tracker', '/rear/tracker')) as robot:
        tab.open(robot.thread.address)
        tab.sees_picture()
        front, rear = robot.cameras
        assert _click_frozen(tab, front, 'red') == prompts_of(front, 1)[0].stamp_ns
        tab.press('#cameras button:last-child')
        tab.sees_picture()
        wait_for(lambda: tab.objects() == [], 'the list of the other camera')
        assert _click_frozen(tab, rear, 'blue') == prompts_of(rear, 1)[0].stamp_ns
        assert len(front.prompts) == 1
        tab.keys('c')
        wait_for(lambda: tab.objects() == ['object_1'], 'the list of the first camera')
        # a camera that goes away is told
        facts = [(camera.name, camera is rear, {}) for camera in robot.cameras]
        robot.thread.post(robot.thread.server.set_cameras, facts)
        wait_for(lambda: '/front/tracker is gone' in tab.text('#veil'), 'the camera is gone')
        assert tab.complaints() == []


SLOW = """
const make = window.createImageBitmap;
window.createImageBitmap = async (...given) => {
  await new Promise((resolve) => setTimeout(resolve, window.wait ?? 0));
  return make(...given);
};
"""


def test_a_picture_on_its_way_is_not_shown_for_another_camera(tab: Browser) -> None:
    """A click on it would go to the wrong tracker."""
    with tab.with_script(SLOW), pretended(('/front/tracker', '/rear/tracker'), moving=False) as robot:
        tab.open(robot.thread.address)
        wait_for(lambda: tab.has('body.has-picture'), 'a picture')
        front, rear = robot.cameras
        front.objects['only in front'] = Tracked(1, disc='red')
        rear.shift, rear.index = 1, 500
        tab.driver.execute_script(
            'window.wait = 400; window.stamps = [];'
            "new MutationObserver(() => stamps.push(document.getElementById('view').dataset.stamp))"
            ".observe(document.getElementById('view'), { attributeFilter: ['data-stamp'] })"
        )
        (viewer,) = robot.thread.server.viewers.values()
        robot.step()
        wait_for(lambda: viewer._on_its_way is not None, 'a picture on its way')
        tab.press('#cameras button:last-child')
        wait_for(lambda: tab.has('body.has-picture') and tab.shown_stamp() == rear.stamp_ns(501), 'the other camera')
        shown = tab.driver.execute_script('return window.stamps')
        assert [float(one) for one in shown] == [rear.stamp_ns(501) / 1e9]
        assert tab.objects() == [] and tab.complaints() == []


def test_recording_and_a_lost_connection(tab: Browser) -> None:
    with pretended() as robot:
        tab.open(robot.thread.address)
        tab.sees_picture()
        tab.press('#record')
        wait_for(lambda: robot.recording and tab.text('#record') == 'Stop recording', 'the recording')
        tab.press('#record')
        wait_for(lambda: 'Recorded in recordings/first' in tab.messages(), 'the end of the recording')
    wait_for(lambda: 'the node ends' in tab.text('#veil') or 'No connection' in tab.text('#veil'), 'the loss')
    tab.complaints()  # connections that fail are errors
