-- One row is a day and a funnel whose drops do not add up: at each step, the attempts of
-- funnel_drops are those that dropped out; over all steps, those that exclusions removed. This
-- holds for the next action and for the two after it.
with drops as (
    select
        d.entry_date,
        d.funnel,
        d.site,
        d.breakdown,
        d.next_number,
        d.step_number,
        sum(case when d.exclusion_number = 0 then d.attempt_count else 0 end) as dropped_count,
        sum(case when d.exclusion_number > 0 then d.attempt_count else 0 end) as excluded_count
    from funnel_drops as d
    group by d.entry_date, d.funnel, d.site, d.breakdown, d.next_number, d.step_number
),

numbers as (
    select unnest([1, 2, 3]) as next_number
),

compared as (
    select
        s.entry_date,
        s.funnel,
        s.site,
        s.breakdown,
        n.next_number,
        s.dropped_count,
        s.excluded_count,
        coalesce(d.dropped_count, 0) as dropped_to_count,
        coalesce(d.excluded_count, 0) as excluded_to_count
    from funnel_steps as s
    cross join numbers as n
    left join drops as d
        on
            s.entry_date = d.entry_date and s.funnel = d.funnel and s.site = d.site
            and s.breakdown = d.breakdown and s.step_number = d.step_number
            and n.next_number = d.next_number
),

wrong as (
    select
        entry_date,
        funnel
    from compared
    group by entry_date, funnel, site, breakdown, next_number
    having
        bool_or(dropped_count <> dropped_to_count)
        or sum(excluded_count) <> sum(excluded_to_count)
)

select distinct
    entry_date,
    funnel
from wrong
order by entry_date, funnel
