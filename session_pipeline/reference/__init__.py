"""Packaged reference data: columns, local days, channels, user agents and the formats of access logs."""
