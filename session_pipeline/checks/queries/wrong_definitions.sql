-- One row is a definition of a day of a site whose sessions are not ours and the differences.
with own as (
    select
        session_date,
        site,
        count(*) as session_count
    from sessions
    where not is_bot
    group by session_date, site
),

compared as (
    select
        d.session_date,
        d.site,
        d.definition,
        coalesce(s.session_count, 0) as own_count,
        d.session_count,
        d.session_difference,
        d.inactivity_difference + d.midnight_difference + d.utc_hour_difference
        + d.event_difference + d.client_session_difference + d.user_difference
        + d.campaign_difference + d.max_hours_difference + d.uncounted_difference as cause_count
    from daily_definitions as d
    left join own as s
        on d.session_date = s.session_date and d.site = s.site
)

select
    session_date,
    site,
    'sessions of ' || definition as figure,
    session_count || ' instead of ' || own_count || ' + ' || session_difference
    || ', of which the causes explain ' || cause_count as counts
from compared
where
    session_count <> own_count + session_difference
    or session_difference <> cause_count
order by session_date, site, definition
