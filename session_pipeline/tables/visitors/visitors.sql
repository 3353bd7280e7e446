-- One row is a visitor of a site, from the longest blocks and the days after them.
with blocks as (
    select distinct
        block_days,
        block_number
    from visitor_states
),

longest_blocks as (
    select
        b.block_days,
        b.block_number
    from blocks as b
    left join blocks as longer
        on
            b.block_days < longer.block_days
            and b.block_number * b.block_days // nullif(longer.block_days, 0) = longer.block_number
    where longer.block_days is null
)

select
    s.site,
    s.visitor_id,
    min_by(s.user_id, s.first_visit_date) filter (where s.user_id is not null) as user_id,
    min(s.first_seen_at) as first_seen_at,
    max(s.last_seen_at) as last_seen_at,
    min(s.first_visit_date) as first_visit_date,
    max(s.last_visit_date) as last_visit_date,
    min_by(s.first_session_id, s.first_visit_date) as first_session_id,
    min_by({ 'value': s.first_channel }, s.first_visit_date).value as first_channel,
    min_by({ 'value': s.first_utm_campaign }, s.first_visit_date).value as first_utm_campaign,
    min(s.first_converted_at) as first_converted_at,
    sum(s.session_count) as session_count,
    sum(s.converted_session_count) as converted_session_count,
    sum(s.value) as value
from visitor_states as s
inner join longest_blocks as b
    on s.block_days = b.block_days and s.block_number = b.block_number
group by s.site, s.visitor_id
