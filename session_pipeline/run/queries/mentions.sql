-- One row is an event of another visitor, with whether its former id is one of those looked for.
-- Erasing removes such a former id from the properties.
select
    r.* replace (case when h.id is null then r.properties end as properties), -- noqa: AM04, LT09
    h.id is not null as has_former_id
from linking_events as r
left join former_ids as h
    on r.site = h.site and r.previous_id = h.id
where not is_held(r.site, r.visitor_id, r.user_id)
