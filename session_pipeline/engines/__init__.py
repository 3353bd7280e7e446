"""Engines: run a model over files and write a partition. One file a place to run."""
