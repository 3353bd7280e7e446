"""Tests the settings that docs/exports.md gives for exports without a preset, with lines of these exports."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_pipeline.run.pipeline import open_run
from session_pipeline.trial.try_file import try_file
from session_pipeline_tests.deployment import Deployment
from session_pipeline_tests.documents import ROOT, blocks

DOCUMENT = (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")
SOURCES: dict[str, Any] = {
    name: keys for block in blocks(DOCUMENT) for name, keys in tomllib.loads(block.code).get("sources", {}).items()
}
LINES = {
    "shopify-orders": """\
Name,Email,Financial Status,Currency,Total,Created at,Lineitem quantity,Lineitem name,Billing Name
#1001,ann@example.com,paid,EUR,53.91,2026-05-04 09:50:26 +0200,3,Lamp,Ann
#1001,ann@example.com,,,,2026-05-04 09:50:26 +0200,1,"Chair, red",
""",
    "kaggle-shop": """\
event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde
2019-10-01 00:01:00 UTC,purchase,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde
""",
    "retailrocket": """\
timestamp,visitorid,event,itemid,transactionid
1433221332117,257597,view,355908,
1433221333117,257597,transaction,355908,4000
""",
    "shopify-bulk": """\
{"id": "gid://shopify/Order/1", "createdAt": "2026-05-04T09:50:26Z", "cancelledAt": null, "test": false, \
"customer": {"id": "gid://shopify/Customer/7"}, \
"totalPriceSet": {"shopMoney": {"amount": "53.91", "currencyCode": "EUR"}}}
{"id": "gid://shopify/LineItem/1", "title": "Lamp", "quantity": 3, "__parentId": "gid://shopify/Order/1"}
{"id": "gid://shopify/Order/2", "createdAt": "2026-05-04T10:50:26Z", "cancelledAt": "2026-05-04T11:00:00Z", \
"test": false, "customer": {"id": "gid://shopify/Customer/7"}, \
"totalPriceSet": {"shopMoney": {"amount": "9.00", "currencyCode": "EUR"}}}
""",
    "heap-pageviews": """\
event_id,user_id,session_id,time,domain,path,query,title,referrer
8841,7700,6600,2026-05-04 09:00:00,shop.example,/products/lamp,?q=a,Lamp,https://www.google.com/
8842,7700,6600,2026-05-04 09:01:00,shop.example,/cart,,Cart,
""",
    "heap-events": """\
event_id,time,user_id,session_id,event_table_name
8843,2026-05-04 09:00:30,7700,6600,click_cta
8843,2026-05-04 09:00:30,7700,6600,click_cta_homepage
""",
    "simple-analytics": """\
added_iso,hostname,path,query,document_referrer,session_id,uuid,datapoint
2026-05-04T09:00:00.000Z,shop.example,/products/lamp,q=a,https://www.google.com/,5c93,98d1,
2026-05-04T09:00:30.000Z,shop.example,/products/lamp,,,5c93,98d2,signup_click
""",
    "mparticle": """\
{"mpid": 6600, "events": [{"event_type": "screen_view", "data": {"screen_name": "Lamp", "event_id": "1", \
"timestamp_unixtime_ms": "1777885200000"}}, {"event_type": "custom_event", "data": {"event_name": "Size guide", \
"event_id": "2", "timestamp_unixtime_ms": "1777885210000"}}], "environment": "production"}
{"mpid": 6600, "events": [{"event_type": "commerce_event", "data": {"product_action": {"action": "purchase", \
"total_amount": 49.9}, "currency_code": "EUR", "event_id": "3", "timestamp_unixtime_ms": "1777885220000"}}]}
""",
    "tealium": """\
{"visitorid": "014fb", "eventid": "65f6", "eventtime": 1777885200000, "dom_url": "https://shop.example/products/lamp", \
"dom_title": "Lamp", "referrerurl_full_url": "https://www.google.com/", "udo_ut_event": "view"}
{"visitorid": "014fb", "eventid": "65f7", "eventtime": 1777885230000, "dom_url": "https://shop.example/products/lamp", \
"dom_title": "Lamp", "udo_ut_event": "link"}
""",
    "segment-pages": """\
ANONYMOUS_ID,CONTEXT_IP,CONTEXT_LIBRARY_NAME,CONTEXT_PAGE_URL,ID,NAME,PATH,RECEIVED_AT,REFERRER,TIMESTAMP,TITLE,URL,USER_ID
a1,192.0.2.1,a.js,https://shop.example/lamp,ajs-1,Lamp,/lamp,2026-05-04 09:00:01,,2026-05-04 09:00:00,Lamp,https://shop.example/lamp,
""",
    "segment-tracks": """\
anonymous_id,context_ip,context_page_url,event,event_text,id,received_at,timestamp,user_id
a1,192.0.2.1,https://shop.example/lamp,product_added,Product Added,ajs-2,2026-05-04 09:00:31,2026-05-04 09:00:30,
a1,192.0.2.1,https://shop.example/thanks,order_completed,Order Completed,ajs-3,2026-05-04 09:02:01,2026-05-04 09:02:00,
""",
    "segment-orders": """\
anonymous_id,context_ip,context_page_url,currency,event,event_text,id,order_id,revenue,timestamp,total,user_id
a1,192.0.2.1,https://shop.example/thanks,EUR,order_completed,Order Completed,ajs-3,o1,49.9,2026-05-04 09:02:00,53.9,
""",
    "akamai": """\
1 1239f220 1777885200.120 203.0.113.7 200 HTTPS shop.example GET /products/lamp q=a+b \
Mozilla%2F5.0+%28X11%3B+Linux+x86_64%3B+rv%3A126.0%29 https%3A%2F%2Fwww.google.com%2F
1 1239f221 1777885201.120 203.0.113.7 200 HTTPS shop.example POST /contact - \
Mozilla%2F5.0+%28X11%3B+Linux+x86_64%3B+rv%3A126.0%29 -
""",
}
EXPECTED = {
    "shopify-orders": [("purchase", "53.910000", "EUR", None), ("request", "None", "None", None)],
    "kaggle-shop": [("page_view", "None", "None", "/product/44600062"),
                    ("purchase", "35.790000", "None", "/product/44600062")],
    "retailrocket": [("page_view", "None", "None", "/item/355908"), ("purchase", "None", "None", "/item/355908")],
    "shopify-bulk": [("purchase", "53.910000", "EUR", None), ("order_cancelled", "9.000000", "EUR", None)],
    "heap-pageviews": [("page_view", "None", "None", "/products/lamp"), ("page_view", "None", "None", "/cart")],
    "heap-events": [("click_cta", "None", "None", None), ("click_cta_homepage", "None", "None", None)],
    "simple-analytics": [("page_view", "None", "None", "/products/lamp"),
                         ("signup_click", "None", "None", "/products/lamp")],
    "mparticle": [("page_view", "None", "None", "/Lamp"), ("Size guide", "None", "None", None),
                  ("purchase", "49.900000", "EUR", None)],
    "tealium": [("page_view", "None", "None", "/products/lamp"), ("click", "None", "None", "/products/lamp")],
    "segment-pages": [("page_view", "None", "None", "/lamp")],
    "segment-tracks": [("add_to_cart", "None", "None", "/lamp"), ("request", "None", "None", "/thanks")],
    "segment-orders": [("purchase", "49.900000", "EUR", "/thanks")],
    "akamai": [("page_view", "None", "None", "/products/lamp"), ("submit", "None", "None", "/contact")],
}  # fmt: skip


@pytest.mark.long
def test_settings_of_exports_without_a_preset_read_them(tmp_path: Path) -> None:
    sources = {source: SOURCES[source] for source in LINES}
    made = Deployment(tmp_path / "data", {"start_date": date(2015, 5, 1), "sources": sources})
    for source, lines in LINES.items():
        file = made.folder.raw / source / ("a.jsonl" if lines.startswith("{") else "a.csv")
        file.parent.mkdir(parents=True)
        file.write_text(lines)
    with open_run(made.folder, run_id="test", until=date(2026, 6, 1)) as run:
        run.ingest()
    found: dict[str, list[tuple[str, ...]]] = {source: [] for source in LINES}
    for row in sorted(made.records("raw_events"), key=lambda row: int(row["line_number"])):
        values = (row["event_name"], str(row["value"]), str(row["currency"]), row["page_path"])
        found[row["source"]].append(values)
    assert found == EXPECTED


def test_encoded_values_of_akamai_are_decoded(tmp_path: Path) -> None:
    made = Deployment(tmp_path / "data", {"start_date": date(2026, 5, 1), "sources": {"akamai": SOURCES["akamai"]}})
    file = made.folder.raw / "akamai" / "a.log"
    file.parent.mkdir(parents=True)
    file.write_text(LINES["akamai"])
    found = try_file(file, folder=made.folder, source="akamai", has_sessions=False)
    examples = {field.column: field.example for field in found.fields}
    assert found.facts["accepted_count"] == 2
    assert examples["user_agent"] == "Mozilla/5.0 (X11; Linux x86_64; rv:126.0)"
    assert (examples["referrer"], examples["page_url"]) == (
        "https://www.google.com/", "https://shop.example/products/lamp?q=a+b",
    )  # fmt: skip


def test_every_documented_export_is_tested() -> None:
    assert {*SOURCES} == {*LINES}


ROUTER = "2026-05-04T09:00:00+00:00 heroku[router]: at="
ROUTED = (
    'method=GET path="/p?q=a" host=shop.example request_id=8601b555 fwd="192.0.2.7" dyno=web.1 connect=0 service=18ms'
)
BUCKET = "79a5 shop.example [04/May/2026:09:00:00 +0000] 192.0.2.7 - 3E57 WEBSITE.GET.OBJECT p"
OBJECT = f'{BUCKET} "GET /p?q=a HTTP/1.1" 200 - 13 13 7 6 "https://e.org/" "Mozilla/5.0 (X11; Linux x86_64)"'
LOGS = {
    "Heroku's router": [
        f"{ROUTER}info {ROUTED} status=200 bytes=13",
        f'{ROUTER}error code=H12 desc="Request timeout" {ROUTED} status=503 bytes=13 protocol=http1.1 tls=true',
    ],
    "Amazon S3, access logs": [
        OBJECT,
        f"{OBJECT} - s9lz= SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader shop.example.s3.amazonaws.com TLSV1.2 - -",
    ],
}


@pytest.mark.parametrize("log", LOGS)
def test_log_formats_of_the_table_read_lines_of_these_logs(log: str, tmp_path: Path) -> None:
    table_of_logs = (ROOT / "docs" / "sources" / "README.md").read_text(encoding="utf-8")
    [row] = [line for line in table_of_logs.splitlines() if line.startswith(f"| {log} |")]
    log_format = row.split("`log_format = '")[1].split("'`")[0]
    deployment = Deployment(tmp_path, {"sources": {"web": {"log_format": log_format}}})
    file = tmp_path / "raw" / "web" / "access.log"
    file.parent.mkdir(parents=True)
    file.write_text("\n".join([*LOGS[log], ""]))
    found = try_file(file, folder=deployment.folder, source="web", has_sessions=False)
    assert found.facts["accepted_count"] == len(LOGS[log])
    columns = {field.column: field for field in found.fields}
    assert columns["page_url"].example == "//shop.example/p?q=a"
    assert {columns[name].filled_count for name in ("visitor_id", "event_name", "status_code")} == {len(LOGS[log])}
    assert found.other_fields["bytes"] == len(LOGS[log])


def test_hosts_without_scheme_in_w3c_logs_are_read_as_documented(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "sources" / "w3c.md").read_text(encoding="utf-8")
    [keys] = [tomllib.loads(block.code)["sources"]["web"] for block in blocks(page) if "cs-uri" in block.code]
    deployment = Deployment(tmp_path, {"sources": {"web": keys}})
    file = tmp_path / "raw" / "web" / "imperva.log"
    file.parent.mkdir(parents=True)
    names = "date time c-ip cs(User-Agent) cs-uri cs-method cs-uri-query sc-status"
    values = '"2026-05-04" "09:00:00" "192.0.2.7" "Mozilla/5.0 (X11)" "shop.example/p" "GET" "q=a" "200"'
    file.write_text(f"#Software: Incapsula LOGS API\n#Fields: {names}\n{values}\n")
    found = try_file(file, folder=deployment.folder, source="web", has_sessions=False)
    assert found.set_aside == []
    read = {field.column: field.example for field in found.fields}
    assert (read["event_name"], read["page_url"]) == ("page_view", "https://shop.example/p?q=a")
