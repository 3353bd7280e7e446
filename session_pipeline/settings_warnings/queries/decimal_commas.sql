-- One row is a source that has quarantined lines whose value has a decimal comma, with an example.
-- Lines count if their file has events on the days or later, or has no events, so that the cost
-- does not grow with the history. A source is left out if at least as many recent events have a
-- decimal point: then the commas are mistakes. A comma before three digits could separate
-- thousands. Without any commas, DuckDB does not read the events.
with commas as (
    select
        source,
        count(*) as line_count,
        min(detail) as example
    from quarantined_lines
    where
        reason = 'invalid_value'
        and file_id in (
            select file_id
            from source_files
            -- This time is in UTC, and a day of a site can begin before the day of UTC.
            where last_event_time is null or last_event_time >= $first_day - interval 1 day
        )
        and regexp_full_match(detail, $value_with_comma)
    group by source
),

points as (
    select
        source,
        count(*) as event_count
    from events
    where
        event_date between $first_day and $last_day
        and event_date in $days
        and value <> trunc(value)
        and source in (select source from commas)
    group by source
)

select
    c.source,
    c.line_count,
    c.example
from commas as c
left join points as p on c.source = p.source
where c.line_count > coalesce(p.event_count, 0)
order by c.source
