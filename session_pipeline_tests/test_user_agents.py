"""Tests the classification of user agents: device, operating system, browser and bots."""

import os
import subprocess
import sys

import duckdb
import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from session_pipeline.reference.user_agents import classify, lists_fingerprint, user_agent_id
from session_pipeline.tables import TABLES

WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
CHROME = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {BLINK} Chrome/121.0.0.0 Safari/537.36"


def classified(user_agent: str) -> dict[str, object]:
    rows: list[dict[str, object]] = classify([user_agent]).to_pylist()
    assert len(rows) == 1
    return rows[0]


@pytest.mark.parametrize(
    ("user_agent", "device", "os", "browser"),
    [
        (CHROME, "desktop", "Windows", "Chrome"),
        (f"{CHROME} Edg/121.0.0.0", "desktop", "Windows", "Edge"),
        (
            f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/17.3 Safari/605.1.15",
            "desktop",
            "Mac OS X",
            "Safari",
        ),
        (
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:122.0) Gecko/20100101 Firefox/122.0",
            "desktop",
            "Ubuntu",
            "Firefox",
        ),
        (
            f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {BLINK} Chrome/121.0.0.0 Safari/537.36",  # codespell:ignore cros
            "desktop",
            "Chrome OS",
            "Chrome",
        ),
        ("Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; Tablet PC 2.0)", "desktop", "Windows", "IE"),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) {WEBKIT} Version/17.4 Mobile/15E148 Safari/604.1",
            "mobile",
            "iOS",
            "Mobile Safari",
        ),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) {WEBKIT} Mobile/15E148 [FBAN/FBIOS;FBAV/450.0]",
            "mobile",
            "iOS",
            "Facebook",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 10; K) {BLINK} Chrome/121.0.0.0 Mobile Safari/537.36",
            "mobile",
            "Android",
            "Chrome Mobile",
        ),
        ("Dalvik/2.1.0 (Linux; U; Android 13; SM-S908B Build/TP1A.220624.014)", "mobile", "Android", "Android"),
        ("Opera/9.80 (J2ME/MIDP; Opera Mini/7.1.32052/29.3709; U; en) Presto/2.8.119", "mobile", "Other", "Opera Mini"),
        ("MyShop/4.2 CFNetwork/1474 Darwin/23.0.0", "mobile", "iOS", "MyShop"),
        (
            f"Mozilla/5.0 (iPad; CPU OS 12_5_7 like Mac OS X) {WEBKIT} Version/12.1.2 Mobile/15E148 Safari/604.1",
            "tablet",
            "iOS",
            "Mobile Safari",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 12; SM-T970) {BLINK} Chrome/121.0.0.0 Safari/537.36",
            "tablet",
            "Android",
            "Chrome",
        ),
        ("Mozilla/5.0 (Android 13; Tablet; rv:109.0) Gecko/121.0 Firefox/121.0", "tablet", "Android", "Firefox Mobile"),
        (f"Mozilla/5.0 (Web0S; Linux/SmartTV) {BLINK} Chrome/79.0.3945.79 Safari/537.36", "tv", "Web0S", "Chrome"),
        (
            f"Mozilla/5.0 (Linux; Android 9; BRAVIA 4K UR2) {BLINK} Chrome/88.0.4324.152 Safari/537.36",
            "tv",
            "Android",
            "Chrome",
        ),
        ("AppleTV11,1/11.1", "tv", "ATV OS X", "Other"),
        ("NCSA_Mosaic/2.0 (Windows 3.1)", "desktop", "Windows", "NCSA Mosaic"),
        ("something of our own", "other", "Other", "Other"),
    ],
)
def test_people_are_classified_by_device_os_and_browser(user_agent: str, device: str, os: str, browser: str) -> None:
    row = classified(user_agent)
    assert (row["device"], row["os"], row["browser"]) == (device, os, browser)
    assert (row["is_bot"], row["bot_reason"]) == (False, None)


@pytest.mark.parametrize(
    ("user_agent", "reason"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "crawler list: Googlebot"),
        (
            f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) {BLINK} Chrome/121.0.6167.139 Mobile Safari/537.36 "
            "(compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "crawler list: Googlebot",
        ),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "crawler list: bingbot"),
        ("AdsBot-Google (+http://www.google.com/adsbot.html)", "crawler list: AdsBot-Google"),
        (f"Mozilla/5.0 {BLINK}; compatible; GPTBot/1.2; +https://openai.com/gptbot", "crawler list: GPTBot"),
        (
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "crawler list: facebookexternalhit",
        ),
        (
            f"Mozilla/5.0 (X11; Linux x86_64) {BLINK} HeadlessChrome/120.0.6099.28 Safari/537.36",
            "crawler list: HeadlessChrome",
        ),
        ("curl/8.4.0", "crawler list: curl"),
        ("python-requests/2.31.0", "crawler list: python-requests"),
        ("okhttp/4.9.3", "crawler list: okhttp"),
        ("UptimeRobot/2.0; http://www.uptimerobot.com/", "crawler list: UptimeRobot"),
        ("AcmeShopBot/0.1", "parser rules: AcmeShopBot"),
        ("Java/17.0.1", "parser rules: Java"),
    ],
)
def test_programs_are_bots_with_a_reason(user_agent: str, reason: str) -> None:
    row = classified(user_agent)
    assert (row["is_bot"], row["bot_reason"]) == (True, reason)


def test_every_example_of_the_crawler_list_is_a_bot() -> None:
    examples = {example for entry in CRAWLER_USER_AGENTS_DATA for example in entry["instances"]}
    assert len(examples) > 2_000
    people = {row["user_agent"] for row in classify(examples).to_pylist() if not row["is_bot"]}
    # Two entries are in-app browsers: the build number of Android 15 on many phones, and Facebook's.
    assert all("; wv)" in example and ("Instagram" in example or "MetaIAB" in example) for example in people)
    assert len(people) == 2


PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X)"
WEBVIEW = (
    f"Mozilla/5.0 (Linux; Android 15; CPH2557 Build/AP3A.240617.008; wv) {BLINK} Version/4.0 Chrome/142.0.7444.142"
)


@pytest.mark.parametrize(
    "user_agent",
    [
        f"{PHONE} {WEBKIT} Mobile/15E148 [FBAN/FBIOS;FBAV/450.0.0.38.108;FBDV/iPhone14,5]",
        f"{WEBVIEW} Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/450.0.0.35.109;]",
        f"{WEBVIEW} Mobile Safari/537.36 MetaIAB Facebook",
        f"{PHONE} {WEBKIT} Mobile/15E148 Instagram 320.0.2.24.109 (iPhone14,5; iOS 17_4; en_US)",
        f"{WEBVIEW} Mobile Safari/537.36 Instagram 406.0.0.58.159 Android (35/15; 480dpi; OPPO; IABMV/1)",
        f"{PHONE} {WEBKIT} Mobile/15E148 Safari Line/14.3.0",
        f"{PHONE} {WEBKIT} GSA/302.0.598978000 Mobile/15E148 Safari/604.1",
        f"{WEBVIEW} Mobile Safari/537.36 GSA/15.3.36.28.arm64",
        f"{PHONE} {WEBKIT} Mobile/15E148 [LinkedInApp]/9.29.4",
        f"{WEBVIEW} Mobile Safari/537.36 [Pinterest/Android]",
        f"{WEBVIEW} Mobile Safari/537.36 Viber/21.0",
        f"{PHONE} {WEBKIT} Mobile/15E148 WhatsApp/2.24",
        f"{PHONE} {WEBKIT} Mobile/15E148 MicroMessenger/8.0.47(0x18002f2c) NetType/WIFI",
        f"{PHONE} {WEBKIT} Mobile/15E148 Snapchat/12.76.0.36 (like Safari/8617.2.4.10.8, panda)",
        f"{WEBVIEW} Mobile Safari/537.36 BytedanceWebview/d8a21c6 trill_330204",
        f"{WEBVIEW} Mobile Safari/537.36 KAKAOTALK/10.5.6 (INAPP)",
    ],
)
def test_in_app_browsers_are_people(user_agent: str) -> None:
    assert not classified(user_agent)["is_bot"]


@pytest.mark.parametrize(
    ("user_agent", "found"),
    [
        ("UniversalFeedParser/5.2.1 +https://code.google.com/p/feedparser/", "FeedParser"),
        ("feedparser/6.0.10", "feedparser"),
        ("NetNewsWire (RSS Reader; https://netnewswire.com/)", "NetNewsWire"),
        ("Reeder/5.4 CFNetwork/1474 Darwin/23.0.0", "Reeder"),
        ("newsboat/2.21", "newsboat"),
        ("Mozilla/5.0 (compatible; some reader; 12 subscribers)", "12 subscribers"),
        ("Brozzler/1.5", "Brozzler"),
        ("perma.cc", "perma.cc"),
        ("AntennaPod/3.2", "AntennaPod"),
        ("PHP/5.2", "PHP"),
        ("Mozilla/5.0", "Mozilla/5.0"),
    ],
)
def test_feed_readers_and_archivers_are_bots_by_a_packaged_pattern(user_agent: str, found: str) -> None:
    assert classified(user_agent)["bot_reason"] == f"packaged pattern: {found}"


@pytest.mark.parametrize(
    ("user_agent", "found"),
    [
        ("ELB-HealthChecker/2.0", "HealthChecker"),
        ("Amazon-Route53-Health-Check-Service (ref 1; report https://example.com)", "Health-Check"),
        ("Consul Health Check", "Health Check"),
        ("Edge Health Probe", "Health Probe"),
        ("kube-probe/1.28", "kube-probe"),
        ("GoogleHC/1.0", "GoogleHC"),
        ("Azure Traffic Manager Endpoint Monitor", "Azure Traffic Manager"),
        ("Envoy/HC", "Envoy/HC"),
        ("AlwaysOn", "AlwaysOn"),
        ("Prometheus/2.45.0", "Prometheus"),
        (f"{CHROME} Datadog/Synthetics", "Synthetics"),
        ("Faraday v2.7.10", "Faraday"),
        ("fasthttp", "fasthttp"),
        ("PostmanRuntime/7.36.0", "PostmanRuntime"),
    ],
)
def test_health_checks_and_http_libraries_are_bots_by_a_packaged_pattern(user_agent: str, found: str) -> None:
    assert classified(user_agent)["bot_reason"] == f"packaged pattern: {found}"


def test_app_about_health_is_a_person() -> None:
    assert not classified("HealthCheckup/1.0 CFNetwork/1474 Darwin/23.0.0")["is_bot"]


def test_previews_by_apps_are_bots() -> None:
    for preview in ("WhatsApp/2.19.258 A", "Viber", f"{PHONE} {WEBKIT} Mobile/11A465 Twitterbot/1.0"):
        assert classified(preview)["is_bot"], preview


def test_phone_called_cubot_is_not_a_bot() -> None:
    cubot = f"Mozilla/5.0 (Linux; Android 9; CUBOT_P30) {BLINK} Chrome/96.0.4664.45 Mobile Safari/537.36"
    assert classified(cubot)["is_bot"] is False


def test_missing_user_agent_has_no_row() -> None:
    assert classify([None, "", "-", "  ", " - "]).num_rows == 0


def test_rows_are_distinct_sorted_and_follow_the_contract() -> None:
    agents = ["curl/8.4.0", CHROME, "Wget/1.21.3", CHROME]
    table = classify(agents)
    ids = table["user_agent_id"].to_pylist()
    assert len(ids) == 3
    assert ids == sorted(ids)
    assert table.schema == TABLES["user_agents"].schema
    assert table.equals(classify(reversed(agents)))


@pytest.mark.parametrize("user_agent", ["curl/8.4.0", " spaces kept ", "Ünïcödé ☃ 浏览器"])
def test_id_equals_md5_of_the_engine(user_agent: str) -> None:
    with duckdb.connect() as connection:
        assert connection.execute("select md5(?)", [user_agent]).fetchall() == [(user_agent_id(user_agent),)]


def test_very_long_user_agent_is_fast_and_cut() -> None:
    long = CHROME + " a(b;c/1" * 130_000
    hidden = long + " Googlebot/2.1"
    rows = {row["user_agent"]: row for row in classify([long, hidden, "(" * 1_000_000]).to_pylist()}
    assert rows[long]["browser"] == "Chrome"
    assert rows[hidden]["is_bot"] is False
    assert len(rows) == 3


@pytest.mark.parametrize(
    "environment",
    [{"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"}],
    ids=["ASCII locale", "hash seed 1", "hash seed 2"],
)
def test_fingerprint_is_the_same_in_every_process(environment: dict[str, str]) -> None:
    program = "from session_pipeline.reference.user_agents import lists_fingerprint; print(lists_fingerprint())"
    printed = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **environment}, check=True, capture_output=True, text=True
    )
    assert printed.stdout.strip() == lists_fingerprint()
    assert len(lists_fingerprint()) == 64
