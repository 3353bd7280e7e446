-- One row is a day with lines that repeat the id of an event and have another content.
select
    event_date,
    count(*) as line_count
from duplicate_events
where not is_same_content
group by event_date
order by event_date
