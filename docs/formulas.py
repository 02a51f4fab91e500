"""Hook of MkDocs: formulas as MathML, which browsers draw without a script."""

import re
from html import unescape

from latex2mathml.converter import convert

_FORMULA = re.compile(r'<(div|span) class="arithmatex">\\([\[(])(.*?)\\[\])]</\1>', re.DOTALL)


def on_page_content(html: str, **_: object) -> str:
    """Replace the formulas of a page."""

    def drawn(found: re.Match[str]) -> str:
        kind, bracket, formula = found.groups()
        display = "block" if bracket == "[" else "inline"
        return f"<{kind}>{convert(unescape(formula), display=display)}</{kind}>"

    return _FORMULA.sub(drawn, html)
