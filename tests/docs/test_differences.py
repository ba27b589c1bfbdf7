"""docs/differences.md holds every `Differs:` and `Open:` remark of the code, and only those."""

import pytest

SOURCE = '''"""Does things.

Open: the paper does not name
the units of time.
"""

LIMIT = 3  # Open: three is a guess
PRESETS = {
    # Differs: half the batch;
    # it fits everywhere.
    # Open: the seed.
    "small": {"batch": 8},
    "large": {
        # Open: a | b
        "batch": 16,
    },
}


class Net:
    """A net."""

    # Open: the depth is 2.
    depth: int = 2

    def call(self):
        """Calls.

        Differs: nothing is cached.
        """
        # An ordinary comment.
        return 1  # Differs: one, not zero
'''

WANTED = """## agents/tiny

What we do otherwise than the paper or its reference code:

- `code.Net.call`: nothing is cached.
- `code.Net.call`: one, not zero
- `code.PRESETS['small']`: half the batch; it fits everywhere.

What the paper leaves open, and our choice:

- `code`: the paper does not name the units of time.
- `code.LIMIT`: three is a guess
- `code.Net.depth`: the depth is 2.
- `code.PRESETS['large']`: a \\| b
- `code.PRESETS['small']`: the seed.
"""


@pytest.fixture(scope="module")
def differences(load_script):
    return load_script("docs/differences.py")


def write(root, source):
    path = root / "agents" / "tiny" / "code.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)


def test_the_page_is_that_of_the_code(differences, repository):
    wanted = differences.page(repository)
    same = (repository / "docs" / "differences.md").read_text() == wanted
    assert same, "docs/differences.md is out of date: `make differences` writes it anew"


def test_every_remark_is_filed_whole_under_its_symbol(differences, tmp_path):
    write(tmp_path, SOURCE)
    page = differences.page(tmp_path)
    assert page[page.index("## ") :] == WANTED


def test_edits_elsewhere_leave_the_page_as_it_is(differences, tmp_path):
    write(tmp_path, SOURCE)
    before = differences.page(tmp_path)
    write(tmp_path, SOURCE.replace("class Net", "OTHER = 1\n\n\nclass Net"))
    assert differences.page(tmp_path) == before


def test_a_marker_within_a_string_is_no_remark(differences, tmp_path):
    write(tmp_path, 'TEXT = "Differs: it does not"\nprint("# Open: neither")\n')
    assert "## " not in differences.page(tmp_path)
