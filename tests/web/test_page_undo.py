"""The last prompt undone, of every kind."""

from __future__ import annotations

import pytest

from tests.nodes import tracker_scene as scene
from tests.web.operating import RED, centre, one_object, only_the_image, prompts_of, show_objects
from tests.web.pretended import PretendedCamera, pretended, wait_for

pytest.importorskip('selenium', reason='selenium is not installed, which drives the browser')

from tests.web.browser import Browser

pytestmark = pytest.mark.slow


def _is_back(camera: PretendedCamera, number: int, disc: str, index: int) -> bool:
    """Whether the prompt of this number gives the object the mask of a disc, on that image."""
    prompt = prompts_of(camera, number)[-1]
    (left, top), (height, width) = prompt.corner, prompt.mask.shape
    whole = scene.disc(disc, index)
    same = (whole[top : top + height, left : left + width] == prompt.mask).all()
    return bool(same) and prompt.mask.sum() == whole.sum() and prompt.stamp_ns == camera.stamp_ns(index)


def _can_undo(tab: Browser, can: bool) -> None:
    wait_for(lambda: tab.find('#undo').is_enabled() is can, f'undo: {can}')


@pytest.mark.parametrize('kind', ['box', 'mask', 'clicks'])
def test_a_new_object_of_every_kind_is_removed(tab: Browser, still: tuple, kind: str) -> None:
    _, camera = still
    x, y = centre(camera, 'blue')
    if kind == 'box':
        tab.drag((x - 14, y - 14), (x + 14, y + 14))
    elif kind == 'mask':
        tab.press('[data-tool=brush]')
        tab.drag((x - 5, y), (x + 5, y))
    else:
        tab.collect((x, y, False), (x + 3, y, False), (150, 5, True))
    prompts_of(camera, 1)
    _can_undo(tab, True)
    tab.press('#undo')
    wait_for(lambda: camera.objects == {}, 'the removal')
    _can_undo(tab, False)


@pytest.mark.parametrize('kind', ['click', 'right', 'box', 'mask'])
def test_a_correction_of_every_kind_gives_the_mask_back(tab: Browser, still: tuple, kind: str) -> None:
    robot, camera = still
    one_object(tab, robot, camera)
    index = camera.index
    tab.press('#objects .correct')
    x, y = centre(camera, 'red')
    if kind == 'box':
        tab.drag((x - 9, y - 9), (x + 9, y + 9))
    elif kind == 'mask':
        tab.press('[data-tool=brush]')
        tab.drag((x - 5, y), (x + 5, y))
    else:
        tab.click(x + 2, y, right=kind == 'right')
    assert prompts_of(camera, 2)[-1].object_id == 'object_1'
    wait_for(lambda: 'correct object_1' in tab.messages(), 'the answer')
    robot.step()  # it is for the picture that was prompted, not for the newest
    tab.press('#undo')
    assert _is_back(camera, 3, 'red', index)


def test_step_by_step_on_a_frozen_picture(tab: Browser, still: tuple) -> None:
    """The frozen picture shows what is undone, too."""
    robot, camera = still
    only_the_image(tab)
    tab.choose('#effect', 'grey')
    tab.choose('#hide', 'background')
    x, y = centre(camera, 'red')
    index = camera.index
    tab.press('#freeze')
    tab.click(x, y)
    prompts_of(camera, 1)
    wait_for(lambda: tab.is_coloured((x, y + 9), RED), 'the object')
    tab.press('[data-tool=brush]')
    show_objects(tab, robot, {'object_1'})
    tab.press('#objects .select')
    wait_for(lambda: 'For object_1' in tab.text('#target'), 'the selection')
    tab.drag((x - 4, y), (x + 4, y))
    prompts_of(camera, 2)
    wait_for(lambda: tab.is_coloured((x, y + 12), (128, 128, 128)), 'the smaller mask')
    tab.press('#undo')
    assert _is_back(camera, 3, 'red', index)
    wait_for(lambda: tab.is_coloured((x, y + 9), RED), 'the mask before')
    tab.press('#undo')
    wait_for(lambda: camera.objects == {}, 'the removal')
    wait_for(lambda: tab.is_coloured((x, y), (128, 128, 128)), 'no object on the frozen picture')
    _can_undo(tab, False)


def test_a_hidden_object_has_no_mask_to_go_back_to(tab: Browser, still: tuple) -> None:
    robot, camera = still
    one_object(tab, robot, camera)
    camera.hidden.add('object_1')
    show_objects(tab, robot, {'object_1'})
    wait_for(lambda: 'hidden' in tab.text('#objects .state'), 'that it is hidden')
    tab.press('#objects .correct')
    tab.click(*centre(camera, 'red'))
    prompts_of(camera, 2)
    wait_for(lambda: 'correct object_1' in tab.messages(), 'the answer')
    tab.press('#undo')
    wait_for(lambda: 'no mask to go back to' in tab.messages(), 'the sentence')
    assert len(camera.prompts) == 2
    tab.press('#undo')  # the prompt before
    wait_for(lambda: camera.objects == {}, 'the removal')


def test_what_was_removed_stays_removed(tab: Browser, still: tuple) -> None:
    robot, camera = still
    one_object(tab, robot, camera)
    tab.click(*centre(camera, 'blue'))
    prompts_of(camera, 2)
    show_objects(tab, robot, {'object_1', 'object_2'})
    tab.press('#objects li:last-child .remove')
    wait_for(lambda: list(camera.objects) == ['object_1'], 'the removal')
    wait_for(lambda: 'remove object_2' in tab.messages(), 'the answer')
    tab.press('#undo')  # the last prompt that still is
    wait_for(lambda: camera.objects == {}, 'the removal of the other')
    _can_undo(tab, False)
    assert len(camera.prompts) == 2


def test_a_renamed_object_is_undone_under_its_new_name(tab: Browser, still: tuple) -> None:
    robot, camera = still
    one_object(tab, robot, camera)
    tab.press('#objects .rename')
    tab.type('#rename-name', 'cup')
    tab.press('#renaming button[value=rename]')
    show_objects(tab, robot, {'cup'})
    wait_for(lambda: 'rename object_1' in tab.messages(), 'the answer')
    tab.press('#undo')
    wait_for(lambda: camera.objects == {}, 'the removal')


def test_all_forgotten_leaves_nothing_to_undo(tab: Browser, still: tuple) -> None:
    robot, camera = still
    one_object(tab, robot, camera)
    tab.click(*centre(camera, 'blue'))
    prompts_of(camera, 2)
    show_objects(tab, robot, {'object_1', 'object_2'})
    _can_undo(tab, True)
    tab.press('#reset')
    wait_for(lambda: camera.objects == {}, 'the reset')
    _can_undo(tab, False)


def test_the_prompts_of_another_camera_stay(tab: Browser) -> None:
    with pretended(('/front/tracker', '/rear/tracker'), moving=False) as robot:
        tab.open(robot.thread.address)
        wait_for(lambda: tab.has('body.has-picture'), 'a picture')
        front, _ = robot.cameras
        one_object(tab, robot, front)
        _can_undo(tab, True)
        tab.press('#cameras button:last-child')
        wait_for(lambda: tab.objects() == [], 'the other')
        _can_undo(tab, False)
        tab.press('#cameras button')
        _can_undo(tab, True)
        wait_for(lambda: tab.has('body.has-picture'), 'its picture')
        tab.press('#undo')
        wait_for(lambda: front.objects == {}, 'the removal')
        assert tab.complaints() == []
