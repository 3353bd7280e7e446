"""The tests that break things deliberately, and the figures of what they did."""
