-- One row is a frozen day, as models read it from the table days.
with given as (
    select
        unnest($days::date[]) as event_date,
        unnest($days_before::date[]) as day_before
),

numbered as (
    select
        event_date,
        day_before,
        date_diff('day', $first_day, event_date) as day_number
    from given
)

select
    event_date,
    day_before,
    day_number,
    lag(day_number) over (order by event_date) as number_built_before
from numbered
