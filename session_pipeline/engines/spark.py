"""Runs models on Spark, over explicit lists of Parquet files that all machines see."""
