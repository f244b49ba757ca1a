"""The tables of the configuration reference are those that the settings make."""

import re

from documentation.reference import NOT_TOLD, PAGE, generated, tables_of_settings


def test_the_reference_is_as_it_is_generated():
    """Keys, types, defaults and their order are the code's. After a change of the settings: `make reference`."""
    page = PAGE.read_text(encoding="utf-8")

    assert page == generated(page), "run `make reference`"


def test_every_key_says_what_it_means():
    """That is told by people, and asked of them."""
    assert NOT_TOLD not in PAGE.read_text(encoding="utf-8")


def test_what_was_written_by_hand_is_made_right():
    """Of a row that is gone, wrong, made up or out of order nothing is left but what a key means."""
    page = PAGE.read_text(encoding="utf-8")
    row = re.search(r"^\| `store_timeout` .*\n", page, re.MULTILINE)
    cookie = re.search(r"^\| `cookie_name` .*\n", page, re.MULTILINE)
    assert row is not None
    assert cookie is not None

    without = page.replace(row[0], "")
    assert page.replace(row[0], f'| `store_timeout` | duration | `"2s"` | {NOT_TOLD} |\n') == generated(without)
    wrong = row[0].replace('`"2s"`', '`"3s"`').replace("| duration |", "| number |")
    assert row[0] != wrong
    assert page == generated(page.replace(row[0], wrong))
    assert page == generated(page.replace(row[0], row[0] + "| `made_up` | string | none | Nothing. |\n"))
    assert page == generated(without.replace(cookie[0], row[0] + cookie[0]))


def test_every_table_of_the_settings_is_generated():
    """Those within routes included."""
    headings = [heading for heading, _ in tables_of_settings()]
    chapters = re.findall(r"^#{2,3} (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert [] == [heading for heading in headings if heading not in chapters]
    assert {"Top level", "`[session]`", "`[[api]]`", "`allow` in `[[api]]`"} <= set(headings)
