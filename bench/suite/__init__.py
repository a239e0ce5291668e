"""The side-by-side benchmarks: one module a part, and what they share. Enter at ../run."""
