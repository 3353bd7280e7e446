-- One row is an action of a site at which visitors had a hard time in the week, most visits first;
-- the last row, without an action, is all others. Counts of signals are visits. Pages of a folder
-- with more than five pages are one action, named /folder/…, unless one page has most of their hard
-- times. A visit counts once there; once for each page (is_by_page) if the rows of its session have
-- expired. All visits to a folder are null, and those of all others, as a visit can be at several
-- of the pages.
with pages as (
    select
        site,
        action,
        regexp_extract(action, $page_of_folder, 1) as folder,
        sum(session_count) as session_count,
        sum(session_count) filter (where hard_time_count is not null) as observed_count,
        sum(hard_time_count) as hard_time_count,
        sum(error_count) as error_count,
        sum(error_loop_count) as error_loop_count,
        sum(u_turn_count) as u_turn_count,
        sum(repeated_search_count) as repeated_search_count,
        sum(rage_click_count) as rage_click_count,
        sum(abandoned_form_count) as abandoned_form_count,
        sum(seconds_lost) as seconds_lost
    from action_friction
    where session_date between $first_day and $last_day
    group by site, action
),

folders as (
    select
        site,
        folder
    from pages
    where folder != ''
    group by site, folder
    having
        count(*) > $most_pages_of_folder
        and 2 * max(hard_time_count) <= sum(hard_time_count)
),

-- One row is a visit to a folder, with how often it counts again because it met a signal at several
-- pages.
repeats_of_visits as (
    select
        m.site,
        f.folder,
        m.session_id,
        count(distinct m.action) filter (where m.is_hard_time) as page_visits,
        greatest(page_visits - 1, 0) as hard_time_count,
        greatest(count(*) filter (where m.signal = 'error') - 1, 0) as error_count,
        greatest(count(*) filter (where m.signal = 'error_loop') - 1, 0) as error_loop_count,
        greatest(count(*) filter (where m.signal = 'u_turn') - 1, 0) as u_turn_count,
        greatest(count(*) filter (where m.signal = 'repeated_search') - 1, 0)
            as repeated_search_count,
        greatest(count(*) filter (where m.signal = 'rage_click') - 1, 0) as rage_click_count,
        greatest(count(*) filter (where m.signal = 'abandoned_form') - 1, 0) as abandoned_form_count
    from session_friction as m
    inner join folders as f
        on m.site = f.site and regexp_extract(m.action, $page_of_folder, 1) = f.folder
    where m.session_date between $first_day and $last_day and not m.is_bot
    group by m.site, f.folder, m.session_id
),

repeats as (
    select
        site,
        folder,
        sum(page_visits) as page_visits,
        sum(hard_time_count) as hard_time_count,
        sum(error_count) as error_count,
        sum(error_loop_count) as error_loop_count,
        sum(u_turn_count) as u_turn_count,
        sum(repeated_search_count) as repeated_search_count,
        sum(rage_click_count) as rage_click_count,
        sum(abandoned_form_count) as abandoned_form_count
    from repeats_of_visits
    group by site, folder
),

folded as (
    select
        p.site,
        coalesce(f.folder || '/…', p.action) as action,
        sum(p.session_count) filter (where f.folder is null) as session_count,
        sum(p.observed_count) as observed_count,
        sum(p.hard_time_count) - coalesce(max(r.hard_time_count), 0) as hard_time_count,
        sum(p.error_count) - coalesce(max(r.error_count), 0) as error_count,
        sum(p.error_loop_count) - coalesce(max(r.error_loop_count), 0) as error_loop_count,
        sum(p.u_turn_count) - coalesce(max(r.u_turn_count), 0) as u_turn_count,
        sum(p.repeated_search_count) - coalesce(max(r.repeated_search_count), 0)
            as repeated_search_count,
        sum(p.rage_click_count) - coalesce(max(r.rage_click_count), 0) as rage_click_count,
        sum(p.abandoned_form_count) - coalesce(max(r.abandoned_form_count), 0)
            as abandoned_form_count,
        sum(p.seconds_lost) as seconds_lost,
        bool_or(f.folder is not null) and sum(p.hard_time_count) > coalesce(max(r.page_visits), 0)
            as is_by_page
    from pages as p
    left join folders as f
        on p.site = f.site and p.folder = f.folder
    left join repeats as r
        on f.site = r.site and f.folder = r.folder
    group by all
    having sum(p.hard_time_count) > 0
),

placed as (
    select
        *,
        row_number() over (order by hard_time_count desc, action asc, site asc)
        <= $shown_difficult_pages as _is_shown
    from folded
)

select
    case when _is_shown then site end as site,
    case when _is_shown then action end as action,
    cast(sum(session_count) filter (where _is_shown) as bigint) as session_count,
    cast(sum(hard_time_count) as bigint) as hard_time_count,
    sum(hard_time_count) filter (where _is_shown and session_count is not null)
    / nullif(sum(observed_count), 0) as friction_rate,
    cast(sum(error_count) as bigint) as error_count,
    cast(sum(error_loop_count) as bigint) as error_loop_count,
    cast(sum(u_turn_count) as bigint) as u_turn_count,
    cast(sum(repeated_search_count) as bigint) as repeated_search_count,
    cast(sum(rage_click_count) as bigint) as rage_click_count,
    cast(sum(abandoned_form_count) as bigint) as abandoned_form_count,
    cast(sum(seconds_lost) as bigint) as seconds_lost,
    bool_and(_is_shown and is_by_page) as is_by_page
from placed
group by all
order by bool_and(_is_shown) desc, hard_time_count desc, action asc, site asc
