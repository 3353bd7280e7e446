-- One row is a link between two visitor ids or two user ids that are the same visitor or user.
select
    site,
    kind,
    id,
    other_id
from identity_edges
where kind <> 'visitor_user'
