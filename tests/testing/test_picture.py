"""The page of a violation: complete, self-contained, and readable in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import CHROMIUM, browser

from gomap.testing import Call, Calls, Counter, History, Linearizability, Operation, check_linearizable


def lost() -> Linearizability:
    """Two stores say that they pushed out the same value; others overlap with both."""
    a, b, c, d = (thread << 40 | 7 for thread in range(1, 5))
    calls = [
        Operation("store", 1, 0, 10, False, value=a, thread=0),
        Operation("store", 1, 20, 2090, True, value=b, answer=a, thread=1),
        Operation("store", 1, 25, 2400, True, value=c, answer=a, thread=2),
        Operation("load", 1, 30, 60, True, answer=b, thread=3),
        Operation("load_or_store", 1, 70, 80, True, value=d + 1, answer=b, thread=3),
        Operation("compare_and_swap", 1, 130, 2300, True, value=d, expected=c, thread=0),
        Operation("load", 1, 2100, 2450, True, answer=d, thread=3),
    ]
    return check_linearizable(History.of(calls))


def test_all_is_told() -> None:
    found = lost()
    page = found.to_html()
    assert "<h1>violation: key 1 holds t1.7; these calls cannot be put in order:</h1>" in page
    assert len(found.operations) == 2
    for o in (*found.operations, *found.origins):
        assert o.sentence.replace(">", "&gt;") in page
    assert page.count('class="lane"') == len({o.thread for o in found.operations})
    assert page.count('class="call"') == len(found.operations)
    assert "http" not in page.replace("http-equiv", "")


def test_what_is_shown_is_text() -> None:
    found = check_linearizable(Calls.of([Call("load", (), 5, 0, 1), Call("<b>", (), 5, 2, 3)][:1]), Counter())
    odd = Linearizability("violation", "<i>", "<u>", (Call("<b>", ("&",), "<script>", 0, 1),))
    assert found.to_html().count("load() -&gt; 5") == 3
    page = odd.to_html()
    assert "<b>(" not in page
    assert "<u>" not in page
    assert page.count("<script>") == 1
    assert "<h1>ok: 0 configurations</h1>" in Linearizability("ok").to_html()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    page = tmp_path / "violation.html"
    page.write_text(lost().to_html())
    with browser(tmp_path / "profile") as b:
        for dark in (False, True):
            b.open(page, dark=dark, height=700)
            bars = b.js(
                "[...document.querySelectorAll('.call')].map(e => e.getBoundingClientRect()).map(r => [r.left, r.right])"
            )
            assert len(bars) == 2
            assert all(right - left >= 20 for left, right in bars)
            assert all(left >= 0 and right <= 1280 for left, right in bars)
        b.js("document.querySelector('.call').dispatchEvent(new MouseEvent('mouseenter'))")
        assert b.js("document.querySelectorAll('tr.at').length") == 1
        b.open(page, width=400, height=700)
        assert b.js("document.documentElement.scrollWidth") <= 400
        assert b.console == []
        assert all(url.startswith("file:") for url in b.requests)
