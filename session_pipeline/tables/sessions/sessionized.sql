-- One row is a deduplicated event with its position in its session, or the last event of a session
-- that is carried over from the day before the stretch (it has no event_date). In this model, a run
-- is the series of events between two breaks other than max_hours. A long run is cut into parts of
-- max_hours, and each part is a session. docs/definitions.md lists the rules in their order.
-- series_id says which events of a site are one series, in which sessions follow each other: those
-- of a visitor; if sessions are by person, of a person; if the client's session is the key, with
-- or without a timeout, of each client session of these, and those without one. open_sessions has
-- it as visitor_id.
-- With $split_on_new_campaign, campaigns are compared in lower case. The first one is a break only
-- after an event from another host; an empty known_campaign of open_sessions stands for this event.
with kept as (
    select
        d.event_date,
        d.day_start,
        a.site,
        case
            -- The length prevents a '|' in an id from making different pairs of ids equal.
            when $client_sessions <> 'ignore'
                then concat_ws(
                    '|',
                    cast(length(a.person_id) as varchar),
                    a.person_id,
                    a.client_session_id
                )
            else a.person_id
        end as series_id,
        a.event_time,
        coalesce(a.sequence, a.line_number) as position,
        a.event_id,
        case when $by_person then a.visitor_id end as device_id,
        a.event_name,
        a.user_id,
        a.client_session_id,
        case
            when $split_on_new_campaign
                then translate(
                    a.utm_campaign,
                    'ABCDEFGHIJKLMNOPQRSTUVWXYZ',
                    'abcdefghijklmnopqrstuvwxyz'
                )
            else a.utm_campaign
        end as utm_campaign,
        $split_on_new_campaign
        and a.referrer_host is not null
        and a.referrer_host <> coalesce(a.page_host, '') as is_referred,
        a.file_id,
        a.line_number
    from raw_events as a
    inner join day_parts as d
        on
            a.utc_date = d.utc_date
            and a.event_time >= d.day_start
            and a.event_time < d.day_end
    left join repeated_events as r
        on a.file_id = r.file_id and a.line_number = r.line_number
    where r.file_id is null
),

stream as (
    select
        event_date,
        day_start,
        site,
        series_id,
        event_time,
        position,
        event_id,
        device_id,
        event_name,
        user_id,
        client_session_id,
        utm_campaign,
        is_referred,
        file_id,
        line_number,
        cast(null as varchar) as open_session_id,
        cast(null as date) as open_session_date,
        cast(null as timestamp) as open_run_started_at,
        cast(null as bigint) as open_event_number
    from kept
    union all
    select
        cast(null as date) as event_date,
        cast(null as timestamp) as day_start,
        site,
        visitor_id as series_id,
        event_time,
        cast(0 as bigint) as position,
        '' as event_id,
        cast(null as varchar) as device_id,
        cast(null as varchar) as event_name,
        known_user_id as user_id,
        known_client_session_id as client_session_id,
        nullif(known_campaign, '') as utm_campaign,
        known_campaign = '' as is_referred,
        cast(null as varchar) as file_id,
        cast(null as bigint) as line_number,
        session_id as open_session_id,
        session_date as open_session_date,
        run_started_at as open_run_started_at,
        event_number as open_event_number
    from open_sessions
),

placed as (
    select
        *,
        row_number() over series_in_order as place,
        lag(event_time) over series_in_order as previous_time
    from stream
    window series_in_order as (
        partition by series_id, site
        order by event_time, position, event_id, file_id, line_number
    )
),

hard_breaks as (
    select
        *,
        case
            when open_session_id is not null then null
            when
                previous_time is null
                or date_diff('microsecond', previous_time, event_time)
                >= cast(
                    case
                        when client_session_id is not null
                            then greatest($inactivity_minutes, $least_client_session_minutes)
                        else $inactivity_minutes
                    end as bigint
                ) * 60000000 + $border_microseconds
                then 'inactivity'
            when
                $split_at_midnight
                and (client_session_id is null or $client_sessions <> 'key_without_timeout')
                and previous_time < day_start
                then 'midnight'
            when
                $split_at_utc_hour
                and (client_session_id is null or $client_sessions <> 'key_without_timeout')
                and date_trunc('hour', previous_time) < date_trunc('hour', event_time)
                then 'utc_hour'
            when event_name = $separator then 'separator'
        end as hard_reason
    from placed
),

with_known_values as (
    select
        *,
        coalesce(
            max(case when hard_reason is not null then place end) over until_now, 0
        ) as hard_place,
        last_value(user_id ignore nulls) over before_now as last_user_id,
        max(case when user_id is not null then place end) over before_now as last_user_place,
        last_value(client_session_id ignore nulls) over before_now as last_client_session_id,
        max(
            case when client_session_id is not null then place end
        ) over before_now as last_client_session_place,
        last_value(utm_campaign ignore nulls) over before_now as last_campaign,
        max(
            case when utm_campaign is not null then place end
        ) over before_now as last_campaign_place,
        max(case when is_referred then place end) over before_now as last_referred_place
    from hard_breaks
    window
        until_now as (
            partition by series_id, site order by place
            rows between unbounded preceding and current row
        ),
        before_now as (
            partition by series_id, site order by place
            rows between unbounded preceding and 1 preceding
        )
),

run_breaks as (
    select
        *,
        -- The part of a session's id that says whose it is: by person, the visitor id of the event.
        -- So a session keeps its id if it becomes that of another person.
        case
            when $by_person then concat_ws('|', cast(length(device_id) as varchar), device_id)
            else concat_ws('|', cast(length(series_id) as varchar), series_id)
        end as series_key,
        case
            when open_session_id is not null then null
            when hard_reason is not null then hard_reason
            when
                $split_on_client_session
                and client_session_id <> last_client_session_id
                and last_client_session_place >= hard_place
                then 'client_session'
            when
                $split_on_user
                and user_id <> last_user_id
                and last_user_place >= hard_place
                then 'user'
            when
                $split_on_campaign
                and utm_campaign <> last_campaign
                and last_campaign_place >= hard_place
                then 'campaign'
            when
                $split_on_new_campaign
                and utm_campaign is not null
                and (last_campaign_place is null or last_campaign_place < hard_place)
                and last_referred_place >= hard_place
                then 'campaign'
        end as run_reason,
        case
            when $split_on_client_session
                then coalesce(
                    client_session_id,
                    case
                        when last_client_session_place >= hard_place then last_client_session_id
                    end
                )
        end as known_client_session_id,
        case
            when $split_on_user
                then coalesce(
                    user_id,
                    case when last_user_place >= hard_place then last_user_id end
                )
        end as known_user_id,
        case
            when $split_on_campaign or $split_on_new_campaign
                then coalesce(
                    utm_campaign,
                    case when last_campaign_place >= hard_place then last_campaign end,
                    case when is_referred or last_referred_place >= hard_place then '' end
                )
        end as known_campaign
    from with_known_values
),

runs as (
    select
        event_date,
        site,
        series_id,
        event_time,
        event_id,
        file_id,
        line_number,
        place,
        previous_time,
        series_key,
        known_client_session_id,
        known_user_id,
        known_campaign,
        run_reason,
        client_session_id is not null as is_client_session,
        open_session_id is not null as is_carried,
        last_value(
            case
                when open_session_id is not null then open_run_started_at
                when run_reason is not null then event_time
            end ignore nulls
        ) over until_now as run_started_at,
        last_value(
            case
                when open_session_id is not null then place + 1 - open_event_number
                when run_reason is not null then place
            end ignore nulls
        ) over until_now as run_place,
        last_value(
            case
                when open_session_id is not null
                    then
                        date_diff('microsecond', open_run_started_at, event_time)
                        // $max_microseconds
                when run_reason is not null then 0
            end ignore nulls
        ) over until_now as run_part,
        last_value(
            case
                when open_session_id is not null then open_session_id
                when run_reason is not null
                    then md5(concat_ws(
                        '|', site, series_key, event_id, cast(event_time as varchar)
                    ))
            end ignore nulls
        ) over until_now as run_session_id,
        last_value(
            case
                when open_session_id is not null then open_session_date
                when run_reason is not null then event_date
            end ignore nulls
        ) over until_now as run_date
    from run_breaks
    window until_now as (
        partition by series_id, site order by place
        rows between unbounded preceding and current row
    )
),

parts as (
    select
        *,
        date_diff('microsecond', run_started_at, event_time) // $max_microseconds as part
    from runs
),

cuts as (
    select
        site,
        series_id,
        run_place,
        part,
        place as cut_place,
        event_time as cut_time,
        event_id as cut_event_id,
        series_key as cut_series_key,
        event_date as cut_date
    from parts
    where part > run_part
    qualify row_number() over (partition by series_id, site, run_place, part order by place) = 1
),

in_sessions as (
    select
        p.event_date,
        p.site,
        p.series_id,
        p.event_time,
        p.file_id,
        p.line_number,
        p.place,
        p.previous_time,
        p.is_client_session,
        p.is_carried,
        p.run_started_at,
        p.known_client_session_id,
        p.known_user_id,
        p.known_campaign,
        case
            when c.cut_place is not null
                then md5(concat_ws(
                    '|', p.site, c.cut_series_key, c.cut_event_id, cast(c.cut_time as varchar)
                ))
            else p.run_session_id
        end as session_id,
        case when c.cut_place is not null then c.cut_date else p.run_date end as session_date,
        p.place - coalesce(c.cut_place, p.run_place) + 1 as event_number,
        case when p.place = c.cut_place then 'max_hours' else p.run_reason end as break_reason
    from parts as p
    left join cuts as c
        on
            p.site = c.site
            and p.series_id = c.series_id
            and p.run_place = c.run_place
            and p.part = c.part
)

select
    event_date,
    site,
    series_id,
    event_time,
    file_id,
    line_number,
    place,
    is_client_session,
    is_carried,
    run_started_at,
    known_user_id,
    known_client_session_id,
    known_campaign,
    session_id,
    session_date,
    event_number,
    case
        when event_number > 1 then date_diff('microsecond', previous_time, event_time)
    end as gap_microseconds,
    break_reason
from in_sessions
