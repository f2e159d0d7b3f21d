"""A document in Markdown as one HTML page that needs no other file: pictures inline, tables that can be sorted."""

import base64
import os
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from PIL import Image

from ladder.core.errors import InputError
from ladder.reporting import markdown


def html(text: str, folder: Path = Path()) -> str:
    """The page that shows a document, the same bytes for the same text and pictures.

    Args:
        text: Markdown whose HTML is trusted; other people's text in it must have passed the filter `escaped`.
        folder: what the paths of pictures are relative to.
    Raises: InputError for a picture that is not there.
    """
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    parser.add_render_rule("image", _image)
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", _table_close)
    environment = {"folder": folder}
    tokens = parser.parse(text, environment)
    title, contents = _headings(tokens)
    body = parser.renderer.render(tokens, parser.options, environment)
    return markdown.render("page.html.j2", title=title, contents=contents, body=body.strip())


def _headings(tokens: Sequence[Token]) -> tuple[str, list[tuple[str, str]]]:
    """Give second headings an anchor. Returns the first heading, and of the second ones anchor and text."""
    title, contents = "", []
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        text = "".join(child.content for child in inline.children or ())
        if opening.tag == "h1":
            title = title or text
        elif opening.tag == "h2":
            anchor = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
            opening.attrSet("id", anchor)
            contents.append((anchor, text))
    return title, contents


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
    token = tokens[index]
    path = Path(os.path.normpath(environment["folder"] / str(token.attrGet("src"))))
    try:
        content = path.read_bytes()
        with Image.open(path) as picture:
            width, height = picture.size
    except OSError as error:
        raise InputError(f"the picture {path} cannot be read ({error}): `dvc repro` makes it") from None
    token.attrSet("src", f"data:image/png;base64,{base64.b64encode(content).decode()}")
    token.attrSet("width", str(width))
    token.attrSet("height", str(height))
    return renderer.image(tokens, index, options, environment)


def _table_open(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
    return f'<div class="wide">{renderer.renderToken(tokens, index, options, environment)}'


def _table_close(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
    return f"{renderer.renderToken(tokens, index, options, environment).rstrip()}</div>\n"
