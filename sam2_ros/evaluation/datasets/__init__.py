"""Clips with their truth."""
