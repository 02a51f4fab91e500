"""Write the page: one HTML file that needs nothing else and asks for nothing else.

Everything goes through Jinja2's escaping. The policy in the page's head admits the two scripts
inside by their digests and no other, and no request at all.
"""

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from latentcell.report.parts import Report

ASSETS = Path(__file__).parent / "assets"
# What would end a script element, or begin a comment in it.
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render(report: Report) -> str:
    """The page as text, the same for the same report.

    Parameters
    ----------
    report : Report
        Of `latentcell.report.collect.collect`.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Ours, or of the pinned library: nothing of the run's is among them.
    scripts = [_library(), _asset("page.js")]
    return environment.get_template("page.html").render(
        report=report,
        style=Markup(_asset("style.css")),
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
        data=Markup(embedded(_data(report))),
    )


def embedded(value: Any) -> str:
    """JSON that may stand within a script element, whatever it holds."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign, safe in _UNSAFE.items():
        text = text.replace(sign, safe)
    return text


def _data(report: Report) -> dict[str, Any]:
    return {
        "charts": {chart.name: chart.spec for chart in report.charts()},
        "curves": report.curves,
        "looks": report.looks,
        "map": json.loads(_asset("map.json")),
        "maps": report.maps,
    }


@cache
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, from the wheel of vl-convert."""
    import vl_convert

    # Its stub has no default for the one argument.
    script: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    if "</script" in script.lower() or "<!--" in script:
        raise ValueError("the charts' library can't stand within a script element")
    return script


def _policy(scripts: list[str]) -> str:
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()) for text in scripts]
    admitted = " ".join(f"'sha256-{digest.decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {admitted}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
