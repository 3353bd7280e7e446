-- One row is a visitor id of a day whose events count for another id, with a user id or without.
select distinct
    l.event_date,
    l.site,
    l.visitor_id,
    l.carried_user_id,
    i.person_id
from identity_links as l
inner join identities as i
    on
        l.site = i.site
        and l.visitor_id = i.visitor_id
        and l.carried_user_id = i.carried_user_id
where i.person_id <> i.visitor_id
