-- One row is a quarantined line.
-- IP addresses are removed, also from lines that could not be read.
select
    file_id,
    $its_source as source,
    $its_site as site,
    line_number,
    reason,
    without_addresses(
        case
            when event_in_line > 1
                then concat_ws(': ', 'event ' || event_in_line || ' of its line', detail)
            else detail
        end
    ) as detail,
    without_addresses(line) as line
from numbered_lines
where reason is not null
order by file_id, line_number
