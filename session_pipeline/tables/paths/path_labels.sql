-- One row is a label of actions, with its text in a path, in which > only separates actions. The
-- number stands for the label, because numbers are grouped faster than texts.
select
    label,
    replace(label, '>', '›') as path_text,
    cast(row_number() over (order by label) as integer) as label_number
from (select distinct path_label(action) as label from session_actions) as labels
