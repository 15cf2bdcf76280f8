"""What pages are sent and what they may ask: flow control, limits, refusals."""

from __future__ import annotations

import asyncio
import gc
import json
from unittest import mock

import aiohttp
import numpy as np
import pytest

from sam2_ros.web import server
from sam2_ros.web.cameras import Seen
from sam2_ros.web.commands import Prompt, Record, Remove, Rename, Reset
from sam2_ros.web.pictures import NANOSECONDS, mask_of_runs
from sam2_ros.web.server import LARGEST_MESSAGE, PageServer, Serving
from sam2_ros.web.thread import ServerThread
from sam2_ros.web.viewer import MESSAGES_AT_ONCE
from tests.web.robot import NotingRobot, run, served

POINT = {'do': 'prompt', 'number': 3, 'stamp': '5.000000007', 'points': [[1, 2, 1]]}
MASK = {'box': [10, 20, 16, 24], 'runs': [8, 3, 3, 3, 7]}


def test_a_page_is_greeted_and_sees_pictures_with_masks() -> None:
    async def test() -> None:
        async with served() as page, page.page() as viewer:
            hello, _ = await viewer.read('hello')
            assert hello['cameras'] == [{'name': '/tracker', 'alive': True}] and not hello['read_only']
            page.show(5, file=b'a picture')
            await viewer.say(do='watch', camera=0)
            head, parts = await viewer.read('picture')
            assert (head['stamp'], head['width'], head['height']) == ('5.000000007', 160, 120)
            begin, length = head['file']
            assert parts[begin : begin + length] == b'a picture'
            (cup,) = head['objects']
            begin, length = cup['mask']
            runs = np.frombuffer(parts[begin : begin + length], '<u4')
            assert mask_of_runs(runs.tolist(), height=4, width=6).sum() == 6
            assert cup['box'] == [10, 20, 16, 24] and cup['label'] == 1

    run(test())


def test_a_slow_page_gets_the_newest_picture_and_no_queue() -> None:
    async def test() -> None:
        async with served() as page, page.page() as slow, page.page() as fast:
            for viewer in (slow, fast):
                await viewer.say(do='watch', camera=0)
            await page.until(lambda: page.server.watched == {0})
            await page.until(lambda: all(one.camera for one in page.server.viewers.values()))
            for index in range(1, 21):
                page.show(index)
                assert (await fast.read('picture'))[0]['stamp'].startswith(f'{index}.')
                await fast.say(do='drawn')
                await page.until(lambda index=index: page.server.viewers[2].drawn == index)
            assert (await slow.read('picture'))[0]['stamp'].startswith('1.')
            await slow.say(do='drawn')
            assert (await slow.read('picture'))[0]['stamp'].startswith('20.')
            assert len(page.server.viewers[2].latencies) == 20

    run(test())


def test_no_picture_is_sent_before_the_last_is_drawn() -> None:
    async def test() -> None:
        async with served() as page, page.page() as viewer:
            await viewer.say(do='watch', camera=0)
            await page.until(lambda: page.server.watched)
            page.show(1)
            await viewer.read('picture')
            page.show(2)
            page.server.set_recording({'on': True})  # comes after the picture, had that been sent
            head, _ = await viewer.read('recording')
            assert head['recording'] == {'on': True}
            await viewer.say(do='drawn')
            assert (await viewer.read('picture'))[0]['stamp'].startswith('2.')

    run(test())


def test_a_picture_says_of_which_camera_it_is() -> None:
    """It may be on its way when the page asks for another camera."""

    async def test() -> None:
        async with served() as page, page.page() as viewer:
            page.server.set_cameras([('/tracker', True, {}), ('/other/tracker', True, {})])
            await viewer.say(do='watch', camera=0)
            await page.until(lambda: page.server.watched == {0})
            page.show(1, camera=0)
            page.show(2, camera=1)
            await viewer.say(do='watch', camera=1)
            await page.until(lambda: page.server.watched == {1})
            assert (await viewer.read('picture'))[0]['camera'] == 0
            await viewer.say(do='drawn')
            head, _ = await viewer.read('picture')
            assert head['camera'] == 1 and head['stamp'].startswith('2.')

    run(test())


def test_a_page_that_does_not_answer_any_more_is_dropped() -> None:
    """As one that went out of reach: no good-bye comes."""

    async def test() -> None:
        with mock.patch.object(server, 'HEARTBEAT', 0.2):
            async with served() as page, page.page() as good:
                silent = await page.session.ws_connect(
                    page.address + '/ws', headers={'Origin': page.address}, autoping=False
                )
                await page.until(lambda: len(page.server.viewers) == 2)
                answering = asyncio.ensure_future(good.read('nothing'))  # answers pings meanwhile
                await good.say(do='watch', camera=0)
                await page.until(lambda: list(page.server.viewers) == [1])
                assert not answering.done()
                answering.cancel()
                await silent.close()

    run(test())


def test_the_history_comes_whole_at_first_and_then_only_what_is_new() -> None:
    async def test() -> None:
        async with served() as page, page.page() as viewer:
            for index in range(1, 41):
                page.server.saw(0, index * NANOSECONDS, {'cup': Seen(index / 100, 'anchor' if index == 20 else '')})
            page.show(40)
            await viewer.say(do='watch', camera=0)
            frames = (await viewer.read('picture'))[0]['frames']
            assert [frame[0] for frame in frames] == list(range(10, 41))  # 30 seconds
            assert frames[10] == [20.0, {'cup': [0.2, 'anchor']}]
            for index in (41, 42):
                page.server.saw(0, index * NANOSECONDS, {'cup': Seen(0.5, '')})
            page.show(42)
            await viewer.say(do='drawn')
            frames = (await viewer.read('picture'))[0]['frames']
            assert [frame[0] for frame in frames] == [41, 42]
            page.server.saw(0, NANOSECONDS, {})  # time jumps back
            page.show(1)
            await viewer.say(do='drawn')
            assert (await viewer.read('picture'))[0]['frames'] == [[1.0, {}]]

    run(test())


def test_commands_reach_the_robot_and_answers_the_page_that_asked() -> None:
    async def test() -> None:
        async with served() as page, page.page() as asking, page.page() as other:
            page.show(5)
            await other.read('hello')
            await asking.say(**POINT, object='cup', **{'class': 'mug'})
            await asking.say(do='prompt', stamp='5.000000007', box=[1, 2, 3.5, 4], mask=None, extend=True)
            await asking.say(do='rename', stamp='5.000000007', object='mug', old='cup', mask=MASK)
            await asking.say(do='remove', object='cup')
            await asking.say(do='reset')
            await asking.say(do='record', on=True)
            await page.until(lambda: len(page.robot.asked) == 6)
            assert {viewer for viewer, _ in page.robot.asked} == {1}
            point, box, rename, remove, reset, record = (command for _, command in page.robot.asked)
            assert isinstance(point, Prompt) and point.points == ((1, 2, 1),) and point.stamp_ns == 5 * NANOSECONDS + 7
            assert (point.object_id, point.class_name, point.number, point.extend) == ('cup', 'mug', 3, False)
            assert box.box == (1, 2, 3.5, 4) and box.extend and box.mask is None
            assert isinstance(rename, Rename) and (rename.old, rename.object_id) == ('cup', 'mug')
            assert rename.corner == (10, 20) and rename.mask.shape == (4, 6) and rename.mask.sum() == 6
            assert isinstance(remove, Remove) and isinstance(reset, Reset) and isinstance(record, Record)
            page.server.answer(1, 3, success=True, object_id='cup', stamp_ns=point.stamp_ns)
            head, _ = await asking.read('answer')
            assert (head['number'], head['success'], head['stamp']) == (3, True, '5.000000007')
            page.server.set_recording({'on': False})
            message = await other.socket.receive()
            assert b'recording' in message.data  # no answer came before
            page.server.answer(99, 3, success=True)  # to a page that is gone

    run(test())


@pytest.mark.parametrize(
    ('entries', 'reason'),
    [
        ({'do': 'dance'}, 'must be one of watch, drawn, prompt'),
        ({'do': ['prompt']}, 'must be one of'),
        ({'do': 'watch', 'camera': 7}, 'no camera'),
        ({'do': 'watch', 'camera': -1}, '"camera" must be a whole number'),
        ({'do': 'watch', 'camera': True}, '"camera" must be a whole number'),
        ({'do': 'watch', 'camera': '/tracker'}, '"camera" must be a whole number'),
        ({**POINT, 'camera': 3}, 'no picture of this camera'),
        ({**POINT, 'stamp': 5.5}, '"stamp"'),
        ({**POINT, 'stamp': '5.5'}, '"stamp"'),
        ({**POINT, 'points': []}, 'neither points nor a box nor a mask'),
        ({**POINT, 'points': [[1, 2]]}, '3 finite numbers'),
        ({**POINT, 'points': [[1, float('nan'), 1]]}, 'finite'),
        ({**POINT, 'points': [[1, float('inf'), 1]]}, 'finite'),
        ({**POINT, 'points': [['1', 2, 1]]}, 'finite'),
        ({**POINT, 'points': [[160, 2, 1]]}, 'outside the image of 160 x 120'),
        ({**POINT, 'points': [[1, -0.1, 1]]}, 'outside the image'),
        ({**POINT, 'points': [[1, 2, 2]]}, 'label'),
        ({**POINT, 'points': [[1, 2, 1]] * 257}, 'at most 256'),
        ({**POINT, 'points': {'x': 1}}, 'list'),
        ({**POINT, 'box': [1, 2, 1, 4]}, 'empty'),
        ({**POINT, 'box': [0, 0, 161, 4]}, 'not within the image'),
        ({**POINT, 'object': 'x' * 65}, '64 printable'),
        ({**POINT, 'object': 'a\nb'}, '64 printable'),
        ({**POINT, 'class': 5}, '64 printable'),
        ({**POINT, 'extend': 1}, 'true or false'),
        ({**POINT, 'mask': 'all'}, 'a box and runs'),
        ({**POINT, 'mask': {'box': [0, 0, 9999, 9999], 'runs': [0]}}, 'not within the image'),
        ({**POINT, 'mask': {**MASK, 'runs': [8, 3, 3, 3, 8]}}, 'do not make 6 x 4'),
        ({**POINT, 'mask': {**MASK, 'runs': [-1, 25]}}, 'whole numbers from 0 to 24'),
        ({**POINT, 'mask': {**MASK, 'runs': [1.5]}}, 'whole numbers'),
        ({'do': 'remove'}, '"object" must be a text'),
        ({'do': 'rename', 'stamp': '5.000000007', 'object': 'a', 'old': 'b', 'points': [[1, 2, 1]]}, 'mask is needed'),
        ({'do': 'rename', 'stamp': '5.000000007', 'object': '', 'old': 'b', 'mask': MASK}, '"object"'),
        ({'do': 'rename', 'stamp': '5.000000007', 'object': 'a', 'mask': MASK}, '"old"'),
        ({'do': 'record', 'on': 'yes'}, 'true or false'),
    ],
)
def test_what_is_not_understood_is_refused_with_a_sentence(entries: dict, reason: str) -> None:
    async def test() -> None:
        async with served() as page, page.page() as viewer:
            page.show(5)
            assert reason in await viewer.refused(**entries)
            assert page.robot.asked == [] and page.server.refused == 1

    run(test())


@pytest.mark.parametrize(
    'text', ['', 'no JSON', '[]', '5', 'null', '"do"', '[' * 50_000, '{"do": 1' + '0' * 5000 + '}']
)
def test_messages_that_are_no_commands_are_refused(text: str) -> None:
    async def test() -> None:
        async with served() as page, page.page() as viewer:
            await viewer.socket.send_str(text)
            head, _ = await viewer.read('answer')
            assert not head['success'] and head['reason']
            await viewer.say(do='reset')  # it goes on
            await page.until(lambda: page.robot.asked)

    run(test())


def test_the_refusal_carries_the_number_of_the_command() -> None:
    async def test() -> None:
        async with served() as page, page.page() as viewer:
            await viewer.say(do='remove', number=12)
            assert (await viewer.read('answer'))[0]['number'] == 12
            await viewer.say(do='watch', camera=9, number=13)
            assert (await viewer.read('answer'))[0]['number'] == 13

    run(test())


def test_one_bad_page_is_dropped_and_the_others_go_on() -> None:
    async def test() -> None:
        async with served() as page, page.page() as good:
            await good.say(do='watch', camera=0)
            async with page.page() as flooding:
                for _ in range(MESSAGES_AT_ONCE + 30):
                    await flooding.say(do='reset')
                code, _ = await flooding.closed()
                assert code == aiohttp.WSCloseCode.POLICY_VIOLATION
                assert len(page.robot.asked) <= MESSAGES_AT_ONCE + 2
            async with page.page() as rubbish:
                for _ in range(MESSAGES_AT_ONCE + 30):
                    await rubbish.socket.send_str('rubbish')
                assert (await rubbish.closed())[0] == aiohttp.WSCloseCode.POLICY_VIOLATION
            async with page.page() as acknowledging:
                for _ in range(MESSAGES_AT_ONCE + 30):
                    await acknowledging.say(do='drawn')
                assert (await acknowledging.closed())[0] == aiohttp.WSCloseCode.POLICY_VIOLATION
            async with page.page() as large:
                await large.socket.send_str(json.dumps({'do': 'x' * LARGEST_MESSAGE}))
                assert (await large.closed())[0] == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
            async with page.page() as binary:
                await binary.socket.send_bytes(b'\0' * 10)
                assert (await binary.closed())[0] == aiohttp.WSCloseCode.UNSUPPORTED_DATA
            await page.until(lambda: list(page.server.viewers) == [1])
            page.show(1)
            assert (await good.read('picture'))[0]['stamp'].startswith('1.')

    run(test())


def test_there_is_a_most_of_pages() -> None:
    async def test() -> None:
        async with served(most_viewers=2) as page, page.page() as first, page.page():
            async with page.page() as third:
                code, _ = await third.closed()
                assert code == aiohttp.WSCloseCode.TRY_AGAIN_LATER
            await first.socket.close()
            await page.until(lambda: len(page.server.viewers) == 1)
            async with page.page() as next_one:
                await next_one.read('hello')

    run(test())


def test_a_page_that_may_only_look_changes_nothing() -> None:
    async def test() -> None:
        async with served(read_only=True) as page, page.page() as viewer:
            assert (await viewer.read('hello'))[0]['read_only']
            page.show(5)
            await viewer.say(do='watch', camera=0)
            await viewer.read('picture')
            for entries in (POINT, {'do': 'remove', 'object': 'cup'}, {'do': 'reset'}, {'do': 'record', 'on': True}):
                assert 'read_only' in await viewer.refused(**entries)
            assert page.robot.asked == []

    run(test())


def test_hundreds_of_connections_leave_nothing_behind() -> None:
    async def test() -> None:
        async with served() as page:
            page.show(1, file=b'x' * 10_000)

            async def come_and_go() -> None:
                async with page.page() as viewer:
                    await viewer.say(do='watch', camera=0)
                    await viewer.read('picture')

            await come_and_go()
            await page.until(lambda: not page.server.viewers)
            gc.collect()
            tasks, objects = len(asyncio.all_tasks()), len(gc.get_objects())
            for _ in range(300):
                await come_and_go()
            await page.until(lambda: not page.server.viewers)
            await page.until(lambda: len(asyncio.all_tasks()) <= tasks + 2)
            gc.collect()
            assert len(gc.get_objects()) < objects + 3000  # ten for each would be a leak

    run(test())


def test_cameras_keep_their_index() -> None:
    async def test() -> None:
        async with served() as page, page.page() as viewer:
            await viewer.read('hello')
            page.server.set_cameras([('/tracker', False, {}), ('/front/tracker', True, {'ring': 3})])
            head, _ = await viewer.read('cameras')
            assert head['cameras'] == [
                {'name': '/tracker', 'alive': False},
                {'name': '/front/tracker', 'alive': True, 'ring': 3},
            ]
            await viewer.say(do='watch', camera=1)
            await page.until(lambda: page.server.watched == page.robot.watched == {1})
            page.show(1, camera=0)
            page.show(2, camera=1)
            assert (await viewer.read('picture'))[0]['stamp'].startswith('2.')

    run(test())


def test_a_taken_port_is_an_error_and_ends_no_other() -> None:
    first = ServerThread(PageServer(Serving(port=0), NotingRobot()))
    try:
        port = int(first.address.rsplit(':', 1)[1].strip('/'))
        with pytest.raises(OSError):
            ServerThread(PageServer(Serving(port=port), NotingRobot()))
    finally:
        first.close()
    first.post(print, 'after the end')  # does nothing
    again = ServerThread(PageServer(Serving(port=port), NotingRobot()))  # it is free at once
    again.close()


def test_the_end_of_the_server_is_told_to_pages() -> None:
    async def test() -> None:
        async with served() as page, page.page() as viewer:
            await viewer.read('hello')
            stopping = asyncio.ensure_future(page.server.stop())
            assert (await viewer.closed())[0] == aiohttp.WSCloseCode.GOING_AWAY
            await stopping

    run(test())
