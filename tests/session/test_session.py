"""The verbs of a session: what changes, what does not, and what is refused."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam2_ros.model import Sam2Network
from sam2_ros.session import SessionOptions, VideoSession
from sam2_ros.tracking import FrameResult, MemoryEvent, ObjectState, Prompt, UnknownObjectError
from tests.session.conftest import assert_same
from tests.tracking.clips import Clip

FRAMES = 24
Act = tuple  # ('say', frame, object, kind), ('go', start, reverse, frames), ('unsay', n), ('remove', n), ('both',)

say = st.tuples(
    st.just('say'),
    st.integers(0, FRAMES - 1),
    st.sampled_from('abc'),
    st.sampled_from(['point', 'points', 'box', 'mask']),
)
go = st.tuples(st.just('go'), st.integers(0, FRAMES - 1), st.booleans(), st.integers(1, 5))
unsay = st.tuples(st.just('unsay'), st.integers(0, 9))
remove = st.tuples(st.just('remove'), st.integers(0, 9))


def act(session: VideoSession, clip: Clip, what: Act) -> bool:
    """Do it, where it can be done; whether it was a change that `undo` takes back."""
    verb, *values = what
    if verb == 'say':
        frame, name, kind = values
        session.prompt(frame, clip.prompt(name, kind, frame))
        return True
    if not session.object_ids:
        return False
    if verb == 'go':
        start, reverse, frames = values
        try:
            for _ in session.propagate(start, reverse=reverse, max_frames=frames):
                pass
        except ValueError as error:
            assert 'has no prompt left' in str(error)
        return False
    name = session.object_ids[values[0] % len(session.object_ids)]
    if verb == 'remove':
        session.remove(name)
        return True
    frames = sorted(session.prompts(name))
    if not frames:
        return False
    session.unprompt(frames[values[0] % len(frames)], name)
    return True


def everything(session: VideoSession) -> list[FrameResult]:
    return [session.result(frame) for frame in range(session.frame_count)]


@settings(max_examples=12)
@given(
    before=st.lists(say | go | unsay, min_size=1, max_size=5), said=say | unsay | remove, after=st.lists(go, max_size=2)
)
def test_undo_equals_never_having_said_it(
    small: Sam2Network,
    clip: Clip,
    images: list[np.ndarray],
    before: list[Act],
    said: Act,
    after: list[Act],
) -> None:
    with VideoSession(small, images) as session, VideoSession(small, images) as other:
        for what in before:
            act(session, clip, what)
            act(other, clip, what)
        if act(session, clip, said):
            for what in after:  # what is propagated since goes, too
                act(session, clip, what)
            session.undo()
        assert session.object_ids == other.object_ids
        assert session.undo_count == other.undo_count
        assert_same(everything(session), everything(other))
        for what in [*after, ('go', 0, False, 6)]:
            act(session, clip, what)
            act(other, clip, what)
        assert_same(everything(session), everything(other))


@settings(max_examples=8)
@given(acts=st.lists(say | go | unsay | remove, min_size=2, max_size=6), back=st.integers(1, 6))
def test_undoing_several_changes_equals_never_having_said_them(
    small: Sam2Network, clip: Clip, images: list[np.ndarray], acts: list[Act], back: int
) -> None:
    """The session is as it was when the first of the changes that are taken back was said."""
    with VideoSession(small, images) as session:
        states = []
        for what in acts:
            before = everything(session), session.object_ids
            if act(session, clip, what):
                states.append(before)
        back = min(back, len(states))
        for _ in range(back):
            session.undo()
        if back:
            results, names = states[-back]
            assert session.object_ids == names
            assert_same(everything(session), results)
        assert session.undo_count == len(states) - back


@settings(max_examples=8)
@given(
    before=st.lists(say | go, min_size=1, max_size=4),
    said=st.lists(say, min_size=1, max_size=3, unique_by=lambda what: what[1:3]),
    after=st.lists(go, min_size=1, max_size=2),
)
def test_a_prompt_that_is_taken_back_before_it_was_propagated_was_never_there(
    small: Sam2Network,
    clip: Clip,
    images: list[np.ndarray],
    before: list[Act],
    said: list[Act],
    after: list[Act],
) -> None:
    """Of known objects, on frames without a prompt; also after propagation."""
    with VideoSession(small, images) as session, VideoSession(small, images) as other:
        for what in (*(('say', 5, name, 'box') for name in 'abc'), *before):
            act(session, clip, what)
            act(other, clip, what)
        new = [what for what in said if what[1] not in session.prompts(what[2])]
        for what in new:
            act(session, clip, what)
        for _, frame, name, _ in new:
            session.unprompt(frame, name)
        assert_same(everything(session), everything(other))
        for what in after:
            act(session, clip, what)
            act(other, clip, what)
        assert_same(everything(session), everything(other))


@settings(max_examples=6)
@given(
    said=st.lists(say, min_size=2, max_size=5, unique_by=lambda what: what[1:3]),
    data=st.data(),
    tracked=st.booleans(),
)
def test_the_order_of_prompts_for_several_objects_does_not_matter(
    small: Sam2Network,
    clip: Clip,
    images: list[np.ndarray],
    said: list[Act],
    data: st.DataObject,
    tracked: bool,
) -> None:
    """Objects in another order make batches of another order, which round differently: so one is looked at alone."""
    turned = data.draw(st.permutations(said))
    kept = said[0][2]

    def run(acts: list[Act]) -> list[FrameResult]:
        with VideoSession(small, images) as session:
            for name in 'abc':
                session.prompt(5, clip.prompt(name, 'box', 5))
            if tracked:
                list(session.propagate_both_ways())
            for what in acts:
                act(session, clip, what)
            for name in 'abc':
                if name != kept:
                    session.remove(name)
            list(session.propagate_both_ways())
            return everything(session)

    assert_same(run(turned), run(said))


@settings(max_examples=8)
@given(
    order=st.permutations(range(5)),
    tracked=st.booleans(),
    kinds=st.lists(st.sampled_from(['point', 'points', 'box', 'mask']), min_size=5, max_size=5),
)
def test_the_order_of_prompts_on_different_frames_does_not_matter(
    small: Sam2Network, clip: Clip, images: list[np.ndarray], order: list[int], tracked: bool, kinds: list[str]
) -> None:
    """Between two propagations: on new frames and as corrections, also where not all of them are read."""
    frames = (3, 7, 11, 15, 20)

    def run(numbers: list[int]) -> list[FrameResult]:
        with VideoSession(small, images, options=SessionOptions(max_conditioning=2)) as session:
            session.prompt(5, clip.prompt('a', 'box', 5))
            if tracked:
                list(session.propagate_both_ways())
            for number in numbers:
                session.prompt(frames[number], clip.prompt('a', kinds[number], frames[number]))
            list(session.propagate_both_ways())
            return everything(session)

    assert_same(run(list(order)), run(list(range(5))))


def test_the_order_of_objects_does_not_matter(small: Sam2Network, clip: Clip, images: list[np.ndarray]) -> None:
    """Nor does the presence of another: they do not influence each other."""

    def run(names: str) -> list[FrameResult]:
        with VideoSession(small, images) as session:
            for name in names:
                session.prompt(4, clip.prompt(name, 'box', 4))
            list(session.propagate_both_ways())
            return everything(session)

    both, turned, alone = run('ab'), run('ba'), run('a')
    for one, other, single in zip(both, turned, alone, strict=True):
        margin = 1e-3 * np.abs(one['a'].mask_logits()).max()  # batches of other sizes round differently
        assert np.abs(one['a'].mask_logits() - other['a'].mask_logits()).max() <= margin
        assert np.abs(one['a'].mask_logits() - single['a'].mask_logits()).max() <= margin


def test_both_ways_every_object_is_known_everywhere(small: Sam2Network, clip: Clip, images: list[np.ndarray]) -> None:
    """It goes forwards from its first prompt and backwards from there, whatever other objects do."""
    with VideoSession(small, images) as session:
        session.prompt(6, clip.prompt('a', 'box', 6))
        session.prompt(12, clip.prompt('b', 'mask', 12))
        session.prompt(16, clip.prompt('a', 'points', 16))
        passed = [(result.frame_index, tuple(result)) for result in session.propagate_both_ways()]
        assert passed == [
            *[(frame, ('a',)) for frame in range(6, 12)],
            *[(frame, ('a', 'b')) for frame in range(12, FRAMES)],
            *[(frame, ('b',)) for frame in range(11, 5, -1)],
            *[(frame, ('a', 'b')) for frame in range(5, -1, -1)],
        ]
        for name, prompted, first in (('a', {6, 16}, 6), ('b', {12}, 12)):
            for frame in range(FRAMES):
                way = 'prompt' if frame in prompted else 'tracked backwards' if frame < first else 'tracked forwards'
                assert session.result(frame)[name].memory_reason == way


def test_passes_may_be_left_and_the_rest_stays(small: Sam2Network, clip: Clip, images: list[np.ndarray]) -> None:
    with VideoSession(small, images) as session:
        session.prompt(5, clip.prompt('a', 'box', 5))
        going = session.propagate()
        assert [next(going).frame_index for _ in range(3)] == [5, 6, 7]
        assert [list(session.result(frame)) for frame in (7, 8)] == [['a'], []]
        session.prompt(7, clip.prompt('a', 'points', 7))
        with pytest.raises(RuntimeError, match='prompts were changed'):
            next(going)
        assert [one.frame_index for one in session.propagate(7, reverse=True, max_frames=3)] == [7, 6, 5]
        assert [one.frame_index for one in session.propagate(0, reverse=True)] == [0]


def test_a_change_ends_passes_that_were_asked_for_before_it(
    small: Sam2Network, clip: Clip, images: list[np.ndarray]
) -> None:
    """Also those that have not begun, and between the two directions. What `undo` goes back to stays as it was."""
    with VideoSession(small, images) as session:
        session.prompt(2, clip.prompt('a', 'box', 2))
        waiting, both = session.propagate(), session.propagate_both_ways()
        for _ in range(FRAMES - 2):
            next(both)
        before = everything(session)
        session.prompt(5, clip.prompt('b', 'box', 5))
        for passes in (waiting, both):
            with pytest.raises(RuntimeError, match='prompts were changed'):
                next(passes)
        list(session.propagate())
        session.undo()
        assert_same(everything(session), before)


@pytest.mark.parametrize('clear', [True, False])
def test_a_correction_clears_what_was_remembered_around_it(
    small: Sam2Network, clip: Clip, images: list[np.ndarray], clear: bool
) -> None:
    """The masks stay. What is propagated next from there reads prompted frames alone."""
    with VideoSession(small, images, options=SessionOptions(clear_on_correction=clear)) as session:
        session.prompt(0, clip.prompt('a', 'box'))
        masks = [one['a'].mask for one in session.propagate()]
        session.prompt(20, clip.prompt('a', 'points', 20))
        assert session.result(19)['a'].memory_event is MemoryEvent.RECENT, 'nothing is cleared before it is needed'
        session.propagate()
        forgotten = [frame for frame in range(FRAMES) if session.result(frame)['a'].memory_event is MemoryEvent.NONE]
        assert forgotten == ([*range(5, 20), 21, 22, 23] if clear else [])
        assert all(np.array_equal(session.result(frame)['a'].mask, masks[frame]) for frame in forgotten)


def test_a_box_on_a_known_frame_says_anew_what_the_object_is(
    small: Sam2Network, clip: Clip, images: list[np.ndarray]
) -> None:
    """As in the tracker: without the old mask and memory. The official way decodes it on top of them."""
    with VideoSession(small, images) as session:
        fresh = session.prompt(9, clip.prompt('b', 'box', 9)).mask_logits()

    def corrected(options: SessionOptions) -> np.ndarray:
        with VideoSession(small, images, options=options) as session:
            session.prompt(0, clip.prompt('a', 'box'))
            list(session.propagate())
            return session.prompt(9, Prompt('a', box=clip.prompt('b', 'box', 9).box)).mask_logits()

    assert np.array_equal(corrected(SessionOptions()), fresh)
    assert not np.array_equal(corrected(SessionOptions(clear_on_correction=False)), fresh)


def test_masks_share_no_pixels_where_that_is_asked_for(
    small: Sam2Network, clip: Clip, images: list[np.ndarray]
) -> None:
    counts = {}
    for non_overlap in (False, True):
        with VideoSession(small, images, options=SessionOptions(non_overlap=non_overlap)) as session:
            for name in 'ab':
                session.prompt(0, Prompt(name, mask=clip.mask('a')))
            counts[non_overlap] = [
                sum(one.mask.astype(int) for one in result.values()) for result in session.propagate()
            ]
            hidden = session.result(0)['b']
    assert np.max(counts[False]) == 2
    assert np.max(counts[True]) == 1
    assert all(np.array_equal(one > 0, other > 0) for one, other in zip(counts[False], counts[True], strict=True))
    assert (hidden.box, hidden.state, hidden.hidden_frames) == (None, ObjectState.OCCLUDED, 1)


def test_images_are_encoded_once_within_the_budget(small: Sam2Network, clip: Clip, images: list[np.ndarray]) -> None:
    asked: list[int] = []

    class Watched(list):
        def __getitem__(self, index: int) -> np.ndarray:
            asked.append(index)
            return images[index]

    def run(features_bytes: int) -> list[int]:
        asked.clear()
        with VideoSession(small, Watched(images), options=SessionOptions(features_bytes=features_bytes)) as session:
            for name in 'ab':
                session.prompt(2, clip.prompt(name, 'box', 2))
            list(session.propagate(max_frames=4))
            list(session.propagate(max_frames=4))
        return list(asked)

    assert run(2**24) == [2, 3, 4, 5]
    assert run(0) == [2, 3, 4, 5, 3, 4, 5], 'the frame used last stays; prompted frames need no image'


REFUSED: dict[str, tuple[Callable[[VideoSession, Clip], object], type[Exception], str]] = {
    'a frame after the end': (lambda s, c: s.prompt(24, c.prompt('a', 'box')), ValueError, 'at most 23'),
    'a frame before the start': (lambda s, c: s.result(-1), ValueError, 'at least 0'),
    'half a frame': (lambda s, c: s.prompt(0.5, c.prompt('a', 'box')), TypeError, 'whole number'),
    'no prompt': (lambda s, c: s.prompt(0, 'a'), TypeError, 'must be a Prompt'),
    'a mask of another size': (
        lambda s, c: s.prompt(0, Prompt('a', mask=np.ones((2, 2)))),
        ValueError,
        'must be equal',
    ),
    'a new object beside its clicks': (
        lambda s, c: s.prompt(0, Prompt('x', points=[(5, 5)], labels=[0])),
        ValueError,
        'positive point',
    ),
    'negative clicks where nothing is': (
        lambda s, c: s.prompt(20, Prompt('a', points=[(5, 5)], labels=[0])),
        ValueError,
        'no mask on frame 20',
    ),
    'an unknown object': (lambda s, c: s.remove('x'), UnknownObjectError, "objects: 'a'"),
    'a prompt that was not given': (lambda s, c: s.unprompt(7, 'a'), ValueError, 'frames with prompts: 3'),
    'a start after the end': (lambda s, c: s.propagate(24), ValueError, 'at most 23'),
    'no frames at all': (lambda s, c: s.propagate(max_frames=0), ValueError, 'at least 1'),
}


@pytest.mark.parametrize('what', REFUSED)
def test_what_is_refused_changes_nothing(small: Sam2Network, clip: Clip, images: list[np.ndarray], what: str) -> None:
    call, error, words = REFUSED[what]
    with VideoSession(small, images) as session:
        session.prompt(3, clip.prompt('a', 'box', 3))
        list(session.propagate(max_frames=4))
        before, count = everything(session), session.undo_count
        with pytest.raises(error, match=words):
            call(session, clip)
        assert session.undo_count == count
        assert_same(everything(session), before)


def test_objects_without_prompts_are_named(small: Sam2Network, clip: Clip, images: list[np.ndarray]) -> None:
    with VideoSession(small, images) as session:
        with pytest.raises(ValueError, match='there is no object yet'):
            session.propagate()
        with pytest.raises(ValueError, match='nothing to undo'):
            session.undo()
        session.prompt(3, clip.prompt('a', 'box', 3))
        session.prompt(3, clip.prompt('b', 'box', 3))
        session.unprompt(3, 'a')
        with pytest.raises(ValueError, match="'a' has no prompt left: give a prompt or remove it"):
            session.propagate()
        session.remove('a')
        assert [one.frame_index for one in session.propagate(max_frames=2)] == [3, 4]


def test_sources_that_cannot_be_used(small: Sam2Network) -> None:
    with pytest.raises(TypeError, match='sequence of'):
        VideoSession(small, 5)
    with pytest.raises(ValueError, match='no frames'):
        VideoSession(small, [])
    with pytest.raises(ValueError, match='has no end'):
        VideoSession(small, 'synthetic')
    with pytest.raises(TypeError, match='SessionOptions'):
        VideoSession(small, [], options={})
    with pytest.raises(ValueError, match='existing folder'):
        SessionOptions(spill_folder='/no/such/folder')
