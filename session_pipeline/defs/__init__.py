"""The only place that speaks Dagster: one file a concept. What is built, and why, is decided elsewhere."""
