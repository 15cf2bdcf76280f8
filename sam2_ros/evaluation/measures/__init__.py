"""Turns masks and the truth into numbers."""
