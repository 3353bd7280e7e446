"""Maps delivered lines to events, as the settings of a source say.

source_rules makes rules of the settings, and rule_changes names what differs from the rules of before. SQL is made by
reshape (lines are changed first), given_lines (which fields become which columns), line_fields (how a field is read),
requests (logs of web servers), line_sql (expressions and event rules), shapes and usual_form (lines that can be read
fast), removed_fields (what does not stay in properties), and fields (the rest of read_lines.sql, and the mapping that
is recorded). visitors has the key of derived visitor ids.
"""
