"""The network pair of the model tests, here too."""

from tests.model.conftest import trained_pair

__all__ = ['trained_pair']
