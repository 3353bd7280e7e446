-- One row is a physical line of a text file, in the file's order.
select
    line,
    cast(null as varchar) as reason,
    cast(null as varchar) as detail
from read_csv(
    $path,
    columns = { 'line': 'VARCHAR' },
    header = false,
    delim = '',
    quote = '',
    escape = '',
    comment = '',
    auto_detect = false,
    compression = 'none',
    hive_partitioning = false,
    max_line_size = $longest
)
