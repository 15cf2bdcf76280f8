"""What the numbers of a detector stand for."""

from sam2_ros.detections.class_ids import ClassIds


def test_names_by_number() -> None:
    ids = ClassIds({'class_names': ('person', '', 'cup')})
    ids.hear([(0, 'somebody'), (1, 'bicycle')])
    assert [ids.name_of(text) for text in ('0', '2', '1', '3', '-1', 'dog', '', '002')] == [
        'person', 'cup', '1', '3', '-1', 'dog', '', 'cup',
    ]  # fmt: skip


def test_names_that_the_detector_says_itself() -> None:
    settings = {'class_names': ()}
    ids = ClassIds(settings)
    assert ids.name_of('1') == '1'
    ids.hear([(0, 'somebody'), (1, 'bicycle'), (7, '')])
    assert [ids.name_of(text) for text in ('0', '1', '2', '7', '9' * 5000)] == [
        'somebody', 'bicycle', '2', '7', '9' * 5000,
    ]  # fmt: skip
    settings['class_names'] = ('person',)
    assert ids.name_of('0') == 'person' and ids.name_of('1') == '1'
