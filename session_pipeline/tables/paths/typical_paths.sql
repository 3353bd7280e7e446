-- One row is one of the most frequent paths of a window of days, by outcome and segment.
-- Windows are sums of path_counts. An action that fewer than one in $rare_one_in sessions of the
-- longest window and outcome have is rare; its kind stands for it, and repeats are folded again.
with daily as (
    select
        session_date as counted_date,
        site,
        outcome,
        device,
        path,
        action_count,
        rounded_seconds,
        session_count
    from path_counts
    union all
    select
        session_date as counted_date,
        site,
        case when converted_count > 0 then '(converted)' else '(not converted)' end as outcome,
        device,
        path,
        action_count,
        rounded_seconds,
        session_count
    from path_counts
    where outcome <> 'bounce'
),

daily_paths as (
    select
        counted_date,
        site,
        outcome,
        device,
        path,
        sum(session_count) as session_count
    from daily
    group by counted_date, site, outcome, device, path
),

window_dates as (
    select
        d.event_date as session_date,
        a.window_days,
        d.event_date - cast(a.age_days as integer) as counted_date
    from days as d
    cross join window_ages as a
),

-- The actions of each path, with the action before.
split_paths as (
    select
        p.path,
        n.position,
        split_part(p.path, ' > ', cast(n.position as integer)) as action,
        case
            when n.position > 1 then split_part(p.path, ' > ', cast(n.position - 1 as integer))
        end as previous_action
    from (select distinct path from daily_paths) as p
    cross join path_positions as n
    where split_part(p.path, ' > ', cast(n.position as integer)) <> ''
),

path_steps as (
    select
        path,
        list_sort(list({
            'position': position,
            'action': action,
            'kind': kind_of_action(action),
            'previous_action': previous_action,
            'previous_kind': kind_of_action(previous_action)
        })) as steps
    from split_paths
    group by path
),

daily_actions as (
    select
        d.counted_date,
        d.site,
        d.outcome,
        a.action,
        sum(d.session_count) as session_count
    from daily_paths as d
    inner join (select distinct path, action from split_paths) as a
        on d.path = a.path
    group by d.counted_date, d.site, d.outcome, a.action
),

daily_totals as (
    select
        counted_date,
        site,
        outcome,
        sum(session_count) as session_count
    from daily_paths
    group by counted_date, site, outcome
),

longest_totals as (
    select
        w.session_date,
        d.site,
        d.outcome,
        sum(d.session_count) as session_count
    from daily_totals as d
    inner join window_dates as w
        on d.counted_date = w.counted_date
    where w.window_days = $longest_window_days
    group by w.session_date, d.site, d.outcome
),

longest_actions as (
    select
        w.session_date,
        d.site,
        d.outcome,
        d.action,
        sum(d.session_count) as session_count
    from daily_actions as d
    inner join window_dates as w
        on d.counted_date = w.counted_date
    where w.window_days = $longest_window_days
    group by w.session_date, d.site, d.outcome, d.action
),

common_actions as (
    select
        t.session_date,
        t.site,
        t.outcome,
        list_sort(list(a.action) filter (where a.action is not null)) as actions
    from longest_totals as t
    left join longest_actions as a
        on
            t.session_date = a.session_date
            and t.site = a.site
            and t.outcome = a.outcome
            and a.session_count * $rare_one_in >= t.session_count
    group by t.session_date, t.site, t.outcome
),

window_paths as (
    select
        w.session_date,
        w.window_days,
        d.site,
        d.outcome,
        d.device,
        d.path,
        sum(d.session_count) as session_count
    from daily_paths as d
    inner join window_dates as w
        on d.counted_date = w.counted_date
    group by w.session_date, w.window_days, d.site, d.outcome, d.device, d.path
),

folded_paths as (
    select
        p.session_date,
        p.site,
        p.outcome,
        p.path,
        array_to_string(
            list_transform(
                list_filter(
                    list_transform(
                        s.steps,
                        lambda step: {
                            'action': case
                                when list_contains(c.actions, step.action) then step.action
                                else step.kind
                            end,
                            'previous': case
                                when list_contains(c.actions, step.previous_action)
                                    then step.previous_action
                                else step.previous_kind
                            end
                        }
                    ),
                    lambda step: step.previous is null or step.action <> step.previous
                ),
                lambda step: step.action
            ),
            ' > '
        ) as folded_path
    from (
        select distinct
            session_date,
            site,
            outcome,
            path
        from window_paths
    ) as p
    inner join path_steps as s
        on p.path = s.path
    inner join common_actions as c
        on p.session_date = c.session_date and p.site = c.site and p.outcome = c.outcome
),

counted as (
    select
        w.session_date,
        w.window_days,
        w.site,
        w.outcome,
        case when g.is_all then '(all)' else 'device=' || w.device end as segment,
        f.folded_path,
        sum(w.session_count) as session_count
    from window_paths as w
    inner join folded_paths as f
        on
            w.session_date = f.session_date
            and w.site = f.site
            and w.outcome = f.outcome
            and w.path = f.path
    cross join (select unnest([true, false]) as is_all) as g
    group by
        w.session_date,
        w.window_days,
        w.site,
        w.outcome,
        case when g.is_all then '(all)' else 'device=' || w.device end,
        f.folded_path
),

ranked as (
    select
        *,
        sum(session_count) over (
            partition by session_date, window_days, site, outcome, segment
        ) as group_session_count,
        row_number() over (
            partition by session_date, window_days, site, outcome, segment
            order by
                case when folded_path = '(other)' then 1 else 0 end asc,
                session_count desc,
                folded_path asc
        ) as path_rank
    from counted
)
,

shown as (
    select
        session_date,
        window_days,
        site,
        outcome,
        segment,
        folded_path,
        path_rank,
        session_count,
        group_session_count
    from ranked
    where
        path_rank <= $typical_path_count
        and folded_path <> '(other)'
        and session_count >= $min_session_count
),

-- One row is a shown path, a number of actions and a duration.
measured as (
    select
        t.session_date,
        t.window_days,
        t.site,
        t.outcome,
        t.segment,
        t.path_rank,
        d.action_count,
        d.rounded_seconds,
        sum(d.session_count) as session_count
    from shown as t
    inner join folded_paths as f
        on
            t.session_date = f.session_date
            and t.site = f.site
            and t.outcome = f.outcome
            and t.folded_path = f.folded_path
    inner join window_dates as w
        on t.session_date = w.session_date and t.window_days = w.window_days
    inner join daily as d
        on
            w.counted_date = d.counted_date
            and f.site = d.site
            and f.outcome = d.outcome
            and f.path = d.path
    where t.segment = '(all)' or t.segment = 'device=' || d.device
    group by
        t.session_date,
        t.window_days,
        t.site,
        t.outcome,
        t.segment,
        t.path_rank,
        d.action_count,
        d.rounded_seconds
),

-- Both measures as rows, so that one window counts through the values of each.
figures as (
    select
        session_date,
        window_days,
        site,
        outcome,
        segment,
        path_rank,
        'actions' as measure,
        action_count as figure,
        sum(session_count) as session_count
    from measured
    group by session_date, window_days, site, outcome, segment, path_rank, action_count
    union all
    select
        session_date,
        window_days,
        site,
        outcome,
        segment,
        path_rank,
        'seconds' as measure,
        rounded_seconds as figure,
        sum(session_count) as session_count
    from measured
    group by session_date, window_days, site, outcome, segment, path_rank, rounded_seconds
),

cumulated as (
    select
        *,
        sum(session_count) over (
            partition by session_date, window_days, site, outcome, segment, path_rank, measure
            order by figure
        ) as up_to_here,
        sum(session_count) over (
            partition by session_date, window_days, site, outcome, segment, path_rank, measure
        ) as total
    from figures
),

-- The median is the mean of the two values in the middle, which are equal for an odd number.
medians as (
    select
        session_date,
        window_days,
        site,
        outcome,
        segment,
        path_rank,
        cast(
            min(figure) filter (where measure = 'actions' and 2 * up_to_here >= total)
            + min(figure) filter (where measure = 'actions' and 2 * up_to_here >= total + 1)
            as double
        ) / 2 as median_action_count,
        cast(
            min(figure) filter (where measure = 'seconds' and 2 * up_to_here >= total)
            + min(figure) filter (where measure = 'seconds' and 2 * up_to_here >= total + 1)
            as double
        ) / 2 as median_seconds
    from cumulated
    group by session_date, window_days, site, outcome, segment, path_rank
)

select
    t.session_date,
    t.site,
    t.window_days,
    t.outcome,
    t.segment,
    t.path_rank as rank,
    t.folded_path as path,
    t.session_count,
    t.group_session_count,
    cast(t.session_count as double)
    / nullif(cast(t.group_session_count as double), 0) as share,
    m.median_action_count,
    m.median_seconds
from shown as t
inner join medians as m
    on
        t.session_date = m.session_date
        and t.window_days = m.window_days
        and t.site = m.site
        and t.outcome = m.outcome
        and t.segment = m.segment
        and t.path_rank = m.path_rank
