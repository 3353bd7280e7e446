"""The events that meet the rules of the settings: outcomes, goals, funnel steps and exclusions."""
