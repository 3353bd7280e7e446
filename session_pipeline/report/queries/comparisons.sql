-- One row counts the steps and outcomes of the last 14 days that were compared with their past. The
-- tables of changes have a row for each window in which anything could be compared.
select
    (
        select count(*)
        from progress_changes
        where session_date between $alerts_first_day and $last_day
    ) as step_count,
    (
        select count(*)
        from outcome_changes
        where session_date between $alerts_first_day and $last_day
    ) as outcome_count
