-- One row is a session without bots, with its path as it is and with repeated actions folded.
-- Paths are cut after the setting max_path_actions. In a path, > only separates actions.
with listed as (
    select
        a.session_number,
        max(a.action_number) as action_count,
        count(*) filter (where a.is_new) as folded_count,
        list_sort(list({
            'action_number': a.action_number,
            'action': l.path_text,
            'is_new': a.is_new
        })) as actions
    from path_actions as a
    inner join path_labels as l
        on a.label_number = l.label_number
    group by a.session_number
),

joined as (
    select
        session_number,
        action_count,
        folded_count,
        array_to_string(
            list_transform(
                list_filter(actions, lambda a: a['action_number'] <= $max_path_actions),
                lambda a: a['action']
            ),
            ' > '
        ) as path,
        array_to_string(
            list_transform(list_filter(actions, lambda a: a['is_new']), lambda a: a['action']),
            ' > '
        ) as folded_path
    from listed
)

select
    s.group_number,
    s.device,
    coalesce(j.action_count, 0) as action_count,
    case
        when s.whole_seconds < 100 then s.whole_seconds
        when s.whole_seconds < 1000 then s.whole_seconds // 10 * 10
        when s.whole_seconds < 10000 then s.whole_seconds // 100 * 100
        else s.whole_seconds // 1000 * 1000
    end as rounded_seconds,
    case
        when j.session_number is null then '(no action)'
        when j.action_count > $max_path_actions then j.path || ' > (more)'
        else j.path
    end as path,
    case
        when j.session_number is null then '(no action)'
        when j.folded_count > $max_path_actions
            then regexp_extract(
                j.folded_path,
                '^[^>]*(> [^>]*){0,' || cast($max_path_actions - 1 as varchar) || '}',
                0
            ) || '> (more)'
        else j.folded_path
    end as folded_path
from path_sessions as s
left join joined as j
    on s.session_number = j.session_number
