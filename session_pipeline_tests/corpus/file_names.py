"""Files with hostile names."""

from collections.abc import Sequence

from session_pipeline_tests.corpus.inputs import Input, lines, refused


def inputs() -> Sequence[Input]:
    good = [
        "*.jsonl",
        "?.jsonl",
        "[1].jsonl",
        "{a,b}.jsonl",
        "it's.jsonl",
        'a "quote".jsonl',
        " spaces .jsonl",
        "new\nline.jsonl",
        "-rf.jsonl",
        "$(id).jsonl",
        "a;b|c&d.jsonl",
        "x..jsonl",
        "\u202egnp.jsonl",
        "caf\u00e9.jsonl",
        "cafe\u0301.jsonl",
        "\U0001f600.jsonl",
        "\x1b[31m.jsonl",
        "x" * 200 + ".jsonl",
        "'; drop table source_files; --.jsonl",
        "%2e%2e.jsonl",
    ]
    return [
        *(Input(f"a name like {name[:40]!r}", name, lines(2), accepted=2) for name in good),
        refused("a name that is no UTF-8", b"\xff\xfe.jsonl", lines(2), "its name is not UTF-8"),
    ]
