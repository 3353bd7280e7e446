-- One row is a build that changed the figures of a day of a site.
-- The figures before are null where the site had no row for the day, as on the day's first build.
select
    session_date,
    changed_at,
    run_id,
    reason,
    site,
    session_count_before,
    session_count_after,
    visitor_count_before,
    visitor_count_after,
    page_view_count_before,
    page_view_count_after,
    bounce_count_before,
    bounce_count_after,
    engaged_count_before,
    engaged_count_after,
    converted_count_before,
    converted_count_after,
    value_before,
    value_after,
    bot_session_count_before,
    bot_session_count_after,
    duplicate_count_before,
    duplicate_count_after,
    late_event_count_before,
    late_event_count_after
from _day_history_before
union all
select
    d.event_date as session_date,
    $changed_at,
    $run_id,
    d.reason,
    coalesce(a.site, b.site) as site,
    b.session_count as session_count_before,
    a.session_count as session_count_after,
    b.visitor_count as visitor_count_before,
    a.visitor_count as visitor_count_after,
    b.page_view_count as page_view_count_before,
    a.page_view_count as page_view_count_after,
    b.bounce_count as bounce_count_before,
    a.bounce_count as bounce_count_after,
    b.engaged_count as engaged_count_before,
    a.engaged_count as engaged_count_after,
    b.converted_count as converted_count_before,
    a.converted_count as converted_count_after,
    b.value as value_before,
    a.value as value_after,
    b.bot_session_count as bot_session_count_before,
    a.bot_session_count as bot_session_count_after,
    b.duplicate_count as duplicate_count_before,
    a.duplicate_count as duplicate_count_after,
    b.late_event_count as late_event_count_before,
    a.late_event_count as late_event_count_after
from daily_summary as a
full outer join daily_summary_before as b
    on a.session_date = b.session_date and a.site = b.site
inner join days as d
    on coalesce(a.session_date, b.session_date) = d.event_date
where
    a.session_count is distinct from b.session_count
    or a.visitor_count is distinct from b.visitor_count
    or a.page_view_count is distinct from b.page_view_count
    or a.bounce_count is distinct from b.bounce_count
    or a.engaged_count is distinct from b.engaged_count
    or a.converted_count is distinct from b.converted_count
    or a.value is distinct from b.value
    or a.bot_session_count is distinct from b.bot_session_count
    or a.duplicate_count is distinct from b.duplicate_count
    or a.late_event_count is distinct from b.late_event_count
