"""The official VOT toolkit, which cannot share our environment: VOT_PYTHON names an interpreter that has it."""

import importlib.util
import os
import sys

import pytest

TOOLKIT = os.environ.get('VOT_PYTHON') or (sys.executable if importlib.util.find_spec('vot') else '')
needs_toolkit = pytest.mark.skipif(
    not TOOLKIT, reason='needs vot-toolkit 0.7.1: VOT_PYTHON names an interpreter that has it'
)
