"""Measures, and the benchmarks that use them. Predictions are kept on disk and scored separately."""
