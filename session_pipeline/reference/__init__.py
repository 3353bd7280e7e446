"""Packaged reference data and definitions that several packages share; nothing here reads settings or stored data.

column.py defines columns, columns.py those that groups of tables share, and column_groups.py groups of them.
small_table.py makes rows in Python a table for SQL. days.py computes local days, quarters.py the quarter hours of a UTC
date, and local_times.py knows notations of times. user_agents.py classifies user agents, channels.py has the channel
rules, definitions.py the packaged definitions of sessions, signals.py the signals of friction, usual_event_names.py
usual names of events in other tools, and changes.py the bounds of the tables of changes. log_formats.py reads formats
of access logs: log_values.py has the values of their fields, extended_log_formats.py finds formats with further fields,
and captured_headers.py those of HAProxy. markdown.py writes text into Markdown.
"""
