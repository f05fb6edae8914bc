"""What the static buildpack makes of `_redirects`, `_headers`, a Staticfile and the names of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.libcnb.problem import Problem
from static import conf, files, headers, redirects
from static.settings import Settings
from static.site import Site, find
from static.text import key, quoted

if TYPE_CHECKING:
    from pathlib import Path


def site(tmp_path: Path, **content: str) -> Site:
    for name, text in content.items():
        (tmp_path / name.replace("__", ".")).write_text(text)
    return Site(app=tmp_path, folder="", why="")


@pytest.mark.parametrize(
    ("line", "directive"),
    [
        ("/old /new", 'if ($path ~ "^/old/?$") { return 301 "/new$is_args$args"; }'),
        ("/old /new?from=old 302", 'if ($path ~ "^/old/?$") { return 302 "/new?from=old"; }'),
        ("/old /new#part", 'if ($path ~ "^/old/?$") { return 301 "/new$is_args$args#part"; }'),
        (
            "/blog/:year/:title https://blog.example.com:8443/:title-:year 308",
            'if ($path ~ "^/blog/(?<w_year>[^/?]+)/(?<w_title>[^/?]+)/?$") { return 308 "https://blog.example.com:8443/${w_title}-${w_year}$is_args$args"; }',
        ),
        (
            "/café/* /coffee/:splat",
            r'if ($path ~ "^/caf%C3%A9(?:/[/\\\\]*(?<w_splat>[^?]*))?$") { return 301 "/coffee/${w_splat}$is_args$args"; }',
        ),
        ("/a.b(c)+ /x", 'if ($path ~ "^/a[.]b[(]c[)][+]/?$") { return 301 "/x$is_args$args"; }'),
        ("/gone /404.html 410", 'if ($path ~ "^/gone/?$") { return 410; }'),
    ],
)
def test_a_redirect_becomes_a_condition_on_the_address_as_it_was_sent(line: str, directive: str) -> None:
    (rule,) = redirects.parse(line)

    assert rule.directive() == directive


def test_a_rewrite_is_matched_decoded_because_it_names_a_file() -> None:
    (rule,) = redirects.parse("/caf%C3%A9/* /index.html 200")

    assert rule.directive() == ('rewrite "^/café(?:/[/\\\\\\\\]*(?<w_splat>[^?]*))?$" "/index.html" last;')


def test_comments_and_blank_lines_are_skipped_and_force_is_kept() -> None:
    rules = redirects.parse("# moved\n\n/a /b 302! # soon\n/c /d\n")

    assert [(rule.source, rule.status, rule.force, rule.number) for rule in rules] == [
        ("/a", 302, True, 3),
        ("/c", 301, False, 4),
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/a", "`from to`"),
        ("/a /b 301 Country=de", "conditions and query parameters are not supported"),
        ("/a /b 500", "a status of 200, 301"),
        ("/a/*/b /c", "with * only as its last part"),
        ("/*/b/* /c", "* only once"),
        ("https://a.example/x /c", "a path in front"),
        ("/a https://b.example/ 200", "a file of the site"),
        ("/a //evil.example", "a path or an address with http"),
        ("/a javascript:alert(1)", "a path or an address with http"),
        ('/a /b";return', "addresses without quotes"),
        ("/a$x /b", "addresses without quotes"),
        ("/a /b/%22%7d", "addresses without quotes"),
        ("/a /b/:title", ":title in front too"),
        ("/a /b/:splat", ":splat in front too"),
    ],
)
def test_a_redirect_that_cannot_be_followed_is_shown_with_its_line(line: str, expected: str) -> None:
    with pytest.raises(Problem) as caught:
        redirects.parse(f"# first\n{line}\n")

    assert caught.value.found.startswith("_redirects:2: expected ")
    assert expected in caught.value.found


def test_a_rewrite_to_a_file_that_is_missing_is_told_at_build(tmp_path: Path) -> None:
    found = site(tmp_path, _redirects="/app/* /app.html 200\n")

    with pytest.raises(Problem, match="cannot be followed") as caught:
        redirects.read(found)

    assert "_redirects:1: expected a file of the site to rewrite to" in caught.value.found


def test_headers_belong_to_the_path_above_them() -> None:
    rules = headers.parse(
        "/*\n  X-Frame-Options: DENY\n# fonts\n/fonts/:name.woff2\n\tCache-Control: max-age=9\n"
    )

    assert [(rule.regex(), rule.name, rule.value) for rule in rules] == [
        ("^/[^?]*$", "X-Frame-Options", "DENY"),
        ("^/fonts/[^/?]+[.]woff2$", "Cache-Control", "max-age=9"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  X-A: b\n", "_headers:1: expected a path such as /*"),
        ("X-A: b\n", "_headers:1: expected a path such as /fonts/*, or a header, indented"),
        ("/*\n  no header\n", "_headers:2: expected `Name: value`"),
        ("/*\n  X A: b\n", "_headers:2: expected `Name: value`"),
        ("/*\n  Content-Length: 5\n", "_headers:2: expected another header"),
        ("/*\n  X-A: b\x07\n", "_headers:2: expected a value without control characters"),
    ],
)
def test_a_header_that_cannot_be_followed_is_shown_with_its_line(text: str, expected: str) -> None:
    with pytest.raises(Problem) as caught:
        headers.parse(text)

    assert expected in caught.value.found


def test_texts_of_the_user_stay_one_word_of_the_configuration() -> None:
    text = 'a "b" $c \\ ; } {'

    assert quoted(text) == '"a \\"b\\" ${dollar}c \\\\ ; } {"'
    assert key(text) == '"a \\"b\\" $c \\\\ ; } {"'


@pytest.mark.parametrize(
    "address",
    [
        "/assets/index-BxY9a12Q.js",
        "/assets/vendor-Dk3-aB_x.css",
        "/main.5a3b2c1d.js",
        "/main-5QK2J7XA.js",
        "/static/js/main.abcdefgh.chunk.js",
        "/_astro/hoisted.QwErTyUi.js",
        "/fonts/inter-4f9ac1d2e3b4.woff2",
    ],
)
def test_a_name_with_a_hash_is_kept_by_browsers(address: str) -> None:
    assert files.is_immutable(address)


@pytest.mark.parametrize(
    "address",
    [
        "/index.html",
        "/site.css",
        "/jquery-extended.js",
        "/img/logo-version2.png",
        "/img/photo-20240115.jpg",
        "/assets/logo-FinalVersion.png",
        "/report-2024-01-15.pdf",
        "/5a3b2c1d.json",
        "/deadbeef.js",
    ],
)
def test_a_name_that_a_person_chose_is_asked_for_again(address: str) -> None:
    assert not files.is_immutable(address)


def test_every_address_of_a_page_has_the_mark_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.html").write_text("docs")
    (tmp_path / "about.html").write_text("about")
    (tmp_path / ".env").write_text("secret")

    found = files.read(tmp_path)

    assert [(*file.addresses,) for file in found] == [
        ("/about.html", "/about"),
        ("/docs/index.html", "/docs/"),
    ]
    assert len({file.mark for file in found}) == 2


def test_two_files_that_differ_in_capitals_only_get_no_mark(tmp_path: Path) -> None:
    (tmp_path / "A.css").write_text("a")
    (tmp_path / "a.css").write_text("b")
    (tmp_path / "c.css").write_text("c")

    text = conf.render(
        "{{maps}}", Settings(), at_app=False, files=files.read(tmp_path), headers=(), redirects=(), pages={}
    )

    assert '"/a.css"' not in text
    assert '"/c.css"' in text


def test_cache_control_of_the_user_wins_and_the_last_rule_counts() -> None:
    rules = headers.parse("/*\n  Cache-Control: no-store\n/fonts/*\n  Cache-Control: max-age=9\n")

    text = conf.render("{{maps}}", Settings(), at_app=False, files=(), headers=rules, redirects=(), pages={})

    caching = text[text.index("$path $caching") :]
    assert caching.index('"~^/fonts/[^?]*$" "max-age=9";') < caching.index('"~^/[^?]*$" "no-store";')


def test_a_staticfile_is_read_and_variables_win(tmp_path: Path) -> None:
    (tmp_path / "Staticfile").write_text(
        "---\nroot: dist  # built\npushstate: enabled\nstatus_codes:\n  404: /lost.html\n"
    )

    settings = Settings.read({"BP_WEB_SERVER_ENABLE_PUSH_STATE": "false"}, tmp_path)

    assert (settings.root, settings.root_from) == ("dist", "Staticfile")
    assert not settings.single_page
    assert settings.error_pages == {404: "/lost.html"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("root public\n", "Staticfile:1: expected `key: value`"),
        ("http_proxy: x\n", "Staticfile:1: 'http_proxy' is none of root"),
        ("status_codes:\n  abc: /x.html\n", "Expected a status from 400 to 599"),
    ],
)
def test_a_staticfile_with_a_mistake_is_explained(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "Staticfile").write_text(text)

    with pytest.raises(Problem) as caught:
        Settings.read({}, tmp_path)

    assert expected in caught.value.found


@pytest.mark.parametrize(
    ("folders", "expected"), [(["dist", "public"], "public"), (["build"], "build"), ([""], "")]
)
def test_the_first_known_folder_with_a_page_is_served(
    folders: list[str], expected: str, tmp_path: Path
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "index.html").touch()

    assert find(tmp_path, Settings()).folder == expected


@pytest.mark.parametrize("asked", ["missing", "..", "../x", "/etc"])
def test_a_root_outside_the_app_is_refused(asked: str, tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        find(tmp_path, Settings(root=asked, root_from="BP_WEB_SERVER_ROOT"))

    assert f"BP_WEB_SERVER_ROOT asks for {asked!r}" in caught.value.found


@pytest.mark.parametrize(
    ("text", "expected"), [("", ""), ("/", ""), ("docs", "/docs"), ("/team/docs/", "/team/docs")]
)
def test_the_path_of_a_site_is_read(text: str, expected: str, tmp_path: Path) -> None:
    assert Settings.read({"BP_WEB_SERVER_LOCATION_PATH": text}, tmp_path).location == expected


@pytest.mark.parametrize("text", ["/../etc", "/.git", '/a"b', "/a b", "https://example.com/docs"])
def test_a_path_that_no_site_is_at_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="BP_WEB_SERVER_LOCATION_PATH") as refused:
        Settings.read({"BP_WEB_SERVER_LOCATION_PATH": text}, tmp_path)

    assert text in refused.value.found


def test_redirects_are_written_as_if_the_site_were_at_the_top() -> None:
    (rule, away) = redirects.parse("/old /new\n/shop https://example.com/\n")

    assert (rule.below("/docs").source, rule.below("/docs").target) == ("/docs/old", "/docs/new")
    assert (away.below("/docs").source, away.below("/docs").target) == ("/docs/shop", "https://example.com/")


def test_the_configuration_of_a_site_at_a_path_has_it_in_front() -> None:
    text = conf.render(
        "{{location}}\n{{locations}}\n{{otherwise}}",
        Settings(location="/docs", single_page=True, env_js=True),
        at_app=True,
        files=(),
        headers=(),
        redirects=(),
        pages={},
    )

    assert "location = / { return 302 /docs/; }" in text
    assert (
        'location = /docs/env.js { types { } default_type text/javascript; alias "{{run}}/env.js"; }' in text
    )
    assert "rewrite ^ /docs/index.html last;" in text
    assert '"^/docs/(?:' in text
