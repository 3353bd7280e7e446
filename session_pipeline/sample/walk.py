"""Simulates one person's walk through the shop and generates its events.

Defines the events of each step of a walk. ways.py defines which steps follow each other; visits.py starts the walks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from session_pipeline.sample import shop
from session_pipeline.sample.faults import Fault
from session_pipeline.sample.odds import Odds, skewed
from session_pipeline.sample.times import DAY, MINUTE, SECOND, day_number
from session_pipeline.sample.visitors import Visitor
from session_pipeline.sample.ways import DETOURS, LEAVE, WAYS

Values = Mapping[str, str | int]

_HEARTBEAT = 5 * SECOND
_MOST_HEARTBEATS = 4
_MOST_STEPS = 60
_NEEDS_CART = {"checkout", "remove"}
_NONE: Values = {}


@dataclass(slots=True)
class Event:
    """An event as it happens in the browser. `number` counts the visitor's events from 1."""

    number: int
    time: int
    name: str
    page: shop.Page
    user_id: str | None = None
    fields: Values = field(default_factory=dict)
    properties: Values = field(default_factory=dict)
    value_cents: int | None = None


class Walk:
    """A visit in progress: its time, its page, and its events so far."""

    def __init__(
        self,
        chance: Random,
        visitor: Visitor,
        start: int,
        source: shop.Source,
        planted_pauses: list[int],
        faults: Sequence[Fault],
    ) -> None:
        """Start a walk. All walks share `planted_pauses`; the next pause of any walk takes one of them.

        Of the faults, those that the visitor meets on the day of the start apply.
        """
        self._chance = chance
        self._visitor = visitor
        self._time = start
        self._source = source
        self._planted_pauses = planted_pauses
        met = ("all", visitor.device, visitor.variant)
        self._faults = [
            fault for fault in faults if fault.segment in met and day_number(fault.first_day) <= start // DAY
        ]
        self._page = shop.HOME
        self._category = shop.CATEGORY_ODDS.draw(chance)
        self._product = shop.PRODUCT_ODDS[self._category].draw(chance)
        self._term: str | None = None
        self._events: list[Event] = []

    def follow(self, intent: str, step: str) -> list[Event]:
        """Walk to the end and return the events in order: at least one; the first is a page view."""
        way = WAYS[intent]
        for _ in range(_MOST_STEPS):
            if step == LEAVE or (step in _NEEDS_CART and not self._visitor.cart):
                break
            getattr(self, f"_{step}")()
            next_step = (self._detour(step) or way[step]).draw(self._chance)
            step = LEAVE if self._is_stopped(step, next_step) else next_step
        return self._events

    def _is_stopped(self, step: str, next_step: str) -> bool:
        return any(
            (fault.step, fault.next_step) == (step, next_step) and self._chance.random() < fault.drop
            for fault in self._faults
        )

    def _detour(self, step: str) -> Odds[str] | None:
        visitor = self._visitor
        return DETOURS.get((visitor.device, step)) or DETOURS.get((visitor.variant, step))

    # One method per step, with the step's name in `ways`.

    def _home(self) -> None:
        self._open(shop.HOME)
        self._perhaps_click("hero-banner", 0.1)

    def _browse(self) -> None:
        self._category = shop.CATEGORY_ODDS.draw(self._chance)
        self._open(shop.CATEGORIES[self._category])
        self._perhaps_click("filter-price", 0.14)

    def _search(self) -> None:
        if self._term is None or self._chance.random() < 0.5:
            self._term = shop.SEARCH_TERMS.draw(self._chance)
        self._happen("search", self._thought(), {"search_term": self._term})
        self._open(shop.search_results(self._term), self._moment())

    def _look(self) -> None:
        self._product = shop.PRODUCT_ODDS[self._category].draw(self._chance)
        properties = {"product_id": self._product.product_id}
        self._open(self._product.page, properties=properties)
        if self._chance.random() < 0.01:
            self._happen("error", self._moment(), {"status_code": 404, "element": "product-image"})
        for _ in range(skewed(self._chance, 0, _MOST_HEARTBEATS)):
            self._happen("page_ping", _HEARTBEAT, properties=properties)
        self._perhaps_click("gallery-next", 0.2)

    def _add(self) -> None:
        quantity = 1 + skewed(self._chance, 0, 4)
        self._happen("click", self._thought(), {"element": "add-to-cart"})
        item = _item(self._product, quantity)
        self._happen("add_to_cart", self._moment_or_none(), properties=item)
        self._visitor.cart.append((self._product, quantity))

    def _cart(self) -> None:
        self._open(shop.CART)

    def _remove(self) -> None:
        item = _item(*self._visitor.cart.pop())
        self._happen("remove_from_cart", self._thought(), {"element": "remove"}, item)

    def _checkout(self) -> None:
        self._happen("begin_checkout", self._thought())
        self._open(shop.SHIPPING, self._moment_or_none())

    def _shipping_error(self) -> None:
        self._happen("error", self._thought(), {"status_code": 422, "element": "shipping-form"})

    def _payment(self) -> None:
        if self._page is not shop.PAYMENT:
            self._open(shop.PAYMENT)
        self._happen("add_payment_info", self._thought(), {"element": "payment-form"})

    def _payment_error(self) -> None:
        self._happen("error", self._moment(), {"status_code": 502, "element": "payment-form"})

    def _purchase(self) -> None:
        cart = self._visitor.cart
        properties = {"order_lines": len(cart), "quantity": sum(quantity for _, quantity in cart)}
        cents = sum(product.price_cents * quantity for product, quantity in cart)
        self._happen("purchase", self._thought(), properties=properties, value_cents=cents)
        cart.clear()
        self._open(shop.THANKS, self._moment_or_none())

    def _help(self) -> None:
        self._open(shop.HELP.draw(self._chance))

    def _contact(self) -> None:
        self._open(shop.CONTACT)

    def _contact_error(self) -> None:
        self._happen("error", self._thought(), {"status_code": 422, "element": "contact-form"})

    def _send(self) -> None:
        topic = shop.TOPICS.draw(self._chance)
        self._happen("contact", self._thought(), properties={"topic": topic})
        self._open(shop.CONTACT_THANKS, self._moment())

    def _account(self) -> None:
        self._open(shop.ACCOUNT)

    def _sign_up(self) -> None:
        self._identify("log_in" if self._visitor.user_id else "sign_up")

    def _log_in(self) -> None:
        self._identify("log_in")

    # Parts of steps.

    def _identify(self, name: str) -> None:
        self._visitor.user_id = self._visitor.account
        self._happen(name, self._thought())

    def _perhaps_click(self, element: str, probability: float) -> None:
        if self._chance.random() < probability:
            self._happen("click", self._thought(), {"element": element})

    def _open(self, page: shop.Page, after: int | None = None, properties: Values = _NONE) -> None:
        if self._events:
            referrer: str | None = self._page.url
            after = self._thought() if after is None else after
        else:
            referrer = self._source.referrer
            page = self._landing(page)
            after = 0
        self._page = page
        self._happen("page_view", after, {"referrer": referrer} if referrer else _NONE, properties)

    def _landing(self, page: shop.Page) -> shop.Page:
        parameters = self._source.parameters
        if self._source.has_click_id:
            parameters += (("gclid", f"{self._chance.getrandbits(64):016x}"),)
        return replace(page, parameters=parameters) if parameters else page

    def _happen(
        self,
        name: str,
        after: int,
        fields: Values = _NONE,
        properties: Values = _NONE,
        value_cents: int | None = None,
    ) -> None:
        self._time += after
        number = self._visitor.count_event(self._time)
        user_id = self._visitor.user_id
        self._events.append(Event(number, self._time, name, self._page, user_id, fields, properties, value_cents))

    def _thought(self) -> int:
        """Draw a person's pause: mostly seconds, sometimes long enough to almost end the session."""
        if self._planted_pauses:
            return self._planted_pauses.pop()
        if self._chance.random() < 0.02:
            return skewed(self._chance, 3 * MINUTE, 29 * MINUTE)
        return skewed(self._chance, 2 * SECOND, 2 * MINUTE)

    def _moment(self) -> int:
        """Draw the response time of a machine."""
        return skewed(self._chance, 80, 900)

    def _moment_or_none(self) -> int:
        """Draw a response time that is often zero, because trackers often give an action and its result equal times."""
        return 0 if self._chance.random() < 0.4 else self._moment()


def _item(product: shop.Product, quantity: int) -> Values:
    return {"product_id": product.product_id, "quantity": quantity}
