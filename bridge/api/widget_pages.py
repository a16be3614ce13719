"""The script that a site adds with one tag, and a plain page that has the tag."""

from __future__ import annotations

from html import escape

from aiohttp import hdrs, web

from bridge.api import pages
from bridge.api.context import CONTEXT

# Short enough that a site gets a new widget within minutes of an update.
_FRESH = "public, max-age=300, stale-while-revalidate=86400"
_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)

_WORDS = {
    "en": {
        "title": "The chat on your site",
        "lead": "This is how a page of yours looks with the chat of {business}. "
        "Open it at the bottom right and write: your team answers in the inbox.",
        "tag": "The tag, just before the end of the page:",
        "inbox": "To the inbox",
    },
    "it": {
        "title": "La chat sul tuo sito",
        "lead": "Così appare una tua pagina con la chat di {business}. "
        "Aprila in basso a destra e scrivi: il tuo staff risponde dalla posta.",
        "tag": "Il tag, subito prima della fine della pagina:",
        "inbox": "Alla posta",
    },
}
_PAGE = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="demo.css">
</head>
<body>
<main>
<h1>{title}</h1>
<p>{lead}</p>
<p>{tag}</p>
<pre><code>{snippet}</code></pre>
<p><a href="../inbox/">{inbox}</a></p>
</main>
<script async src="../widget.js"></script>
</body>
</html>
"""
_STYLE = """:root{color-scheme:light dark}
body{margin:0;font:1rem/1.6 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;
color:light-dark(#17171f,#f1f1f6);background:light-dark(#f1f1f5,#0d0d12)}
main{max-width:40rem;margin:0 auto;padding:12vh 1.5rem 8rem}
h1{font-size:1.75rem;line-height:1.2;letter-spacing:-.02em;margin:0 0 1rem}
pre{margin:1rem 0;padding:1rem;border-radius:12px;white-space:pre-wrap;overflow-wrap:anywhere;
background:light-dark(#fff,#15151c);font-size:.8125rem}
a{display:inline-block;padding:.7rem 0;color:light-dark(#4037be,#ada8ff)}
"""


async def script(request: web.Request) -> web.Response:
    """`/widget.js`, for any page: what it may do there is decided under `/widget/`."""
    headers = {
        hdrs.CACHE_CONTROL: _FRESH,
        hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
    }
    return pages.respond(request, "widget.js", headers)


async def demo(request: web.Request) -> web.Response:
    """`/widget/demo`: a page as a site would have it, in the browser's language."""
    settings = request.config_dict[CONTEXT].settings
    lang = "it" if request.headers.get(hdrs.ACCEPT_LANGUAGE, "").lower().startswith("it") else "en"
    snippet = f'<script async src="{settings.public_url}/widget.js"></script>'
    words = {key: escape(text.format(business=settings.business)) for key, text in _WORDS[lang].items()}
    return web.Response(
        text=_PAGE.format(lang=lang, snippet=escape(snippet), **words),
        content_type="text/html",
        headers={
            "Content-Security-Policy": _POLICY,
            "X-Content-Type-Options": "nosniff",
            hdrs.CACHE_CONTROL: "no-cache",
            hdrs.VARY: "Accept-Language",
        },
    )


async def demo_style(_request: web.Request) -> web.Response:
    """The few rules of the demo page."""
    return web.Response(text=_STYLE, content_type="text/css", headers={hdrs.CACHE_CONTROL: "no-cache"})
