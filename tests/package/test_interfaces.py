"""The interfaces are fully commented, and the built messages are the ones written here."""

import re
from importlib import import_module

import pytest
from rosidl_adapter.parser import MessageSpecification, parse_message_string, parse_service_string

from tests.common import REPOSITORY

MESSAGES = (
    'Object3D',
    'Object3DArray',
    'OcclusionScore',
    'OcclusionScoreArray',
    'Prompt',
    'TrackedObject',
    'TrackedObjectArray',
)
SERVICES = ('RemoveObject', 'SetPrompt')
UNIT = re.compile(r'\b(pixels?|metres|seconds|a count|a logit|from 0|0 to 1|[Oo]ne of|label)\b')
FRAME = re.compile(r'\b(of the image|of the header|of that image|of the camera|its pixels)\b')
EMPTY = re.compile(r'\b(Empty|Never empty|Zeros?|False|empty value|0:|0 is|Never 0|zero)', re.ASCII)
IN_A_FRAME = {'Point', 'Point32', 'Image', 'PoseWithCovariance', 'TwistWithCovariance'}
WITHOUT_UNIT = {'bool', 'string'}


def _parts(name: str) -> list[MessageSpecification]:
    """The message of that name, or request and response of the service."""
    if name in MESSAGES:
        return [parse_message_string('sam2_ros', name, (REPOSITORY / f'msg/{name}.msg').read_text())]
    service = parse_service_string('sam2_ros', name, (REPOSITORY / f'srv/{name}.srv').read_text())
    return [service.request, service.response]


def _complaints(message: MessageSpecification) -> list[str]:
    """What the comments of a message leave unsaid about its fields and constants."""
    complaints = [f'{c.name}: no comment' for c in message.constants if not _comment(c)]
    for field in message.fields:
        comment = _comment(field)
        spatial = field.type.type in IN_A_FRAME or field.name == 'box'
        wanted = [('empty value', EMPTY)]
        if field.type.is_primitive_type() and field.type.type not in WITHOUT_UNIT:
            wanted.insert(0, ('unit', UNIT))
        if spatial:
            wanted.append(('frame', FRAME))
        for what, pattern in wanted:
            if not pattern.search(comment):
                complaints.append(f'{field.name}: {what} missing in {comment!r}')
    return complaints


def _comment(element: object) -> str:
    return ' '.join(element.annotations.get('comment', []))


def test_exactly_the_promised_interfaces_exist() -> None:
    assert tuple(sorted(path.stem for path in (REPOSITORY / 'msg').iterdir())) == MESSAGES
    assert tuple(sorted(path.stem for path in (REPOSITORY / 'srv').iterdir())) == SERVICES


@pytest.mark.parametrize('name', MESSAGES + SERVICES)
def test_every_field_says_its_unit_its_frame_and_what_empty_means(name: str) -> None:
    parts = _parts(name)
    assert sum(len(part.fields) for part in parts) > 0
    assert [complaint for part in parts for complaint in _complaints(part)] == []


@pytest.mark.parametrize(
    ('text', 'complaint'),
    [
        ('uint32 area', "area: unit missing in ''"),
        ('# Size of the object. 0: absent.\nuint32 area', "area: unit missing in 'Size of the object. 0: absent.'"),
        ('# Size in pixels.\nuint32 area', "area: empty value missing in 'Size in pixels.'"),
        ('# In pixels. Zeros: none.\nfloat32[4] box', "box: frame missing in 'In pixels. Zeros: none.'"),
        ('uint8 VISIBLE=1', 'VISIBLE: no comment'),
    ],
)
def test_what_a_comment_leaves_out_is_found(text: str, complaint: str) -> None:
    assert complaint in _complaints(parse_message_string('sam2_ros', 'Made', f'# What it is.\n\n{text}'))


@pytest.mark.parametrize('name', MESSAGES + SERVICES)
def test_the_built_interfaces_are_those_of_the_source(name: str) -> None:
    module = import_module('sam2_ros.msg' if name in MESSAGES else 'sam2_ros.srv')
    built = getattr(module, name)
    classes = [built] if name in MESSAGES else [built.Request, built.Response]
    for part, cls in zip(_parts(name), classes, strict=True):
        assert list(cls.get_fields_and_field_types()) == [field.name for field in part.fields]
        for constant in part.constants:
            assert getattr(cls, constant.name) == constant.value


def test_states_and_memory_events_differ_from_each_other_and_from_unset() -> None:
    (message,) = _parts('TrackedObject')
    values = {constant.name: constant.value for constant in message.constants}
    assert values == {
        'VISIBLE': 1,
        'OCCLUDED': 2,
        'LOST': 3,
        'CATCHING_UP': 4,
        'MEMORY_NONE': 0,
        'MEMORY_RECENT': 1,
        'MEMORY_ANCHOR': 2,
        'MEMORY_PROMPT': 3,
        'SOURCE_OPERATOR': 1,
        'SOURCE_DETECTOR': 2,
    }
