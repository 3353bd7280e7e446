-- One row is a visit of the day: with the outcome if it is more frequent than usual, otherwise
-- without a conversion.
select session_id
from session_outcomes
where
    session_date = $day
    and site = $site
    and not is_bot
    and case
        when $is_more then outcome = $outcome
        else not is_converted and outcome != 'bounce'
    end
order by session_id
limit $examples
