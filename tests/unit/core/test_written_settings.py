"""The settings of a config file with the marks of trust in its comments."""

from pathlib import Path

from prefdelta.core.written_settings import written_digest, written_settings

ROOT = Path(__file__).parents[3]
TEXT = """
study: one # a name
models:
  a: &model
    hub: x/y # [I] the paper says "a" [V]
    size: 3b
  b:
    <<: *model
    size: 7b # [card]
# [R] above it
policies: [a,
  b]

# apart [D], so of nothing

title: "not a # comment [V]"
about: |
  Nor # [V] this.
  Or that.
date: 2026-01-01
judge:
  # [R], in
  # two lines
  forms: # [V] two
    logic: [one]
compute: { threads: 9 } # [V]
"""


def test_marks_belong_to_the_key_on_their_line_or_else_on_the_next() -> None:
    found = {line.path: (line.value, line.marks) for line in written_settings(TEXT)}
    assert found == {
        "study": ('"one"', []),
        "models.a.hub": ('"x/y"', ["I", "V"]),
        "models.a.size": ('"3b"', []),
        "models.b.hub": ('"x/y"', ["I", "V"]),  # by the link
        "models.b.size": ('"7b"', ["card"]),
        "policies": ('["a", "b"]', ["R"]),
        "title": ('"not a # comment [V]"', []),
        "about": ('"Nor # [V] this.\\nOr that.\\n"', []),
        "date": ('"2026-01-01"', []),
        "judge.forms": ("", ["V"]),  # a section is a line only with a mark
        "judge.forms.logic": ('["one"]', []),
    }


def test_a_comment_is_kept_only_with_a_mark() -> None:
    comments = {line.path: line.comment for line in written_settings(TEXT)}
    assert comments["study"] == ""
    assert comments["models.a.hub"] == '[I] the paper says "a" [V]'


def test_the_full_study_marks_what_the_paper_says() -> None:
    found = {line.path: line for line in written_settings((ROOT / "config.yaml").read_text())}
    assert found["train.recipes.dpo.learning_rate"].marks == ["R"]
    assert found["train.recipes.dpo.learning_rate"].value == "5e-08"
    assert found["judge.model"].marks == ["V"]
    assert found["train.recipes.dpo.batch_size"].marks == []
    assert not any(path.startswith(("compute", "cluster")) for path in found)


def test_the_digest_is_that_of_values_and_marks_whatever_their_order_and_style() -> None:
    one = "a: { b: 1, c: [2, 3] } # [V] it\nd: 4 # ours\ncompute: 9\n"
    other = "d: 4\na: # [V] it\n  c:\n  - 3\n  - 2\n  b: 1\ncompute: 8\n"
    assert written_digest([one]) == written_digest([other])
    for edited in (one.replace("[V]", "[R]"), one.replace("4", "5"), one.replace("b: 1", "b: 0")):
        assert written_digest([edited]) != written_digest([one])
