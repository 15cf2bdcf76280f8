"""From masks and the truth to numbers."""
