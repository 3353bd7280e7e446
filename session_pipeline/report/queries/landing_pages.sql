-- One row is one of the most frequent first actions of a visit to a site, in the week; the last
-- row, without an action, is all others. Pages of a folder with more than five pages are one
-- action, named /folder/…, unless more than half of their visits begin at one of them. low and high
-- are the bounds of the 95 % Wilson interval of the rate. Rates are null if rare first actions are
-- combined: they are by outcome, so mostly visits with the rarer outcomes are missing. later_count
-- are the visits that came to the action after another one, on days on which it is one of the most
-- visited; null for pages of a folder.
with entries_of_day as (
    select
        session_date,
        site,
        to_action as action,
        sum(session_count) as session_count,
        sum(converted_count) as converted_count,
        coalesce(sum(session_count) filter (where outcome = 'bounce'), 0) as bounce_count
    from action_transitions
    where session_date between $first_day and $last_day and transition = 'entry'
    group by session_date, site, to_action
),

entries as (
    select
        site,
        action,
        regexp_extract(action, $page_of_folder, 1) as folder,
        sum(session_count) as session_count,
        sum(converted_count) as converted_count,
        sum(bounce_count) as bounce_count
    from entries_of_day
    group by site, action
),

later_visits as (
    select
        v.site,
        path_label(v.action) as action,
        cast(sum(v.session_count - coalesce(e.session_count, 0)) as bigint) as later_count
    from action_visits as v
    left join entries_of_day as e
        on
            v.session_date = e.session_date
            and v.site = e.site
            and path_label(v.action) = e.action
    where v.session_date between $first_day and $last_day and v.dimension = 'all'
    group by v.site, path_label(v.action)
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
    r.site,
    r.action,
    r.session_count,
    r.converted_count,
    r.converted_count / r._n as conversion_rate,
    wilson_low(r._conversion_rate, r._n, $z) as low,
    wilson_high(r._conversion_rate, r._n, $z) as high,
    r.bounce_count / r._n as bounce_rate,
    l.later_count
from rated as r
left join later_visits as l
    on r.site = l.site and r.action = l.action
order by r.action is null, r.session_count desc, r.action asc, r.site asc
