import re
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import duckdb

from session_pipeline.reference import channels as channels_module
from session_pipeline.reference.channels import TABLE_NAMES, channel_tables, channels
from session_pipeline.tables import models

COLUMNS = ("utm_source", "utm_medium", "utm_campaign", "click_id_type", "referrer_host", "page_host")
PAGE = "www.shop.example"


def channels_of(*landings: dict[str, str | None]) -> list[str]:
    """Run the model and return a channel per landing. Omitted columns are null; page_host defaults to PAGE."""
    with duckdb.connect() as connection:
        for name, table in channel_tables().items():
            connection.register(name, table.to_arrow())
        columns = ", ".join(f"{column} varchar" for column in COLUMNS)
        connection.execute(f"create table landings (session_id varchar, {columns})")
        connection.executemany(
            "insert into landings values (?, ?, ?, ?, ?, ?, ?)",
            [
                [f"{number:03}", *({"page_host": PAGE, **landing}.get(column) for column in COLUMNS)]
                for number, landing in enumerate(landings)
            ],
        )
        rows = connection.execute(f"{models.text('session_channels')} order by session_id").fetchall()
    assert [session_id for session_id, _ in rows] == [f"{number:03}" for number in range(len(landings))]
    return [channel for _, channel in rows]


def as_found(columns: Sequence[str], expected: Sequence[tuple[str | None, ...]]) -> list[tuple[str | None, ...]]:
    """Return the expected rows with the channel (their last value) replaced by that of the model.

    All rows run in one query, because one engine and query per row would take most of the time.
    """
    found = channels_of(*(dict(zip(columns, row, strict=False)) for row in expected))
    return [(*row[:-1], channel) for row, channel in zip(expected, found, strict=True)]


def channel_of(**landing: str | None) -> str:
    (channel,) = channels_of(landing)
    return channel


REFERRERS: list[tuple[str | None, ...]] = [
    (None, "direct"),
    ("www.google.com", "organic_search"),
    ("www.google.de", "organic_search"),
    ("www.google.co.uk", "organic_search"),
    ("google.com.br", "organic_search"),
    ("com.google.android.googlequicksearchbox", "organic_search"),
    ("www.bing.com", "organic_search"),
    ("duckduckgo.com", "organic_search"),
    ("de.search.yahoo.com", "organic_search"),
    ("search.yahoo.co.jp", "organic_search"),
    ("yandex.ru", "organic_search"),
    ("m.baidu.com", "organic_search"),
    ("l.facebook.com", "organic_social"),
    ("lm.facebook.com", "organic_social"),
    ("l.instagram.com", "organic_social"),
    ("t.co", "organic_social"),
    ("www.linkedin.com", "organic_social"),
    ("com.linkedin.android", "organic_social"),
    ("out.reddit.com", "organic_social"),
    ("www.pinterest.co.uk", "organic_social"),
    ("tieba.baidu.com", "organic_social"),
    ("m.youtube.com", "organic_video"),
    ("youtu.be", "organic_video"),
    ("www.amazon.de", "organic_shopping"),
    ("shopping.google.com", "organic_shopping"),
    ("mail.google.com", "email"),
    ("com.google.android.gm", "email"),
    ("mail.yahoo.co.jp", "email"),
    ("outlook.live.com", "email"),
    ("chatgpt.com", "ai_assistant"),
    ("www.perplexity.ai", "ai_assistant"),
    ("gemini.google.com", "ai_assistant"),
    ("copilot.microsoft.com", "ai_assistant"),
    ("www.google.com.hk", "organic_search"),
    ("images.google.de", "organic_search"),
    ("news.google.com", "organic_search"),
    ("m.search.naver.com", "organic_search"),
    ("uk.search.yahoo.com", "organic_search"),
    ("www.yahoo.co.jp", "organic_search"),
    ("cn.bing.com", "organic_search"),
    ("suche.aol.de", "organic_search"),
    ("yandex.com.tr", "organic_search"),
    ("sites.google.com", "organic_social"),
    ("chiebukuro.yahoo.co.jp", "organic_social"),
    ("m.kin.naver.com", "organic_social"),
    ("blog.goo.ne.jp", "organic_social"),
    ("www.nicovideo.jp", "organic_social"),
    ("www.flickr.com", "organic_social"),
    ("wordpress.com", "organic_social"),
    ("somebody.wordpress.com", "referral"),
    ("webmail.aol.com", "email"),
    ("mail.rambler.ru", "email"),
    ("notebooklm.google.com", "ai_assistant"),
    ("yiyan.baidu.com", "ai_assistant"),
    ("www.phind.com", "ai_assistant"),
    ("docs.google.com", "referral"),
    ("tagassistant.google.com", "referral"),
    ("ads.google.com", "referral"),
    ("disk.yandex.ru", "referral"),
    ("pan.baidu.com", "referral"),
    ("finance.yahoo.com", "referral"),
    ("sellercentral.amazon.com", "referral"),
    ("console.aws.amazon.com", "referral"),
    ("notgoogle.com", "referral"),
    ("google.com.evil.example", "referral"),
    ("google.xyz", "referral"),
    ("xn--bcher-kva.example", "referral"),
    ("198.51.100.7", "referral"),
]


def test_channel_from_referrer_alone() -> None:
    assert as_found(("referrer_host",), REFERRERS) == REFERRERS


def test_names_of_googles_list_have_the_class_that_it_gives() -> None:
    lists = tomllib.loads(files(channels_module.__package__).joinpath("google_sources.toml").read_text())
    names = [(name, f"organic_{name_class}") for name_class, names in lists.items() for name in names]
    assert len(names) > 600
    assert as_found(("utm_source",), names) == names
    hosts: list[tuple[str, str]] = [(f"m.{name}", channel) for name, channel in names if "." in name]
    assert as_found(("referrer_host",), hosts) == hosts


REFERRERS_AND_PAGES: list[tuple[str | None, ...]] = [
    ("www.shop.example", "www.shop.example", "direct"),
    ("blog.shop.example", "www.shop.example", "direct"),
    ("shop.example", "www.shop.example", "direct"),
    ("blog.shop.co.uk", "www.shop.co.uk", "direct"),
    ("localhost", "localhost", "direct"),
    ("10.0.0.1", "10.0.0.1", "direct"),
    ("www.google.com", "shopping.google.com", "direct"),
    ("other.co.uk", "shop.co.uk", "referral"),
    ("other.com.au", "www.shop.com.au", "referral"),
    ("www.govt.nz", "www.health.govt.nz", "referral"),
    ("b.gv.at", "a.gv.at", "referral"),
    ("www.a.gv.at", "a.gv.at", "direct"),
    ("other.github.io", "mine.github.io", "referral"),
    ("www.mine.myshopify.com", "mine.myshopify.com", "direct"),
    ("www.wordpress.com", "mine.wordpress.com", "organic_social"),
    ("10.0.0.1", "192.168.0.1", "referral"),
    ("other.example", None, "referral"),
]


def test_referrer_of_the_same_domain_is_direct() -> None:
    assert as_found(("referrer_host", "page_host"), REFERRERS_AND_PAGES) == REFERRERS_AND_PAGES


TAGS: list[tuple[str | None, ...]] = [
    ("google", "cpc", "brand", "paid_search"),
    ("Google", " CPC ", None, "paid_search"),
    ("bing", "ppc", None, "paid_search"),
    ("google", "organic", None, "organic_search"),
    ("google", None, None, "organic_search"),
    ("facebook", "paid_social", None, "paid_social"),
    ("ig", "cpm", None, "paid_social"),
    ("instagram", "social", None, "organic_social"),
    ("somewhere", "social-media", None, "organic_social"),
    ("youtube", "cpv", None, "paid_video"),
    ("youtube", "paid", None, "paid_video"),
    ("amazon", "cpc", None, "paid_shopping"),
    ("google", "cpc", "spring-shopping", "paid_shopping"),
    ("newsletter", "email", "eshop", "organic_shopping"),
    ("newsletter", "email", "workshop", "email"),
    ("google", "cpc", "Cross-network", "cross_network"),
    ("adnetwork", "display", None, "display"),
    ("adnetwork", "cpm", None, "display"),
    ("adnetwork", "banner", None, "display"),
    ("adnetwork", "cpc", None, "paid_other"),
    ("adnetwork", "retargeting", None, "paid_other"),
    ("newsletter", "email", None, "email"),
    ("email", None, None, "email"),
    ("partner", "affiliate", None, "affiliates"),
    ("partner", "referral", None, "referral"),
    ("podcast", "audio", None, "audio"),
    ("sms", None, None, "sms"),
    ("crm", "sms", None, "sms"),
    ("firebase", None, None, "mobile_push_notifications"),
    ("crm", "web-push", None, "mobile_push_notifications"),
    ("chatgpt.com", None, None, "ai_assistant"),
    ("claude.ai", "ai-assistant", None, "ai_assistant"),
    ("partner", None, None, "unassigned"),
    ("partner", "flyer", "spring", "unassigned"),
    (None, "cpc", None, "paid_other"),
    (None, "email", None, "email"),
    (None, "flyer", None, "unassigned"),
    (None, None, "spring", "unassigned"),
    ("(direct)", "(none)", "(not set)", "direct"),
    ("", " ", "", "direct"),
    (" ", "", "  ", "direct"),
    ("com.google.android.youtube", None, None, "organic_video"),
    ("Google Shopping", None, None, "organic_shopping"),
    ("blogger", None, None, "organic_social"),
    ("adwords", None, None, "paid_search"),
    ("Google-Ads", "Brand 2026", None, "paid_search"),
    ("fb-ads", None, None, "paid_social"),
    ("yt-ads", None, None, "paid_video"),
    ("adwords", None, "shopping", "paid_shopping"),
    ("adwords", "display", None, "display"),
    # The unit test of dbt-ga4 for the rules of Google Analytics.
    ("(direct)", "(not set)", None, "direct"),
    ("some-source", "some-medium", "some-cross-network-campaign", "cross_network"),
    ("alibaba", "retargeting", None, "paid_shopping"),
    ("some-source", "retargeting", "shopping", "paid_shopping"),
    ("facebook", "retargeting", None, "paid_social"),
    ("youtube.com", "paid-something", None, "paid_video"),
    ("youtube.com", "display", None, "display"),
    ("Google Shopping", None, None, "organic_shopping"),
    ("some-source", None, "some-shopping-campaign", "organic_shopping"),
    ("some-source", None, "bookshop", "unassigned"),
    ("some-source", "video", None, "organic_video"),
    ("some-source", "organic", None, "organic_search"),
    ("some-source", "app", None, "referral"),
    ("some-source", "link", None, "referral"),
    (None, "e mail", None, "email"),
    ("some-source", "something-push", None, "mobile_push_notifications"),
    ("some-source", "mobile-notification", None, "mobile_push_notifications"),
]


def test_channel_from_utm_tags() -> None:
    assert as_found(("utm_source", "utm_medium", "utm_campaign"), TAGS) == TAGS


def test_each_landing_has_its_own_channel() -> None:
    landings = [
        {"utm_source": "newsletter", "utm_medium": "email"},
        {"utm_source": "crm", "utm_medium": "sms"},
        {"utm_source": "google", "utm_medium": "cpc"},
        {"referrer_host": "www.facebook.com"},
        {},
    ]
    assert channels_of(*landings) == ["email", "sms", "paid_search", "organic_social", "direct"]


def test_utm_tags_take_precedence_over_referrer() -> None:
    assert channel_of(utm_source="newsletter", utm_medium="email", referrer_host="www.google.com") == "email"
    assert channel_of(utm_source="partner", referrer_host="www.google.com") == "unassigned"
    assert channel_of(utm_medium="cpc", referrer_host="www.google.com") == "paid_search"
    assert channel_of(utm_medium="flyer", referrer_host="news.example") == "unassigned"


CLICKS: list[tuple[dict[str, str | None], str]] = [
    ({"click_id_type": "gclid"}, "paid_search"),
    ({"click_id_type": "gclid", "referrer_host": "www.google.com"}, "paid_search"),
    ({"click_id_type": "gclid", "referrer_host": "news.example"}, "paid_search"),
    ({"click_id_type": "gclid", "referrer_host": "www.youtube.com"}, "paid_video"),
    ({"click_id_type": "gclid", "referrer_host": "www.facebook.com"}, "paid_search"),
    ({"click_id_type": "gclid", "referrer_host": "mail.google.com"}, "paid_search"),
    ({"click_id_type": "gclid", "referrer_host": "chatgpt.com"}, "paid_search"),
    ({"click_id_type": "gclid", "referrer_host": "www.amazon.com"}, "paid_search"),
    ({"click_id_type": "msclkid", "referrer_host": "outlook.live.com"}, "paid_search"),
    ({"click_id_type": "msclkid", "referrer_host": "www.youtube.com"}, "paid_search"),
    ({"click_id_type": "li_fat_id", "referrer_host": "www.google.com"}, "paid_social"),
    ({"click_id_type": "fbclid", "referrer_host": "www.google.com"}, "organic_search"),
    ({"click_id_type": "dclid", "referrer_host": "www.google.com"}, "display"),
    ({"click_id_type": "gclid", "referrer_host": "mail.google.com", "utm_medium": "email"}, "email"),
    ({"click_id_type": "gclid", "referrer_host": "www.facebook.com", "utm_medium": "cpc"}, "paid_search"),
    ({"click_id_type": "gclid", "referrer_host": "www.facebook.com", "utm_source": "fb"}, "paid_social"),
    ({"click_id_type": "msclkid", "utm_source": "bing", "utm_medium": "Brand 2026"}, "paid_search"),
    ({"click_id_type": "gclid", "utm_source": "newsletter", "utm_medium": "email"}, "email"),
    ({"click_id_type": "fbclid", "utm_source": "newsletter", "utm_medium": "email"}, "email"),
    ({"click_id_type": "gclid", "utm_source": "partner"}, "paid_other"),
    ({"click_id_type": "dclid"}, "display"),
    ({"click_id_type": "ttclid"}, "paid_social"),
    ({"click_id_type": "fbclid"}, "organic_social"),
    ({"click_id_type": "fbclid", "utm_source": "fb", "utm_medium": "paid"}, "paid_social"),
    ({"click_id_type": "unheard_of"}, "direct"),
]


def test_channel_from_click_id() -> None:
    found = channels_of(*(landing for landing, _ in CLICKS))
    assert [(landing, channel) for (landing, _), channel in zip(CLICKS, found, strict=True)] == CLICKS


def test_equal_landings_keep_one_row_each() -> None:
    assert channels_of(
        {"referrer_host": "www.google.de"},
        {"referrer_host": "www.google.de"},
        {"utm_source": "google", "utm_medium": "cpc"},
        {},
    ) == ["organic_search", "organic_search", "paid_search", "direct"]


def rows(name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = [dict(row) for row in channel_tables()[name].rows]
    return entries


def test_sources_and_click_ids_are_unique() -> None:
    for name, key in (("channel_sources", "source"), ("channel_click_ids", "click_id_type")):
        entries = [row[key].removeprefix("www.") for row in rows(name)]
        assert len(entries) == len(set(entries)), name
        assert all(entry == entry.lower().strip() for entry in entries), name


def test_listed_hosts_have_a_form_the_model_looks_up() -> None:
    hosts = [row["source"] for row in rows("channel_sources") if "." in row["source"]]
    with_subdomains = r"([a-z0-9-]+\.){1,3}[a-z]+|([a-z0-9-]+\.){1,2}\*"
    alone = r"www\.([a-z0-9-]+\.)+([a-z]+|\*)"
    assert [host for host in hosts if not re.fullmatch(f"{with_subdomains}|{alone}", host)] == []
    suffixes = [row["suffix"] for row in rows("shared_suffixes")]
    assert [suffix for suffix in suffixes if not re.fullmatch(r"[a-z0-9-]+\.[a-z]+", suffix)] == []


def test_every_class_combination_has_one_channel() -> None:
    decisions = rows("channel_rules")
    combinations = {(row["source_class"], row["medium_class"], row["campaign_class"]) for row in decisions}
    assert len(combinations) == len(decisions)
    for name, column in (
        ("channel_sources", "source_class"),
        ("channel_sources", "medium_class"),
        ("channel_mediums", "medium_class"),
        ("channel_click_ids", "source_class"),
        ("channel_click_ids", "medium_class"),
        ("channel_click_ids", "excepted_class"),
    ):
        known = {row[column.replace("excepted", "source")] for row in decisions}
        assert {row[column] for row in rows(name)} - {None} <= known
    assert set(channels()) == {row["channel"] for row in decisions}, "a rule that never decides"


def test_values_that_other_modules_use() -> None:
    assert channels()[0] == "direct"


def test_tables_match_their_names() -> None:
    assert tuple(channel_tables()) == TABLE_NAMES
