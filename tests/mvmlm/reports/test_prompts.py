"""Prompts are files: a prefix, the record, a suffix."""

import pytest

from mvmlm.errors import ConfigError
from mvmlm.reports.prompts import Prompt, shipped
from mvmlm.reports.record import Record
from mvmlm.reports.tabular import tabular_lines

RECORD = Record(mass=True, mass_margin="spiculated", birads=5)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_prompt_holds_the_whole_record_and_nothing_of_another(name):
    _, user = Prompt(name).render(RECORD)
    assert "\n".join(tabular_lines(RECORD)) in user
    assert user.replace("spiculated", "obscured") == Prompt(name).render(
        Record(mass=True, mass_margin="obscured", birads=5)
    )[1]


def test_a_file_of_ones_own_sees_the_fields(tmp_path):
    path = tmp_path / "mine.j2"
    path.write_text("{% block system %}Be brief.{% endblock %}{% block user %}{{ fields.birads }}!{% endblock %}")
    assert Prompt(str(path)).render(RECORD) == ("Be brief.", "5!")


def test_another_text_is_another_digest(tmp_path):
    digests = set()
    for words in ("one", "two"):
        (tmp_path / "p.j2").write_text(f"{{% block user %}}{words}{{% endblock %}}")
        digests.add(Prompt(str(tmp_path / "p.j2")).digest)
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{% block system %}x{% endblock %}", "has no block named user"),
        ("{% block user %}{{ records }}{% endblock %}", "'records' is undefined"),
        ("{% block user %}{{ record }", "line 1"),
        ("{% block user %}{{ ''.__class__.__mro__ }}{% endblock %}", "unsafe"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, text, says):
    path = tmp_path / "p.j2"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Prompt(str(path)).render(RECORD)
    assert str(path) in str(caught.value) and says in str(caught.value)


def test_an_unknown_prompt_lists_those_that_ship():
    with pytest.raises(ConfigError, match=r"there is no prompt 'breif'; did you mean 'brief'\? \(shipped: brief, rad"):
        Prompt("breif")
