"""The table daily_definitions: the sessions of each day under the definitions of other tools."""
