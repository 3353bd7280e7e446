-- One row is a deduplicated event, with the session it belongs to.
select
    s.event_date,
    r.event_id,
    r.site,
    r.source,
    r.visitor_id,
    r.user_id,
    r.client_session_id,
    r.event_time,
    r.received_at,
    r.sequence,
    r.event_name,
    r.page_url,
    r.page_host,
    r.page_path,
    r.page_title,
    r.referrer,
    r.referrer_host,
    r.utm_source,
    r.utm_medium,
    r.utm_campaign,
    r.utm_term,
    r.utm_content,
    r.click_id_type,
    r.search_term,
    r.element,
    r.status_code,
    r.value,
    r.currency,
    r.user_agent_id,
    r.properties,
    coalesce(a.is_bot, false) as is_bot,
    s.session_id,
    s.session_date,
    s.event_number,
    s.gap_microseconds,
    s.break_reason,
    r.file_id,
    r.line_number
from sessionized as s
inner join raw_events as r
    on s.file_id = r.file_id and s.line_number = r.line_number
left join agents_seen as a
    on s.event_date = a.event_date and r.user_agent_id = a.user_agent_id
where not s.is_carried
