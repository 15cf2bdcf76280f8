"""The outputs of the tracker written into a bag instead of published."""
