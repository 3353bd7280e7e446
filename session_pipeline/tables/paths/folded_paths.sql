-- One row is a path of a window and outcome, with the path that stands for it in typical_paths: an
-- action that fewer than one in $rare_one_in sessions of the longest window have is rare; its kind
-- stands for it, and repeats are folded again.
with daily_paths as (
    select
        counted_date,
        site,
        outcome,
        path_number,
        sum(session_count) as session_count
    from counted_paths
    group by counted_date, site, outcome, path_number
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
        p.site,
        p.path_number,
        n.position,
        split_part(p.path, ' > ', cast(n.position as integer)) as action,
        case
            when n.position > 1 then split_part(p.path, ' > ', cast(n.position - 1 as integer))
        end as previous_action
    from (select distinct
        site,
        path_number,
        path
    from counted_paths) as p
    cross join path_positions as n
    where split_part(p.path, ' > ', cast(n.position as integer)) <> ''
),

path_steps as (
    select
        site,
        path_number,
        list_sort(list({
            'position': position,
            'action': action,
            'kind': kind_of_action(action),
            'previous_action': previous_action,
            'previous_kind': kind_of_action(previous_action)
        })) as steps
    from split_paths
    group by site, path_number
),

actions_of_paths as (
    select distinct
        site,
        path_number,
        action
    from split_paths
),

daily_actions as (
    select
        d.counted_date,
        d.site,
        d.outcome,
        a.action,
        sum(d.session_count) as session_count
    from daily_paths as d
    inner join actions_of_paths as a
        on d.site = a.site and d.path_number = a.path_number
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
    select distinct
        w.session_date,
        d.site,
        d.outcome,
        d.path_number
    from daily_paths as d
    inner join window_dates as w
        on d.counted_date = w.counted_date
),

paths_with_actions as (
    select
        p.session_date,
        p.site,
        p.outcome,
        p.path_number,
        c.actions
    from window_paths as p
    inner join common_actions as c
        on p.session_date = c.session_date and p.site = c.site and p.outcome = c.outcome
),

-- The common actions are the same on most days, so few paths have to be folded.
folds as (
    select
        p.site,
        p.path_number,
        p.actions,
        array_to_string(
            list_transform(
                list_filter(
                    list_transform(
                        s.steps,
                        lambda step: {
                            'action': case
                                when list_contains(p.actions, step['action']) then step['action']
                                else step['kind']
                            end,
                            'previous': case
                                when list_contains(p.actions, step['previous_action'])
                                    then step['previous_action']
                                else step['previous_kind']
                            end
                        }
                    ),
                    lambda step:
                    step['previous'] is null or step['action'] <> step['previous']
                ),
                lambda step: step['action']
            ),
            ' > '
        ) as folded_path
    from (select distinct
        site,
        path_number,
        actions
    from paths_with_actions) as p
    inner join path_steps as s
        on p.site = s.site and p.path_number = s.path_number
)

select
    p.session_date,
    p.site,
    p.outcome,
    p.path_number,
    f.folded_path
from paths_with_actions as p
inner join folds as f
    on
        p.site = f.site
        and p.path_number = f.path_number
        and p.actions is not distinct from f.actions  -- null if no action is common
