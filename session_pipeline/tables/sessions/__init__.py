"""The tables of events and sessions, with user agents, actions and what is carried over midnight."""
