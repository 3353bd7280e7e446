"""Opportunities: which moments go with fewer or more conversions later, among sessions at the same moment."""
