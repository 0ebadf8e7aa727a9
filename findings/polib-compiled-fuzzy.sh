#!/usr/bin/env bash
# polib: an entry of a compiled catalogue has no attribute `fuzzy`, where one of its source has.
#
# Versions    polib 1.2.0
# Behaviour   polib.pofile and polib.mofile both read a gettext catalogue into entries with msgid, msgstr,
#             msgid_plural and obsolete. POEntry has the property `fuzzy`, by which unfinished translations
#             are left out; MOEntry has not, so that the loop which reads a .po raises AttributeError on the
#             .mo made of it. (A .mo keeps no fuzzy entries by default: none of its entries could be one.)
# Seen        POEntry True for hasattr(entry, "fuzzy"), MOEntry False; the same two translations in both
# Exit        0 if that is still so, 1 if anything differs
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check polib==1.2.0
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
from importlib.metadata import version

import polib

folder = sys.argv[1]
source = polib.POFile()
source.metadata = {"Content-Type": "text/plain; charset=utf-8"}
for english, german in (("dog", "Hund"), ("cat", "Katze")):
    source.append(polib.POEntry(msgid=english, msgstr=german))
source.append(polib.POEntry(msgid="cow", msgstr="Kuh?", flags=["fuzzy"]))
source.save(f"{folder}/a.po")
source.save_as_mofile(f"{folder}/a.mo")

po, mo = polib.pofile(f"{folder}/a.po"), polib.mofile(f"{folder}/a.mo")
has = {type(book[0]).__name__: hasattr(book[0], "fuzzy") for book in (po, mo)}
finished = sorted(entry.msgstr for entry in po if not entry.fuzzy)
compiled = sorted(entry.msgstr for entry in mo)
print("polib", version("polib"), has, finished, compiled)
sys.exit(not (has == {"POEntry": True, "MOEntry": False} and finished == compiled))
PY
