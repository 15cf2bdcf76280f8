"""Measures, and the benchmarks that use them. Predictions are cached on disk and scored separately."""
