"""Packaged reference data: columns, local days and times, channels, user agents, formats of access logs, Markdown."""
