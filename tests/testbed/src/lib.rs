//! Real processes for tests, demo and benchmarks.
