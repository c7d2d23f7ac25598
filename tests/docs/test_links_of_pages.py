"""Links within the repository lead somewhere, in its pages as in the site that is made of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pages import PAGES, PROJECT, headings, name

OWN = [*PAGES, *(PROJECT / page for page in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"))]
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
_CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What headings are called in addresses: in a repository browser, and on the site."""
    texts = [re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text) for _, text in headings(page)]
    plain = [re.sub(r"[^\w\s-]", "", text).strip().lower() for text in texts]
    return {re.sub(r"\s", "-", text) for text in plain}


@pytest.mark.parametrize("page", [page for page in OWN if page.exists()], ids=name)
def test_links_lead_to_a_file_and_to_a_heading_of_it(page: Path) -> None:
    wrong = []
    for link in _LINK.findall(_CODE.sub("`", page.read_text())):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []


def test_every_page_is_in_the_navigation() -> None:
    navigation = (PROJECT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    named = set(re.findall(r"- (?:[^:\n]+: )?([\w/.-]+\.md)$", navigation, re.MULTILINE))
    docs = {page.relative_to(PROJECT / "docs").as_posix() for page in (PROJECT / "docs").rglob("*.md")}
    assert docs - named == set()
