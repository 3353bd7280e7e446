"""The tables of what changed: daily counts of actions and of progress between them, and what left its usual range.

found_progress.py makes the rows of progress_changes: progress.py scores the steps, losses.py and flows.py say what a
drop costs, and attribution.py decides which drops are alerts. counts_of_rows.py and counts.py hold the daily counts.
found_outcomes.py makes the rows of outcome_changes: outcome_scores.py scores rates, session_scores.py numbers of
sessions, more_visits.py says whether more visits can be the reason, and moved_visits.py whether the visits that a value
lost have another one.

Both use the formulas of scores.py, the days of periods.py, and rows.py. progress_sentences.py, outcome_sentences.py and
phrases.py write the sentences.

The SQL files, contracts.py, steps.py and from_settings.py are what all groups of tables have.
"""
