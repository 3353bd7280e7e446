"""Defines the ways through the shop by the visitor's intent: for each step, the probabilities of the next steps.

walk.py defines what happens in a step.
"""

from collections.abc import Mapping

from session_pipeline.sample.odds import Odds

LEAVE = "leave"

FIRST_INTENTS = Odds({"bounce": 53, "research": 31, "buy": 9, "ask": 7})
LATER_INTENTS = Odds({"bounce": 40, "research": 31, "buy": 21, "ask": 8})

LANDINGS: Mapping[str, Odds[str]] = {
    "bounce": Odds({"look": 45, "browse": 25, "home": 25, "help": 5}),
    "research": Odds({"look": 40, "browse": 30, "home": 28, "help": 2}),
    "buy": Odds({"look": 40, "browse": 25, "home": 35}),
    "ask": Odds({"help": 45, "home": 35, "account": 20}),
}

WAYS: Mapping[str, Mapping[str, Odds[str]]] = {
    "bounce": {
        "home": Odds({LEAVE: 93, "browse": 7}),
        "browse": Odds({LEAVE: 94, "look": 6}),
        "look": Odds({LEAVE: 95, "browse": 5}),
        "help": Odds({LEAVE: 1}),
    },
    "research": {
        "home": Odds({"browse": 45, "search": 20, "look": 15, "account": 7, "help": 3, LEAVE: 10}),
        "browse": Odds({"look": 55, "browse": 17, "search": 8, LEAVE: 20}),
        "search": Odds({"look": 50, "search": 28, "browse": 8, LEAVE: 14}),
        "look": Odds({"look": 28, "browse": 22, "search": 12, "add": 5, "account": 5, LEAVE: 28}),
        "add": Odds({"cart": 30, "look": 30, LEAVE: 40}),
        "cart": Odds({"remove": 25, "look": 25, LEAVE: 50}),
        "remove": Odds({"browse": 40, LEAVE: 60}),
        "help": Odds({"look": 30, "browse": 20, "contact": 8, LEAVE: 42}),
        "contact": Odds({"send": 30, LEAVE: 70}),
        "send": Odds({LEAVE: 1}),
        "account": Odds({"sign_up": 50, "log_in": 20, "home": 10, LEAVE: 20}),
        "sign_up": Odds({"browse": 40, LEAVE: 60}),
        "log_in": Odds({"browse": 60, LEAVE: 40}),
    },
    "buy": {
        "home": Odds({"browse": 42, "search": 32, "look": 20, LEAVE: 6}),
        "browse": Odds({"look": 76, "browse": 9, "search": 5, LEAVE: 10}),
        "search": Odds({"look": 66, "search": 18, "browse": 6, LEAVE: 10}),
        "look": Odds({"add": 42, "look": 18, "browse": 13, "search": 7, LEAVE: 20}),
        "add": Odds({"cart": 56, "look": 20, "browse": 12, LEAVE: 12}),
        "cart": Odds({"checkout": 62, "remove": 8, "look": 7, "help": 5, LEAVE: 18}),
        "remove": Odds({"checkout": 30, "browse": 30, LEAVE: 40}),
        "help": Odds({"cart": 45, "contact": 10, LEAVE: 45}),
        "contact": Odds({"send": 45, "cart": 20, LEAVE: 35}),
        "send": Odds({LEAVE: 1}),
        "checkout": Odds({"payment": 68, "cart": 6, "shipping_error": 4, "help": 4, LEAVE: 18}),
        "shipping_error": Odds({"cart": 45, "shipping_error": 20, "payment": 8, LEAVE: 27}),
        "payment": Odds({"purchase": 68, "payment_error": 4, "cart": 5, LEAVE: 23}),
        "payment_error": Odds({"payment": 45, LEAVE: 55}),
        "purchase": Odds({LEAVE: 80, "look": 8, "account": 12}),
        "account": Odds({"sign_up": 45, LEAVE: 55}),
        "sign_up": Odds({LEAVE: 1}),
    },
    "ask": {
        "home": Odds({"help": 55, "contact": 25, LEAVE: 20}),
        "help": Odds({"help": 25, "contact": 34, LEAVE: 41}),
        "contact": Odds({"send": 48, "contact_error": 8, "help": 14, LEAVE: 30}),
        "contact_error": Odds({"send": 50, "contact_error": 20, LEAVE: 30}),
        "send": Odds({LEAVE: 90, "home": 10}),
        "account": Odds({"log_in": 55, "help": 25, LEAVE: 20}),
        "log_in": Odds({"help": 50, LEAVE: 50}),
    },
}

# Planted effects: on phones, the shipping form rejects valid input; with variant b, more visitors pay.
DETOURS: Mapping[tuple[str | None, str], Odds[str]] = {
    ("phone", "checkout"): Odds({"shipping_error": 42, "payment": 36, "cart": 6, LEAVE: 16}),
    ("b", "payment"): Odds({"purchase": 78, "payment_error": 4, "cart": 4, LEAVE: 14}),
}
