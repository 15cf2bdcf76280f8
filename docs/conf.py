"""Sphinx settings: `make docs` builds the pages of docs/, and those they lead to, into build/docs/."""

import re
from pathlib import Path

# The pages lie in several folders, so Sphinx reads the whole repository: sphinx-build -c docs . build/docs
REPOSITORY = Path(__file__).resolve().parent.parent

project = 'sam2_ros'
author = 'sam2_ros developers'
release = ''.join(re.findall(r"version='([^']+)'", (REPOSITORY / 'setup.py').read_text(encoding='utf-8')))
version = release

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon']
root_doc = 'docs/index'
include_patterns = [
    'docs/**.md',
    'benchmarks/*.md',
    'sam2_ros/weights/README.md',
    'README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
]
exclude_patterns = ['.*', 'build*', 'demo', 'tests']  # folders that are not even looked into

# Headings get the anchors that code hosts give them.
myst_heading_anchors = 4
myst_enable_extensions = ['colon_fence']

default_role = 'code'  # of single backticks in docstrings
autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
# Types of other packages, of which no inventory is at hand, and types that are not part of the public names.
nitpick_ignore_regex = [
    ('py:.*', r'(torch|numpy|np|collections|pathlib|enum|typing)\..*'),
    ('py:exc', 'CheckpointError'),
    ('py:.*', r'sam2_ros\.model\.prompt_encoder\..*'),
    ('py:.*', r'sam2_ros\.tracking\.(catch_up|ring|track)\..*'),
]

html_theme = 'furo'
html_title = f'sam2_ros {release}'
templates_path = ['templates']
html_additional_pages = {'index': 'first_page.html'}  # leads from the folder to docs/index.html
html_copy_source = False
