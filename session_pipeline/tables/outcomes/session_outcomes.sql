-- One row is a session and how it ended: exactly one outcome, by the priority of the rules in the
-- settings. engaged and bounce come last. They need no rule, and one of them always applies.
with rules_met as (
    select
        m.session_id,
        r.priority,
        count(*) as match_count,
        min(m.event_number) as first_event_number,
        sum(m.value) as value,
        min(m.currency) filter (where m.value is not null) as lowest_currency,
        max(m.currency) filter (where m.value is not null) as highest_currency
    from outcome_matches as m
    inner join outcome_rules as r
        on m.rule = r.outcome
    group by m.session_id, r.priority
),

matches as (
    select
        session_id,
        priority,
        match_count,
        first_event_number,
        value,
        case
            when lowest_currency <> highest_currency then 'XXX'
            else lowest_currency
        end as currency
    from rules_met
    union all
    select
        session_id,
        priority,
        cast(1 as bigint) as match_count,
        cast(null as bigint) as first_event_number,
        null as value,
        cast(null as varchar) as currency
    from outcome_sessions
),

decided as (
    select
        session_id,
        priority,
        match_count,
        first_event_number,
        value,
        currency
    from matches
    qualify row_number() over (partition by session_id order by priority) = 1
)

select
    s.session_date,
    s.session_id,
    s.site,
    coalesce(r.outcome, case when s.is_engaged then 'engaged' else 'bounce' end) as outcome,
    coalesce(r.is_conversion, false) as is_converted,
    case when r.is_conversion then d.match_count else 0 end as conversion_count,
    d.value,
    d.currency,
    e.event_time as decided_at,
    e.event_id as deciding_event_id,
    e.page_path as deciding_page,
    s.is_bot
from sessions as s
left join decided as d
    on s.session_id = d.session_id
left join outcome_rules as r
    on d.priority = r.priority
left join outcome_matches as e
    on
        d.session_id = e.session_id
        and d.first_event_number = e.event_number
        and r.outcome = e.rule
