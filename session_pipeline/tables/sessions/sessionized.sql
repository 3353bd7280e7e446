-- One row is a deduplicated event with its position in its session. In this model, a run is the
-- series of events between two breaks other than max_hours. A long run is cut into parts of
-- max_hours, and each part is a session. docs/definitions.md lists the rules in their order.
-- series_id says which events of a site are one series, in which sessions follow each other: those
-- of a visitor; if sessions are by person, of a person; if the client's session is the key, with
-- or without a timeout, of each client session of these, and those without one. open_sessions has
-- it as visitor_id.
-- With $split_on_new_campaign, campaigns are compared in lower case. The first one is a break only
-- after an event from another host; an empty known_campaign of open_sessions stands for this event.
-- Windows sort whole rows, and each column takes time, also an empty one. So a file and a line are
-- one number here, event_row, in the order of both, and what few rows have is joined later. The
-- last event of a session that is carried over from the day before the stretch has no event_row.
with files as (
    select
        file_id,
        row_number() over (order by file_id) as file_number
    from (select distinct file_id from raw_events) as found
),

-- The events of the days, without duplicates.
kept as (
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
        a.event_name = $separator as is_separator,
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
        f.file_number * $most_lines + a.line_number as event_row
    from raw_events as a
    inner join files as f
        on a.file_id = f.file_id
    inner join day_parts as d
        on
            a.utc_date = d.utc_date
            and a.event_time >= d.day_start
            and a.event_time < d.day_end
    left join repeated_events as r
        on a.file_id = r.file_id and a.line_number = r.line_number
    where r.file_id is null
),

-- The events, and before those of each series the last one that was carried over.
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
        is_separator,
        user_id,
        client_session_id,
        utm_campaign,
        is_referred,
        event_row
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
        cast(null as boolean) as is_separator,
        known_user_id as user_id,
        known_client_session_id as client_session_id,
        nullif(known_campaign, '') as utm_campaign,
        known_campaign = '' as is_referred,
        cast(null as bigint) as event_row
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
        order by event_time, position, event_id, event_row
    )
),

-- Breaks at which known values are forgotten: no value that was known before counts after them.
-- $border_microseconds is 0 if a gap exactly as long as the timeout is a break, and otherwise 1.
hard_breaks as (
    select
        *,
        case
            when event_row is null then null
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
            when is_separator then 'separator'
        end as hard_reason
    from placed
),

-- Each event with the last values before it, and with their places: values from before hard_place
-- are forgotten.
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

-- Breaks at which a value differs from the known one, and what is known after each event.
run_breaks as (
    select
        *,
        case
            when event_row is null then null
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

-- Without these splits, no row is read or joined.
known_values as (
    select
        event_row,
        known_user_id,
        known_client_session_id,
        known_campaign
    from run_breaks
    where
        event_row is not null
        and (
            $split_on_user
            or $split_on_client_session
            or $split_on_campaign
            or $split_on_new_campaign
        )
),

-- What a run starts with. It is computed before the next window, so that the window does not
-- sort all columns that it depends on.
starts as (
    select
        b.event_date,
        b.site,
        b.series_id,
        b.event_time,
        b.event_row,
        b.place,
        b.previous_time,
        b.run_reason,
        b.client_session_id is not null as is_client_session,
        case
            when b.event_row is null then o.run_started_at
            when b.run_reason is not null then b.event_time
        end as started_at,
        case
            when b.event_row is null then b.place + 1 - o.event_number
            when b.run_reason is not null then b.place
        end as start_place,
        case
            when b.event_row is null then o.session_id
            -- By person, a session has the visitor id of its first event in its id. So it keeps its
            -- id if it becomes that of another person.
            when b.run_reason is not null and $by_person
                then md5(concat_ws(
                    '|',
                    b.site,
                    cast(length(b.device_id) as varchar),
                    b.device_id,
                    b.event_id,
                    cast(b.event_time as varchar)
                ))
            when b.run_reason is not null
                then md5(concat_ws(
                    '|',
                    b.site,
                    cast(length(b.series_id) as varchar),
                    b.series_id,
                    b.event_id,
                    cast(b.event_time as varchar)
                ))
        end as start_session_id,
        case
            when b.event_row is null then o.session_date
            when b.run_reason is not null then b.event_date
        end as start_date
    from run_breaks as b
    left join open_sessions as o
        on b.event_row is null and b.site = o.site and b.series_id = o.visitor_id
),

-- Each event with what its run started with.
runs as (
    select
        event_date,
        site,
        series_id,
        event_time,
        event_row,
        place,
        previous_time,
        run_reason,
        is_client_session,
        last_value(started_at ignore nulls) over until_now as run_started_at,
        last_value(start_place ignore nulls) over until_now as run_place,
        last_value(start_session_id ignore nulls) over until_now as run_session_id,
        last_value(start_date ignore nulls) over until_now as run_date
    from starts
    window until_now as (
        partition by series_id, site order by place
        rows between unbounded preceding and current row
    )
),

-- part counts the whole multiples of max_hours since the start of the run.
parts as (
    select
        *,
        date_diff('microsecond', run_started_at, event_time) // $max_microseconds as part
    from runs
),

-- The first event of each part but the first of a run: there max_hours cuts the run.
-- If the part of a carried event goes on, its session does, too: its first event is the carried
-- one, which has no line, so the part has no cut.
cut_places as (
    select
        site,
        series_id,
        run_place,
        part,
        place,
        event_row,
        event_date
    from parts
    where part > 0
    qualify row_number() over (partition by series_id, site, run_place, part order by place) = 1
),

-- The sessions that begin at cuts.
cuts as (
    select
        p.site,
        p.series_id,
        p.run_place,
        p.part,
        p.place as cut_place,
        p.event_date as cut_date,
        md5(concat_ws(
            '|',
            p.site,
            cast(length(case when $by_person then r.visitor_id else p.series_id end) as varchar),
            case when $by_person then r.visitor_id else p.series_id end,
            r.event_id,
            cast(r.event_time as varchar)
        )) as cut_session_id
    from cut_places as p
    inner join files as f
        on p.event_row // $most_lines = f.file_number
    inner join raw_events as r
        on f.file_id = r.file_id and p.event_row % $most_lines = r.line_number
),

-- Events without those that were carried over, which have no file.
in_sessions as (
    select
        p.event_date,
        p.site,
        p.series_id,
        p.event_time,
        f.file_id,
        p.event_row % $most_lines as line_number,
        p.place,
        p.previous_time,
        p.is_client_session,
        p.run_started_at,
        k.known_client_session_id,
        k.known_user_id,
        k.known_campaign,
        case when c.cut_place is not null then c.cut_session_id else p.run_session_id end
            as session_id,
        case when c.cut_place is not null then c.cut_date else p.run_date end as session_date,
        p.place - coalesce(c.cut_place, p.run_place) + 1 as event_number,
        case when p.place = c.cut_place then 'max_hours' else p.run_reason end as break_reason
    from parts as p
    inner join files as f
        on p.event_row // $most_lines = f.file_number
    left join known_values as k
        on p.event_row = k.event_row
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
