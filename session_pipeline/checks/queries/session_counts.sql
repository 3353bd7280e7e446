-- One row: the number of sessions by each table that counts them. All are equal.
select
    (select count(*) from sessions) as sessions,
    (select count(*) from session_outcomes) as session_outcomes,
    (
        select count(*)
        from sessions as s
        inner join session_outcomes as o
            on s.session_id = o.session_id
    ) as sessions_with_outcome,
    (
        select coalesce(sum(session_count + bot_session_count), 0)
        from daily_outcomes
    ) as daily_outcomes,
    (
        select coalesce(sum(session_count + bot_session_count), 0)
        from daily_summary
    ) as daily_summary
