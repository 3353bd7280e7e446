-- One row: whether an asset was wiped, so that its older events do not count.
select count(*) > 0 as is_wiped
from asset_keys
where asset_key = $asset_key and (asset_details is not null or wipe_timestamp is not null)
