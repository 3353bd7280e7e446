-- One row is an event under a definition, with the reason why it starts a session there, or null.
-- Whether an event starts a session depends on the events of its own day and of the day before, so
-- that a day alone gives the same rows as a stretch: values that are older are not known, an
-- event more than two days after the one before is like the first one, and a series of events
-- over two midnights is cut at each midnight from the second on.
with people as (
    select session_id
    from sessions
    where not is_bot
),

stream as (
    select
        d.definition,
        d.least_break_microseconds,
        d.is_cut_at_midnight,
        d.is_cut_at_utc_hour,
        d.campaign_rule,
        d.is_cut_at_user,
        d.max_microseconds,
        e.event_date,
        e.site,
        e.visitor_id,
        e.session_id,
        e.event_number,
        e.event_time,
        coalesce(e.sequence, e.line_number) as position,
        e.event_id,
        e.event_name,
        e.user_id,
        case
            when d.campaign_rule = 'new'
                then translate(
                    e.utm_campaign,
                    'ABCDEFGHIJKLMNOPQRSTUVWXYZ',
                    'abcdefghijklmnopqrstuvwxyz'
                )
            else e.utm_campaign
        end as utm_campaign,
        e.referrer_host is not null
        and e.referrer_host <> coalesce(e.page_host, '') as is_referred,
        e.file_id,
        e.line_number,
        case when e.event_number = 1 then e.break_reason end as own_reason,
        case
            when d.is_by_client_session then e.client_session_id
        end as client_session_id,
        coalesce(m.is_start, false) as is_start,
        coalesce(m.is_end, false) as is_end
    from events as e
    inner join people as p
        on e.session_id = p.session_id
    cross join session_definitions as d
    left join marking_events as m
        on
            d.definition = m.definition
            and e.session_id = m.session_id
            and e.event_number = m.event_number
),

placed as (
    select
        *,
        row_number() over visitor_in_order as place,
        lag(event_time) over visitor_in_order as previous_time,
        lag(event_date) over visitor_in_order as previous_date,
        lag(is_end) over visitor_in_order as is_after_end
    from stream
    window visitor_in_order as (
        partition by definition, site, visitor_id, client_session_id
        order by event_time, position, event_id, file_id, line_number
    )
),

hard_breaks as (
    select
        *,
        case
            when client_session_id is not null
                then
                    case
                        when previous_time is null then 'client_session'
                        when date_diff('day', previous_date, event_date) > 1 then 'max_hours'
                    end
            when
                previous_time is null
                or date_diff('day', previous_date, event_date) > 2
                then 'inactivity'
            when
                date_diff('microsecond', previous_time, event_time) >= least_break_microseconds
                then 'inactivity'
            when is_cut_at_midnight and previous_date < event_date then 'midnight'
            when
                is_cut_at_utc_hour
                and date_trunc('hour', previous_time) < date_trunc('hour', event_time)
                then 'utc_hour'
            when is_start or is_after_end then 'event'
            when date_diff('day', previous_date, event_date) > 1 then 'max_hours'
        end as hard_reason
    from placed
),

with_users as (
    select
        *,
        max(case when hard_reason is not null then place end) over until_now as hard_place,
        last_value(user_id ignore nulls) over before_now as last_user_id,
        max(case when user_id is not null then place end) over before_now as last_user_place,
        max(case when user_id is not null then event_date end) over before_now as last_user_date
    from hard_breaks
    window
        until_now as (
            partition by definition, site, visitor_id, client_session_id order by place
            rows between unbounded preceding and current row
        ),
        before_now as (
            partition by definition, site, visitor_id, client_session_id order by place
            rows between unbounded preceding and 1 preceding
        )
),

user_breaks as (
    select
        *,
        case
            when hard_reason is not null then hard_reason
            when
                is_cut_at_user
                and client_session_id is null
                and user_id <> last_user_id
                and last_user_place >= hard_place
                and date_diff('day', last_user_date, event_date) <= 1
                then 'user'
        end as run_reason
    from with_users
),

with_campaigns as (
    select
        *,
        max(case when run_reason is not null then place end) over until_now as run_place,
        last_value(
            case when run_reason is not null then event_date end ignore nulls
        ) over until_now as run_date,
        last_value(
            case when run_reason is not null then event_time end ignore nulls
        ) over until_now as run_started_at,
        min(event_time) over (
            partition by definition, site, visitor_id, client_session_id, event_date
        ) as day_started_at,
        last_value(utm_campaign ignore nulls) over before_now as last_campaign,
        max(
            case when utm_campaign is not null then place end
        ) over before_now as last_campaign_place,
        max(
            case when utm_campaign is not null then event_date end
        ) over before_now as last_campaign_date,
        max(case when is_referred then place end) over before_now as last_referred_place,
        max(case when is_referred then event_date end) over before_now as last_referred_date
    from user_breaks
    window
        until_now as (
            partition by definition, site, visitor_id, client_session_id order by place
            rows between unbounded preceding and current row
        ),
        before_now as (
            partition by definition, site, visitor_id, client_session_id order by place
            rows between unbounded preceding and 1 preceding
        )
),

known_campaigns as (
    select
        *,
        case
            when
                last_campaign_place >= run_place
                and date_diff('day', last_campaign_date, event_date) <= 1
                then last_campaign
            -- The visitor came from another host, without a campaign.
            when
                last_referred_place >= run_place
                and date_diff('day', last_referred_date, event_date) <= 1
                then ''
        end as known_campaign,
        date_diff('day', run_date, event_date) > 1 as is_from_before
    from with_campaigns
),

-- The longest time counts from the start of the run, or from the cut at this day's midnight.
longest_times as (
    select
        *,
        case when is_from_before then day_started_at else run_started_at end as counted_from
    from known_campaigns
),

starts as (
    select
        *,
        case
            when run_reason is not null then run_reason
            when
                client_session_id is null
                and utm_campaign is not null
                and (
                    campaign_rule = 'changed' and utm_campaign <> nullif(known_campaign, '')
                    or campaign_rule = 'new' and utm_campaign <> known_campaign
                )
                then 'campaign'
            when is_from_before and previous_date < event_date then 'max_hours'
            -- An event exactly at the longest time is still in the session.
            when
                client_session_id is null
                and greatest(date_diff('microsecond', counted_from, event_time) - 1, 0)
                // nullif(max_microseconds, 0)
                > greatest(date_diff('microsecond', counted_from, previous_time) - 1, 0)
                // nullif(max_microseconds, 0)
                then 'max_hours'
        end as reason
    from longest_times
)

select
    definition,
    event_date,
    site,
    visitor_id,
    client_session_id,
    session_id,
    event_number,
    event_time,
    event_name,
    date_diff('microsecond', previous_time, event_time) as gap_microseconds,
    own_reason,
    reason,
    sum(case when reason is not null then 1 else 0 end) over (
        partition by definition, site, visitor_id, client_session_id
        order by place
        rows between unbounded preceding and current row
    ) as start_number
from starts
