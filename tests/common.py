"""Names that tests share."""

from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
MICRO = 'sam2.1_hiera_micro'  # the variant with trained weights
