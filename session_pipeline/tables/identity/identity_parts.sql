-- One row is a day and the hash of the rows of identities that day_identities has of it.
with of_days as (
    select distinct
        l.event_date,
        concat_ws(
            '|',
            i.site,
            cast(length(i.visitor_id) as varchar),
            i.visitor_id,
            cast(length(i.carried_user_id) as varchar),
            i.carried_user_id,
            i.person_id
        ) as identity_text
    from identity_links as l
    inner join identities as i
        on
            l.site = i.site
            and l.visitor_id = i.visitor_id
            and l.carried_user_id = i.carried_user_id
    where i.person_id <> i.visitor_id
)

select
    event_date,
    md5(string_agg(md5(identity_text), '' order by md5(identity_text))) as part_hash
from of_days
group by event_date
