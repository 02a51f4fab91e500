"""Page as a single HTML file that makes no requests.

Jinja2 escapes all texts. The content security policy allows the two embedded scripts by their
digests, and blocks other scripts and all requests.

Rules import this module at parse time, so libraries are imported only to render.
"""

import base64
import hashlib
import json
import re
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentcell.runtime.io import atomic
from latentcell.runtime.provenance import file_digest, text_digest

if TYPE_CHECKING:
    from latentcell.report.parts import Report

ASSETS = Path(__file__).parent / "assets"
COMPILED = Path(__file__).parent / "__pycache__"
# Characters that could end a script element or begin a comment.
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def assets_digest() -> str:
    """Digest of the template, styles and script of the page."""
    return text_digest(*map(file_digest, sorted(ASSETS.iterdir())))


def render(report: "Report") -> str:
    """Render the page; the result is reproducible.

    Parameters
    ----------
    report : Report
        Result of `latentcell.report.collect.collect`.

    Returns
    -------
    str
        HTML.
    """
    return render_page("page.html", _data(report), report=report)


def render_page(template: str, data: dict[str, Any], **content: Any) -> str:
    """Render a template of `ASSETS` with the styles and scripts of the pages.

    Parameters
    ----------
    template : str
        Name of the template.
    data : dict
        Charts, maps and curves for the script.
    **content
        Further variables of the template.
    """
    import jinja2
    from markupsafe import Markup

    from latentcell.report.parts import number

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "code": _with_code}
    # Scripts do not depend on the run.
    scripts = [_library(), _asset("page.js")]
    return environment.get_template(template).render(
        **content,
        style=Markup(_asset("style.css")),
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
        data=Markup(embedded(data)),
    )


def embedded(value: Any) -> str:
    """Encode plain values as JSON that is safe in a script element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign, safe in _UNSAFE.items():
        text = text.replace(sign, safe)
    return text


def _data(report: "Report") -> dict[str, Any]:
    from latentcell.report.genes import STEPS

    return {
        "charts": {name: chart.spec for name, chart in report.charts().items()},
        "curves": report.curves,
        "firstMap": report.first_map,
        "looks": report.looks,
        "geneSteps": STEPS,
        "maps": report.maps,
    }


@cache
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, from the wheel of vl-convert.

    vl-convert joins them in 3 s of the processor, so that the script is kept beside what Python
    compiled of this module.
    """
    import vl_convert

    kept = COMPILED / f"vega-{version('vl-convert-python')}.js"
    with suppress(OSError):
        return kept.read_text(encoding="utf-8")
    # The stub lacks the default of the argument.
    script: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    if "</script" in script.lower() or "<!--" in script:
        raise ValueError("the library of the charts is not safe in a script element")
    # Without a folder that it can write to, each process joins them.
    with suppress(OSError), atomic(kept) as temporary:
        temporary.write_text(script, encoding="utf-8")
    return script


def _with_code(text: str) -> str:
    """Convert a Markdown sentence to escaped HTML with code elements."""
    from markupsafe import Markup, escape

    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _policy(scripts: list[str]) -> str:
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()) for text in scripts]
    admitted = " ".join(f"'sha256-{digest.decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {admitted}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
