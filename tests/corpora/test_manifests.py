from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from mling_embed.corpora import manifests
from mling_embed.corpora.evaluation_sentences import sentences_in_file
from mling_embed.corpora.fetching import FileState, examine
from mling_embed.corpora.manifests import (
    Kind,
    Role,
    load_manifest,
    manifest_names,
    manifest_paths,
    manifests_with_role,
)
from mling_embed.corpora.readers import read_input
from mling_embed.corpora.records import Pair
from mling_embed.corpora.sources import corpus_inputs
from mling_embed.errors import DataError, UsageError

SHA = "0" * 64
HEAD = """
name = "small"
title = "Small"
kind = "{kind}"
homepage = "https://example.org/"
license = "CC0-1.0"
commercial_use = true
citation = "Nobody (2020)."
languages = ["deu"]
"""
SPLIT = '[[splits]]\nname = "train"\nrole = "train"\n'
NAMES = manifest_names()


def written(folder: Path, body: str, *, kind: str = "http") -> Path:
    path = folder / "small.toml"
    path.write_text(HEAD.format(kind=kind) + body, encoding="utf-8")
    return path


def file_line(**changes: str) -> str:
    values = {"url": '"https://example.org/a.tsv"', "bytes": "3", "sha256": f'"{SHA}"', "format": '"tsv"'} | changes
    return "files = [{ " + ", ".join(f"{key} = {value}" for key, value in values.items() if value) + " }]\n"


@pytest.mark.parametrize("name", NAMES)
def test_every_manifest_loads_and_names_itself(name: str) -> None:
    manifest = load_manifest(name)
    assert manifest.name == name
    assert manifest.citation
    assert all(file.bytes and file.sha256 for file in manifest.files() if manifest.kind is Kind.HTTP)
    assert (manifest.hub is None) == (manifest.kind is not Kind.HUGGINGFACE)
    used = {file.language for file in manifest.files()} - {None, "en"}
    if manifest.kind is Kind.HTTP:
        assert used == set(manifest.languages) - {"en"}


@pytest.mark.parametrize("name", NAMES)
def test_files_of_a_group_come_with_their_english_side_or_are_aligned_by_hand(name: str) -> None:
    manifest = load_manifest(name)
    for split in manifest.splits:
        moses = [file for file in split.files if file.format == "moses"]
        english = {file.group for file in moses if file.language == "en"}
        assert {file.group for file in moses} == english


def test_no_file_is_in_two_manifests() -> None:
    urls = Counter(file.url for name in NAMES for file in load_manifest(name).files() if file.url)
    assert [url for url, count in urls.items() if count > 1] == []


def test_known_sets_have_their_known_sizes() -> None:
    tatoeba = load_manifest("tatoeba-v1")
    assert len(tatoeba.files()) == 224
    assert len({file.group for file in tatoeba.files()}) == 112
    assert len(load_manifest("parallel-sentences-talks").hub.configs) == 52  # type: ignore[union-attr]
    assert load_manifest("korsts").splits[0].files[0].text_columns() == {"sentence1": 5, "sentence2": 6}
    assert load_manifest("wmt-newstest").roles() == (Role.TRAIN,)


def test_test_sets_are_found_by_their_role() -> None:
    names = {manifest.name for manifest in manifests_with_role("test")}
    assert {"tatoeba-v1", "stsb-multi-mt", "korsts", "multi30k", "xquad-r", "sib-200", "xcopa"} <= names
    assert not {"gnome-help", "wmt-newstest", "parallel-sentences-talks"} & names
    dev = load_manifest("multi30k").files(Role.DEV)
    assert [file.name for file in dev] == ["val.cs.gz", "val.de.gz", "val.en.gz", "val.fr.gz"]


def test_nested_manifests_are_named_for_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "de.tsv").write_bytes(b"a\tb\n")
    body = SPLIT + file_line(url="", bytes="", sha256="", path='"de.tsv"', language='"de_DE"')
    written(tmp_path / "small", body, kind="local").rename(tmp_path / "small" / "manifest.toml")
    (tmp_path / "small" / "other.toml").write_text("x = 1")
    monkeypatch.setattr(manifests, "manifest_folder", lambda: tmp_path)
    assert list(manifest_paths()) == ["small"]
    manifest = load_manifest("small")
    assert manifest.languages == ("de",)
    assert manifest.files()[0].language == "de"
    assert manifest.files()[0].path == tmp_path / "small" / "de.tsv"
    assert examine(manifest.files()[0]).state is FileState.OK


def test_one_file_may_hold_the_splits_in_a_column_and_the_languages_in_columns(tmp_path: Path) -> None:
    (tmp_path / "all.tsv").write_text("split\ten\tde\ntrain\ta\tb\ntest\tc\td\n", encoding="utf-8")
    body = ""
    for role in ("train", "test"):
        body += SPLIT.replace("train", role) + file_line(
            url="",
            bytes="",
            sha256="",
            path='"all.tsv"',
            language='"de"',
            header="true",
            columns='{ english = "en", other = "de" }',
            where=f'{{ split = "{role}" }}',
        )
    manifest = load_manifest(written(tmp_path, body, kind="local"))
    (train,) = corpus_inputs(manifest)
    assert (train.header, dict(train.where)) == (True, {"split": "train"})
    assert [row for _, row in read_input(train)] == [Pair("a", "b", "de", 2)]
    (test,) = manifest.files(Role.TEST)
    assert list(sentences_in_file(test, tmp_path / "all.tsv")) == ["c", "d"]
    with pytest.raises(UsageError, match="a file is listed twice"):
        load_manifest(written(tmp_path, body.replace('split = "test"', 'split = "train"'), kind="local"))


def test_a_name_that_is_near_is_suggested() -> None:
    with pytest.raises(UsageError, match=r"no manifest 'tatoeba-v2'\. Did you mean tatoeba-v1"):
        load_manifest("tatoeba-v2")
    with pytest.raises(UsageError, match="See 'mling-embed data list'"):
        load_manifest("zzzzzz")


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (
            SPLIT + file_line(sha265='"x"'),
            "http",
            r"splits\[0\]\.files\[0\]\.sha265: unknown key\. Did you mean sha256",
        ),
        (SPLIT + file_line(url='"http://example.org/a"'), "http", "not an https:// address"),
        (SPLIT + file_line(url='"https://example.org:99/a"'), "http", "not an https:// address"),
        (SPLIT + file_line(url='"https://me@example.org/a"'), "http", "not an https:// address"),
        (SPLIT + file_line(url='"https://example.org/../a"'), "http", "must be a plain path"),
        (SPLIT + file_line(url='"https://example.org/a?b=1"'), "http", "must be a plain path"),
        (SPLIT + file_line(sha256='"abc"'), "http", "should match pattern"),
        (SPLIT + file_line(bytes="-1"), "http", "greater than or equal to 0"),
        (SPLIT + file_line(bytes=""), "http", "bytes and sha256 are required"),
        (SPLIT + file_line(url=""), "http", "either a url or a path"),
        (SPLIT + file_line(format='"tvs"'), "http", r"there is no format 'tvs'\. Did you mean tsv"),
        (SPLIT + file_line(format='"moses"'), "http", "the format moses needs a group"),
        (SPLIT + file_line(language='"fr"'), "http", "languages lacks fr"),
        (SPLIT + file_line(language='"german"'), "http", "'german' is not a language code"),
        (SPLIT + file_line(url="", path='"../a"'), "local", "must lead into the manifest's own folder"),
        (SPLIT + file_line(url="", path='"/a"'), "local", "must lead into the manifest's own folder"),
        (SPLIT + file_line(), "local", "a file of kind 'local' has a path"),
        (SPLIT + file_line() + SPLIT + file_line(), "http", "two splits are named 'train'.* a file is listed twice"),
        (SPLIT + file_line(where='{ split = "train" }'), "http", "where needs a TSV with header = true"),
        (
            SPLIT + file_line(where="{ split = 1 }", header="true"),
            "http",
            r"where\.split: Input should be a valid string",
        ),
        (SPLIT, "http", "needs files alone"),
        (SPLIT + 'hub_split = "train"', "huggingface", r"needs a \[hub\] table"),
        (SPLIT.replace('role = "train"', 'role = "tset"') + file_line(), "http", "'train', 'dev' or 'test'"),
        ("", "http", "splits: Field required"),
    ],
)
def test_a_bad_manifest_says_where_and_what(tmp_path: Path, body: str, kind: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected) as caught:
        load_manifest(written(tmp_path, body, kind=kind))
    assert "small.toml" in str(caught.value)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"(?s)sha256: .*pattern.*titel: unknown key. Did you mean title") as caught:
        load_manifest(written(tmp_path, 'titel = "x"\n' + SPLIT + file_line(sha256='"abc"')))
    assert str(caught.value).count("\n  - ") == 2


def test_what_is_not_toml_is_bad_data(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    with pytest.raises(DataError, match=r"x\.toml: no such file"):
        load_manifest(path)
    path.write_text("a = ")
    with pytest.raises(DataError, match=r"not TOML \(Invalid value \(at end"):
        load_manifest(str(path))
    path.write_bytes(b"a = '\xff'")
    with pytest.raises(DataError, match="not TOML"):
        load_manifest(path)


def test_hub_configurations_become_inputs_with_the_pinned_revision() -> None:
    manifest = load_manifest("parallel-sentences-talks")
    (german,) = corpus_inputs(manifest, languages=["deu_Latn"], download=False)
    assert (german.dataset, german.config, german.split) == (
        "sentence-transformers/parallel-sentences-talks",
        "en-de",
        "train",
    )
    assert german.revision == "d366dddc3d1ef0421a41f9e534bad4efae6d7730"
    assert dict(german.columns) == {"english": "english", "other": "non_english"}
    portuguese = corpus_inputs(manifest, languages=["pt", "pt-PT"], role=Role.DEV)
    assert [(one.config, one.language, one.split) for one in portuguese] == [
        ("en-pt", "pt-PT", "dev"),
        ("en-pt-br", "pt", "dev"),
    ]


def test_a_manifest_without_parallel_text_is_refused() -> None:
    with pytest.raises(UsageError, match="'korsts' has no parallel text with English of role train"):
        corpus_inputs(load_manifest("korsts"), download=False)
    with pytest.raises(UsageError, match="of role train in sw"):
        corpus_inputs(load_manifest("parallel-sentences-europarl"), languages=["sw"])


MIRROR = os.environ.get("MLING_EMBED_MIRROR")
needs_mirror = pytest.mark.skipif(not MIRROR, reason="MLING_EMBED_MIRROR names no folder with the files")


@needs_mirror
@pytest.mark.parametrize("name", [name for name in NAMES if load_manifest(name).kind is Kind.HTTP])
def test_every_mirrored_file_is_whole(name: str) -> None:
    findings = Counter(examine(file).state for file in load_manifest(name).files())
    assert findings == {FileState.OK: len(load_manifest(name).files())}


@needs_mirror
def test_inputs_of_a_manifest_are_pairs_with_english_first() -> None:
    inputs = corpus_inputs(load_manifest("indian-parallel"), languages=["hi"], download=False)
    assert [[path.name for path in one.paths] for one in inputs] == [
        [f"{part}.hi-en.en.{version}", f"{part}.hi-en.hi"] for part in ("dev", "devtest") for version in range(4)
    ]
    (german,) = corpus_inputs(load_manifest("tatoeba-manythings"), languages=["de"], download=False)
    assert (german.paths[0].name, german.members, german.language) == ("deu-eng.zip", ("deu.txt",), "de")
    reversed_ = corpus_inputs(load_manifest("xling-bli"), languages=["fr"], download=False)[-1]
    assert dict(reversed_.columns) == {"english": 1, "other": 0}


def test_a_byte_order_mark_is_no_part_of_a_manifest(tmp_path: Path) -> None:
    path = written(tmp_path, SPLIT + file_line())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_manifest(path).name == "small"
