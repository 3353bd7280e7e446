-- One row is a session. Its number stands for its id, because numbers are grouped and joined faster
-- than texts.
select
    session_id,
    cast(row_number() over (order by session_id) as integer) as session_number,
    session_date,
    site,
    is_bot,
    page_view_count = 0 as is_pageless
from sessions
