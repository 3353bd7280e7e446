"""The tables of events and sessions, including user agents, actions and the state carried over midnight."""
