-- One row is a record of a CSV or TSV file as a JSON object, in the file's order.
select
    cast(json_object($pairs) as varchar) as line,
    cast(null as varchar) as reason,
    cast(null as varchar) as detail
from read_csv(
    $path,
    columns = $types,
    header = $header,
    delim = $delimiter,
    quote = $quoting,
    escape = $quoting,
    comment = '',
    auto_detect = false,
    compression = 'none',
    hive_partitioning = false,
    max_line_size = $longest
)
