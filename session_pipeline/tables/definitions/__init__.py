"""The table session_facts: everything about a session in one wide row."""
