"""Packaged reference data: columns, local days and times, channels, user agents and the formats of access logs."""
