"""Contains reference implementations in plain Python, their test cases, and the table rows that they expect."""
