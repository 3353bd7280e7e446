"""From raw web event files to sessions, and from sessions to answers.

Delivered files are read into raw events (ingest/), day by day models/ make events, sessions and answers of them (steps.py
says what from what, plan.py what is stale, build.py builds it), the store keeps every partition (store.py), and publish/
gives readers one warehouse and one lake.
"""
