"""JSON files of long lists are those that the json module writes."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sam2_ros.files.json_files import long_lists

VALUES = st.dictionaries(st.text(), st.one_of(st.none(), st.floats(allow_nan=False), st.text()), max_size=3)


@given(
    st.dictionaries(st.text(), VALUES, max_size=2),
    st.dictionaries(st.sampled_from(['"videos"', 'images', 'ä']), st.lists(VALUES, max_size=3)),
)
def test_the_same_as_in_one_piece(head: dict[str, Any], lists: dict[str, list[Any]]) -> None:
    head = {f'head {name}': value for name, value in head.items()}
    texts = {name: [json.dumps(entry) for entry in entries] for name, entries in lists.items()}
    assert b''.join(long_lists(head, texts)) == json.dumps(head | lists).encode()
