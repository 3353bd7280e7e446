"""Describes the shop of the sample as data: pages, products, referring links, devices, and their probabilities.

visitors.py decides who visits when; walk.py decides what a visitor does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from session_pipeline.sample.odds import Odds

HOST = "https://shop.example"
CURRENCY = "EUR"

Parameters = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the shop. `parameters` are the query parameters of its URL."""

    path: str
    title: str
    parameters: Parameters = ()

    @property
    def url(self) -> str:
        """The full URL."""
        query = f"?{urlencode(self.parameters)}" if self.parameters else ""
        return f"{HOST}{self.path}{query}"


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the shop."""

    product_id: str
    price_cents: int
    page: Page


@dataclass(frozen=True, slots=True)
class Source:
    """The origin of a visit: the referring page, and the query parameters that its link adds to the URL."""

    referrer: str | None
    parameters: Parameters = ()
    has_click_id: bool = False


def _page(path: str, title: str) -> Page:
    return Page(path, f"{title} | Hearth & Table")


def search_results(term: str) -> Page:
    """Return the result page of a search."""
    return Page("/search", "Search | Hearth & Table", (("q", term),))


HOME = _page("/", "Good things for kitchen and home")
CART = _page("/cart", "Your cart")
SHIPPING = _page("/checkout/shipping", "Shipping")
PAYMENT = _page("/checkout/payment", "Payment")
THANKS = _page("/checkout/thanks", "Thank you for your order")
CONTACT = _page("/contact", "Contact us")
CONTACT_THANKS = _page("/contact/thanks", "We have your message")
ACCOUNT = _page("/account", "Your account")
HELP = Odds(
    {
        _page("/help/returns", "Returns"): 40,
        _page("/help/delivery", "Delivery"): 35,
        _page("/help/warranty", "Warranty"): 15,
        _page("/help/care", "Care and cleaning"): 10,
    }
)

_GOODS = {
    "knives": ("Chef Knife", "Bread Knife", "Paring Knife", "Sharpener", "Knife Block"),
    "pans": ("Frying Pan", "Sauce Pan", "Wok", "Grill Pan", "Lid"),
    "bakeware": ("Loaf Tin", "Mixing Bowl", "Whisk", "Cake Ring", "Rolling Pin"),
    "tableware": ("Dinner Plate", "Soup Bowl", "Mug", "Carafe", "Salad Bowl"),
    "coffee": ("Coffee Grinder", "French Press", "Kettle", "Filter Holder", "Milk Jug"),
    "textiles": ("Apron", "Tea Towel", "Table Runner", "Oven Glove", "Napkin Set"),
    "storage": ("Bread Bin", "Spice Rack", "Jar", "Lunch Box", "Bottle"),
    "lighting": ("Table Lamp", "Candle Holder", "Lantern", "Pendant", "Wall Light"),
}
_FINISHES = ("Oak", "Steel", "Slate")

CATEGORIES = {name: _page(f"/category/{name}", name.title()) for name in _GOODS}


def _products() -> dict[str, tuple[Product, ...]]:
    """Return fifteen products per category. Names, ids and prices follow from the position in the category."""
    products: dict[str, tuple[Product, ...]] = {}
    for shelf, (category, nouns) in enumerate(_GOODS.items(), start=1):
        names = [f"{noun} {finish}" for noun in nouns for finish in _FINISHES]
        products[category] = tuple(
            Product(
                product_id=f"p{shelf}{number:02}",
                price_cents=(4 + (shelf * 37 + number * 53) % 90) * 100 + (90, 50, 95)[number % 3],
                page=_page(f"/product/{name.lower().replace(' ', '-')}-{shelf}{number:02}", name),
            )
            for number, name in enumerate(names, start=1)
        )
    return products


PRODUCTS = _products()

CATEGORY_ODDS = Odds({category: 20 - 2 * shelf for shelf, category in enumerate(CATEGORIES)})
PRODUCT_ODDS = {
    category: Odds({product: 20 - place for place, product in enumerate(products)})
    for category, products in PRODUCTS.items()
}
SEARCH_TERMS = Odds(
    {
        "chef knife": 14,
        "wok": 10,
        "french press": 9,
        "gift": 9,
        "käsemesser": 6,
        "apron": 5,
        "50% sale": 4,
        "jar 1 l": 4,
    }
)
TOPICS = Odds({"delivery": 40, "return": 30, "product": 20, "other": 10})

_GOOGLE = "https://www.google.com/"
_INSTAGRAM = "https://l.instagram.com/"
_BLOG = "https://blog.goodkitchen.example/best-knives"


def _campaign(source: str, medium: str, campaign: str) -> Parameters:
    return (("utm_source", source), ("utm_medium", medium), ("utm_campaign", campaign))


SOURCES = Odds(
    {
        Source(None): 32,
        Source(_GOOGLE): 34,
        Source("https://www.bing.com/"): 7,
        Source("https://duckduckgo.com/"): 5,
        Source("https://l.facebook.com/"): 6,
        Source(_INSTAGRAM): 8,
        Source(_BLOG): 8,
    }
)
CAMPAIGN_SOURCES = Odds(
    {
        Source(_GOOGLE, _campaign("google", "cpc", "brand"), has_click_id=True): 35,
        Source(None, _campaign("newsletter", "email", "autumn-sale")): 35,
        Source(_INSTAGRAM, _campaign("instagram", "paid_social", "autumn-sale")): 20,
        Source(_BLOG, _campaign("goodkitchen", "affiliate", "knives")): 10,
    }
)

USER_AGENTS: Mapping[str, Odds[str]] = {
    "desktop": Odds(
        {
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/129.0.0.0 Safari/537.36": 50,
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/17.6 Safari/605.1.15": 22,
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/129.0.0.0 Safari/537.36 Edg/129.0.0.0": 15,
            "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0": 13,
        }
    ),
    "phone": Odds(
        {
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1": 45,
            "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/129.0.0.0 Mobile Safari/537.36": 40,
            "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) "
            "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36": 15,
        }
    ),
    "tablet": Odds(
        {
            "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1": 70,
            "Mozilla/5.0 (Linux; Android 13; SM-X710) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/129.0.0.0 Safari/537.36": 30,
        }
    ),
}
DEVICES = Odds({"desktop": 44, "phone": 48, "tablet": 8})

CRAWLERS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
)
MONITOR = "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)"
