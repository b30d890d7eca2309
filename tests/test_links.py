"""Links, headings and tables of the Markdown files and notebooks of the repository, and names of documents in other
files.

A relative link names a file that is there and, after #, a heading of it by GitHub's rule for anchors.
"""

import json
import re
import subprocess
from itertools import pairwise

import pytest
from places import REPOSITORY

FENCED = re.compile(r"(?ms)^```.*?^```$")
HEADING = re.compile(r"(?m)^#{1,6} +(.*?) *$")
LINK = re.compile(r"\]\(([^()\s]+)\)")
NAMED = re.compile(r"\bdocs/[\w./-]*\.(?:md|json|ipynb|rst|jpg|svg)\b")


def _tracked():
    """Files of the repository, without those that are deleted but not yet committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return [REPOSITORY / name for name in listed.split("\0") if name and (REPOSITORY / name).is_file()]


TRACKED = _tracked()
PAGES = [file for file in TRACKED if file.suffix in (".md", ".ipynb")]


def _prose(file):
    """The text of a page without blocks of code."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.sub(r"(?m)^    .*$", "", FENCED.sub("", text))


def _targets(file):
    """What the links of a page name. Code between backquotes is no link."""
    return LINK.findall(re.sub(r"`[^`]+`", "code", _prose(file)))


def _anchors(file):
    """GitHub's: the text in lower case, without punctuation, spaces as hyphens; repeated ones are numbered."""
    anchors = []
    for heading in HEADING.findall(_prose(file)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        repeated = sum(re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", each) is not None for each in anchors)
        anchors.append(f"{anchor}-{repeated}" if repeated else anchor)
    return anchors


def _broken(file):
    """Relative links of a page that lead nowhere."""
    broken = []
    for target in _targets(file):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = file.parent / path if path else file
        if not there.exists() or (anchor and anchor not in _anchors(there)):
            broken.append(target)
    return broken


def test_links_of_all_pages_lead_somewhere():
    assert len(PAGES) > 20
    assert not {str(page.relative_to(REPOSITORY)): broken for page in PAGES if (broken := _broken(page))}


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "more").mkdir()
    text = "# Title\n\n## `key`, of *all*: a → b\n\n## Twice\n\n```\n## Code\n```\n\n## Twice\n"
    (tmp_path / "more/other.md").write_text(text, encoding="utf-8")
    page = tmp_path / "page.md"
    right = (
        "more/other.md",
        "more",
        "more/other.md#key-of-all-a--b",
        "more/other.md#twice-1",
        "#here",
        "https://a.b/c",
    )
    wrong = ("other.md", "more/other.md#code", "more/other.md#twice-2", "#there", "more/other.md#Title")
    page.write_text("# Here\n\n" + " ".join(f"[x]({link})" for link in (*right, *wrong)) + "\n\n`[x](no link)`\n")
    assert _broken(page) == list(wrong)


@pytest.mark.parametrize(
    ("heading", "anchor"),  # as GitHub renders them
    [
        ("The same bytes, on the same kind of machine", "the-same-bytes-on-the-same-kind-of-machine"),
        ("`datasets.NAME.train`, `datasets.NAME.test`", "datasetsnametrain-datasetsnametest"),
        ("heavy → medium → light", "heavy--medium--light"),
        ("What's new in [2.0](x.md)?", "whats-new-in-20"),
        ("snake_case and well-known", "snake_case-and-well-known"),
    ],
)
def test_anchors_are_those_of_github(tmp_path, heading, anchor):
    (tmp_path / "page.md").write_text(f"# {heading}\n", encoding="utf-8")
    assert _anchors(tmp_path / "page.md") == [anchor]


def test_the_index_lists_every_page():
    index = REPOSITORY / "docs/README.md"
    listed = {(index.parent / target.partition("#")[0]).resolve() for target in _targets(index)}
    pages = {page.resolve() for page in PAGES if page.is_relative_to(index.parent)}
    assert not pages - listed - {index.resolve()}


def test_documents_that_other_files_name_are_there():
    named = {}
    for file in TRACKED:
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        for name in NAMED.findall(text):
            named.setdefault(name, set()).add(str(file.relative_to(REPOSITORY)))
    assert len(named) > 10
    assert not {name: files for name, files in named.items() if not (REPOSITORY / name).exists()}


def test_a_page_has_one_title_and_no_skipped_level():
    for page in (page for page in PAGES if page.suffix == ".md"):
        levels = [len(marks) for marks in re.findall(r"(?m)^(#{1,6}) ", _prose(page))]
        assert levels[:1] == [1] and 1 not in levels[1:], page
        assert all(below <= above + 1 for above, below in pairwise(levels)), page


def _uneven_rows(text):
    """Rows of tables that have another number of cells than the rule below the header, by GitHub's rule: every pipe
    without a backslash splits cells, in code too, and a row begins and ends with a pipe.
    """
    uneven, cells = [], None
    lines = [*FENCED.sub("", text).splitlines(), ""]
    for line, following in pairwise(lines):
        if re.fullmatch(r"\|(\s*:?-+:?\s*\|)+", following):
            cells = following.count("|") - 1
        if not line.startswith("|"):
            cells = None
        elif cells is not None and len(re.findall(r"(?<!\\)\|", line)) - 1 != cells:
            uneven.append(line)
    return uneven


def test_rows_of_a_table_have_equal_numbers_of_cells():
    tables = {page: page.read_text(encoding="utf-8") for page in PAGES if page.suffix == ".md"}
    assert sum("\n|---" in text for text in tables.values()) > 10
    assert not {str(page): rows for page, text in tables.items() if (rows := _uneven_rows(text))}


def test_an_uneven_row_is_found():
    table = "| a | b |\n|---|---:|\n| `x|y` | 1 |\n| x\\|y | 1 |\n| 1 |\n| 1 | 2 |\n\n| no table |\n"
    assert _uneven_rows(table) == ["| `x|y` | 1 |", "| 1 |"]
