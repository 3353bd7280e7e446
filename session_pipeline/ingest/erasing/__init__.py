"""Erases visitors and users from what was delivered and from frozen days.

erasures remembers them, erased_days finds the files that have their ids, and erased_rows removes their rows from files.
erase_stored does so for the delivered files' partitions, and erase_frozen for frozen days, where frozen_matches finds
the rows and frozen_visitors computes the history of visitors that stay. former_ids blanks former ids. expired_text
removes the text of quarantined lines that has expired.
"""
