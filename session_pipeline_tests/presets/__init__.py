"""One story in the files of many tools, and what the pipeline makes of each of them."""
