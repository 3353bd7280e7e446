"""Writes sentences about the fields of a file that no suggested key says: who its visitors are, what its events are.

suggested_keys.py suggests the keys, and adds these sentences to them.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from session_pipeline.ingest.mapping.rules import ReadingRules
from session_pipeline.reference.column_groups import DELIVERED_COLUMNS
from session_pipeline.reference.log_formats import NAMED_FORMATS, parse_log_format
from session_pipeline.reference.usual_event_names import PACKAGED_NAMES
from session_pipeline.settings import as_toml
from session_pipeline.settings.values import is_label, shown
from session_pipeline.settings_warnings.sources import NAMELESS_IDS, PAGE_VIEW
from session_pipeline.trial.field_names import SESSIONS, is_called, names_for
from session_pipeline.trial.field_values import DECIMAL, URL, FieldValues
from session_pipeline.trial.suggestions import names_of_some_lines

MOST_LOG_LINES = 20  # lines that are enough to recognize an access log in a field
# The event that lines without its name probably are, by the column that they have.
ONLY_EVENTS = {"page_url": "page_view", "page_title": "page_view", "value": "purchase"}
# Fields that show one of the exports in docs/exports.md, in any case, by the heading of its section.
SECTIONS_OF_EXPORTS = {
    "Shopify orders as CSV": {"Name", "Financial Status", "Lineitem name"},
    "Kaggle eCommerce": {"event_time", "event_type", "product_id", "user_session"},
    "Kaggle RetailRocket": {"timestamp", "visitorid", "event", "itemid", "transactionid"},
    "Simple Analytics": {"added_iso", "datapoint", "hostname", "path"},
    "Segment warehouse tables": {"anonymous_id", "context_library_name", "id", "original_timestamp", "received_at"},
}
OF_MATOMO = "actionDetails"  # the list of the events of a visit in Matomo's exports
FIRST_OF_LIST = re.compile(r"(\w+)_0_(\w+)")  # as actionDetails_0_url of Matomo's CSV
FLOAT_ID = re.compile(r"\d+\.0|\d+(\.\d+)?[eE]\+?\d+")  # a whole number that was written as a floating-point one
IMAGE = re.compile(r"(?i)[^?#]*\.(png|jpe?g|gif|svg|webp|avif|ico)([?#]|$)")


def settings_in_docs(fields: Sequence[FieldValues]) -> str | None:
    """Return where the documentation has the settings for a common export; None if the file has other fields."""
    names = {field.name.lower() for field in fields}
    sections = SECTIONS_OF_EXPORTS.items()
    section = next((section for section, own in sections if names.issuperset(map(str.lower, own))), None)
    return section and f'docs/exports.md has settings for this export: copy the section "{section}"'


def log_in_field(fields: Sequence[FieldValues]) -> str | None:
    """Return what to do with lines of an access log in a field; None if no field has them."""
    name = _field_of_log(fields)
    how = f", as `jq -r .{name}` does" if name and re.fullmatch(r"\w+(\.\w+)*", name) else ""
    return f"{name} has lines of an access log: write them into a file of their own{how}" if name else None


def numbered_events(fields: Sequence[FieldValues], columns: Mapping[str, str], missing: Collection[str]) -> str | None:
    """Return what to do with lists of events that are flattened into numbered columns; None if there are none.

    Lists of an event with a time of its own do not count. The arguments are those of `remarks_about`.
    """
    if "event_time" not in missing and not FIRST_OF_LIST.fullmatch(columns.get("event_time", "")):
        return None
    names = {field.name for field in fields}
    for name in sorted(names):
        if (found := FIRST_OF_LIST.fullmatch(name)) and f"{found[1]}_1_{found[2]}" in names:
            how = ", in Matomo with format=JSON and without flat=1," if found[1] == OF_MATOMO else ""
            return (
                f"{found[1]}_0_, {found[1]}_1_ and so on are lists in numbered columns, which are not read:"
                f" export them as JSON{how} with the lists as they are, or with a row for each event"
            )
    return None


def remarks_about(
    fields: Sequence[FieldValues], rules: ReadingRules, columns: Mapping[str, str], missing: Collection[str]
) -> list[str]:
    """Return sentences about the visitors and events of a file.

    Args:
        fields: The fields of the sampled lines.
        rules: How the lines are read, with the suggested null_values.
        columns: The suggested field of each column.
        missing: The columns that every event needs and that have no field.
    """
    return [
        *_about_sessions(columns),
        *_about_nameless(fields, rules, columns),
        *_about_float_ids(fields, rules, columns),
        *_about_names(fields, rules, columns, missing),
    ]


def _about_sessions(columns: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence about ids of sessions that stand for visitors."""
    if (session := columns.get("visitor_id", "")) and any(is_called(session, name) for name in SESSIONS):
        yield f"no field has ids of visitors, so {session} is used: each session is a visitor of its own"


def _about_nameless(fields: Sequence[FieldValues], rules: ReadingRules, columns: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each field of visitors or users with texts that name nobody, such as NA or undefined."""
    others = {
        "visitor_id": " to set such lines aside, or name another field for visitor_id",
        "user_id": ", so that such lines have no user_id",
    }
    found: dict[str, tuple[list[str], str]] = {}
    for column, fix in others.items():
        names = names_for(column, columns, rules)
        for field in (field for field in fields if field.name in names and field.name not in found):
            texts = [text for text in NAMELESS_IDS if text in field.values and text not in rules.null_values]
            if texts:
                found[field.name] = texts, fix
    # The same list in each sentence, so that one does not undo the other.
    all_texts = dict.fromkeys(text for texts, _ in found.values() for text in texts)
    null_values = as_toml([*rules.null_values, *all_texts])
    for name, (texts, fix) in found.items():
        yield (
            f"{name} has {shown(texts[0])} for visitors who are not known, who would count as one person:"
            f" set null_values = {null_values}{fix}"
        )


def _about_float_ids(fields: Sequence[FieldValues], rules: ReadingRules, columns: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each field of visitors or users whose ids are floating-point numbers, as pandas writes them.

    An id with an exponent can have lost its last digits. Other decimals can be ids, as the client ids of Google are.
    """
    named: set[str] = set()
    for column in ("visitor_id", "user_id"):
        if column in rules.expressions:
            continue
        names = names_for(column, columns, rules)
        for field in (field for field in fields if field.name in names and field.name not in named):
            numbers = [value for value in field.values if isinstance(value, str) and FLOAT_ID.fullmatch(value)]
            if numbers and field.is_mostly(DECIMAL.fullmatch):
                named.add(field.name)
                rounded = next((number for number in numbers if "e" in number.lower()), None)
                problem = (
                    f"{rounded} can have lost digits, so that several visitors count as one"
                    if rounded
                    else f"{numbers[0]} is another visitor than {numbers[0].removesuffix('.0')}"
                )
                yield f"{field.name} has ids as floating-point numbers: {problem}; export them as texts"


def _about_names(
    fields: Sequence[FieldValues], rules: ReadingRules, columns: Mapping[str, str], missing: Collection[str]
) -> Iterator[str]:
    """Yield sentences about events whose name is in another field, or in none."""
    if "event_name" in columns and (named := names_of_some_lines(fields, columns["event_name"])):
        both = f'event_name = ["{named}", "{columns["event_name"]}"]'
        yield f"{named} has the names of some events: write {both} into columns to use them"
    if "event_name" in missing and (event := _only_event(fields, rules, columns)):
        yield f'if every line is a {event}, set constants = {{ event_name = "{event}" }}'
    elif list(missing) == ["event_name"]:
        yield 'if every line is the same kind of event, name it, as in constants = { event_name = "purchase" }'


def remarks_about_pages(
    fields: Sequence[FieldValues], rules: ReadingRules, columns: Mapping[str, str], event_names: Mapping[str, str]
) -> Iterator[str]:
    """Yield sentences about pages in a field of an unknown name, and about page views of another name.

    Args:
        fields: The fields of the sampled lines.
        rules: How the lines are read, without a preset that knows the fields and names of the file.
        columns: The suggested field of each column.
        event_names: The suggested names of events.
    """
    if rules.request:
        return  # pages and names follow from it
    found = {field.name: field for field in fields}
    read = {*columns.values(), *(name for column in DELIVERED_COLUMNS for name in rules.fields_of(column))}
    of_pages = rules.fields_of("page_url")
    has_pages = "page_url" in {*columns, *rules.constants, *rules.expressions} or not found.keys().isdisjoint(of_pages)
    urls = [field for field in fields if _could_be_page(field)]
    if not has_pages and of_pages and len(urls) == 1 and urls[0].name not in read:
        has_pages = True
        yield f"{urls[0].name} could be the page: write page_url = {as_toml(urls[0].name)} into columns to use it"
    asked = names_for("event_name", columns, rules)
    of_fields = [Counter(map(str, found[name].values)) for name in asked if name in found]
    names = of_fields[0] if of_fields else Counter()
    is_renamed = rules.events or "event_name" in {*rules.constants, *rules.expressions}
    renamed = {**event_names, **rules.event_names}
    ours = {renamed.get(name, name) for of_field in of_fields for name in of_field}
    if has_pages and not is_renamed and len(names) > 1 and PAGE_VIEW not in ours:
        most = min(filter(is_label, names), key=lambda name: (-names[name], name), default=None)
        if most is not None:
            others = "" if ours & PACKAGED_NAMES else ", and name events such as add_to_cart and purchase there, too"
            # All names in one table: a second event_names would be an error, and another one would undo the first.
            all_names = as_toml({**renamed, most: PAGE_VIEW})
            yield f"no event is a page_view: if {most} is one, set event_names = {all_names}{others}"


def _could_be_page(field: FieldValues) -> bool:
    """Whether a field can have the page of each event: different URLs that are not those of images."""
    is_url = field.is_filled() and field.is_mostly(URL.match)
    return is_url and not field.is_constant() and not field.is_mostly(IMAGE.match, 0.5)


def _field_of_log(fields: Sequence[FieldValues]) -> str | None:
    """Return the field with lines of an access log, as the logs of containers and log shippers have them."""
    patterns = [re.compile(parse_log_format(name).sure_pattern) for name in NAMED_FORMATS]
    for each in fields:
        texts = [value.rstrip("\n") for value in each.values[:MOST_LOG_LINES] if isinstance(value, str)]
        if texts and any(all(map(pattern.match, texts)) for pattern in patterns):
            return each.name
    return None


def _only_event(fields: Sequence[FieldValues], rules: ReadingRules, columns: Mapping[str, str]) -> str | None:
    """Return the event that all lines without a name of it probably are; None if nothing shows it."""
    names = {field.name for field in fields}
    for column, event in ONLY_EVENTS.items():
        # Without an event name, no line was accepted. So the fields show which columns have values.
        if column in columns or names.intersection(rules.fields_of(column)):
            return event
    return None
