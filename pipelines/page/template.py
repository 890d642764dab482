"""Filling a template into one page that needs nothing else and runs nothing but its own two scripts."""

import base64
import hashlib
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
SCRIPT = TEMPLATES / "figures.js"


def html(template: str, **values: Any) -> str:
    """Fill an HTML template; every value is escaped that is not Markup.

    The page's policy names the hashes of its scripts: a script that came as data would not run, and nothing is fetched.
    """
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    scripts = [get_plotlyjs(), SCRIPT.read_text(encoding="utf-8")]
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"
    return fill(template, policy=policy, plotly_js=Markup(scripts[0]), figures_js=Markup(scripts[1]), **values)


def fill(template: str, **values: Any) -> str:
    """Fill a template of any kind, every value escaped that is not Markup."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values)


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
