-- One row is one of the most frequent first actions of a visit to a site, in the week; the last
-- row, without an action, is all others. Pages of a folder with more than five pages are one
-- action, named /folder/…, unless more than half of their visits begin at one of them. low and high
-- are the bounds of the 95 % Wilson interval of the rate. Rates are null if rare first actions are
-- combined: they are by outcome, so mostly visits with the rarer outcomes are missing.
with entries as (
    select
        site,
        to_action as action,
        regexp_extract(to_action, $page_of_folder, 1) as folder,
        sum(session_count) as session_count,
        sum(converted_count) as converted_count,
        coalesce(sum(session_count) filter (where outcome = 'bounce'), 0) as bounce_count
    from action_transitions
    where session_date between $first_day and $last_day and transition = 'entry'
    group by site, to_action
),

folders as (
    select
        site,
        folder
    from entries
    where folder != ''
    group by site, folder
    having
        count(*) > $most_pages_of_folder
        and 2 * max(session_count) <= sum(session_count)
),

folded as (
    select
        e.site,
        coalesce(f.folder || '/…', e.action) as action,
        sum(e.session_count) as session_count,
        sum(e.converted_count) as converted_count,
        sum(e.bounce_count) as bounce_count
    from entries as e
    left join folders as f
        on e.site = f.site and e.folder = f.folder
    group by all
),

placed as (
    select
        *,
        row_number() over (order by session_count desc, action asc, site asc)
        <= $shown_pages as _is_shown
    from folded
),

counted as (
    select
        case when _is_shown then site end as site,
        case when _is_shown then action end as action,
        cast(sum(session_count) as bigint) as session_count,
        cast(sum(converted_count) as bigint) as converted_count,
        cast(sum(bounce_count) as bigint) as bounce_count
    from placed
    group by all
),

combined as (
    select count(*) > 0 as has_rare_steps
    from action_transitions
    where session_date between $first_day and $last_day and transition = 'other'
),

rated as (
    select
        n.*,
        case when not c.has_rare_steps then cast(n.session_count as double) end as _n,
        n.converted_count / n.session_count as _conversion_rate
    from counted as n
    cross join combined as c
)

select
    site,
    action,
    session_count,
    converted_count,
    converted_count / _n as conversion_rate,
    wilson_low(_conversion_rate, _n, $z) as low,
    wilson_high(_conversion_rate, _n, $z) as high,
    bounce_count / _n as bounce_rate
from rated
order by action is null, session_count desc, action asc, site asc
