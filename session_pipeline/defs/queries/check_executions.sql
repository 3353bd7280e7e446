-- One row is an execution of a check in Dagster's history; the newest come first.
select evaluation_event
from asset_check_executions
where asset_key = $asset_key and check_name = $check_name
order by id desc
limit $most_executions
