"""The tables of paths: transitions, paths, steps, typical paths and patterns."""
