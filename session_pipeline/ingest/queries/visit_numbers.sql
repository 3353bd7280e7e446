-- One row is a row of session_facts on a frozen day: its visit number and its life cycle by the new
-- history of the visitor.
select
    case
        when v.visitor_id is null or g.is_bot then g.visit_number
        else
            v.visit_number - 1 + row_number() over (
                partition by g.site, g.visitor_id, g.is_bot order by g.visit_number
            )
    end as visit_number,
    case when v.visitor_id is null or g.is_bot then g.lifecycle else v.lifecycle end as lifecycle
from given_rows as g
left join new_visitor_days as v
    on g.site = v.site and g.visitor_id = v.visitor_id and v.session_date = $day
order by g.row_number
