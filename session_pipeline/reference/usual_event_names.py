"""Knows usual names of events in shops and trackers, and what the packaged outcomes, goals and funnels call them.

A short list of names that leave little doubt. Names of a packaged preset are in that preset.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class _Usual:
    """Names of one event, as their letters in lower case.

    Attributes:
        packaged: The names that the packaged rules know, as they are written.
        sure: Names that mean the event.
        likely: Names that mean it if no surer name occurs, such as `view`, which shops use for the page of a product.
    """

    packaged: tuple[str, ...]
    sure: frozenset[str]
    likely: frozenset[str] = frozenset()


_USUAL = (
    _Usual(
        ("page_view",),
        frozenset(("page", "pageview", "pageviewed", "pagevisit", "viewpage", "viewedpage", "screenview")),
        frozenset(("view", "views")),
    ),
    _Usual(("search",), frozenset(("search", "searched", "sitesearch", "productsearch", "productssearched"))),
    _Usual(
        ("add_to_cart",),
        frozenset(("addtocart", "addedtocart", "cartadd", "addtobasket", "addtobag", "productadded")),
        frozenset(("cart", "carts", "basket")),
    ),
    _Usual(
        ("begin_checkout", "checkout_started"),
        frozenset(("begincheckout", "checkoutstarted", "checkoutstart", "startcheckout", "initiatecheckout")),
        frozenset(("checkout",)),
    ),
    _Usual(
        ("purchase", "order_completed", "checkout_completed"),
        frozenset(("purchase", "purchased", "ordercompleted", "orderplaced", "placeorder", "checkoutcompleted")),
        frozenset(("transaction", "transactions", "order", "orders", "buy")),
    ),
    _Usual(("sign_up",), frozenset(("signup", "signedup", "register", "registered"))),
)


PACKAGED_NAMES = frozenset(name for usual in _USUAL for name in usual.packaged)  # that the packaged rules know


def usual_event_names(names: Iterable[str]) -> Mapping[str, str]:
    """Return the packaged name of each event that has another usual name.

    An event is left out if its packaged name occurs as well.
    """
    letters = {name: "".join(filter(str.isalpha, name.lower())) for name in sorted(names)}
    found: dict[str, str] = {}
    for usual in _USUAL:
        if letters.keys() & set(usual.packaged):
            continue
        sure = [name for name in letters if letters[name] in usual.sure]
        likely = [name for name in letters if letters[name] in usual.likely]
        found |= dict.fromkeys(sure or likely, usual.packaged[0])
    return found
