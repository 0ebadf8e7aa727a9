"""Greek, Armenian, and languages whose scripts have no capital letters."""

from __future__ import annotations

import re

from npformer.text.sentences.languages.language import (
    BEFORE_NUMBER,
    ENDS,
    GOES_ON,
    MAY_END,
    Language,
    kinds,
    words,
)

GREEK = Language(
    abbreviations=kinds(
        {
            GOES_ON: "κ κα κκ Κ Δρ δρ Δρα καθ Καθ πρωθ π.χ Π.χ δηλ βλ Βλ πρβλ λ.χ τηλ Τηλ αγ Αγ",
            BEFORE_NUMBER: "σελ Σελ αρ Αρ αριθ κεφ Κεφ άρθρ εικ πίν τόμ",
            MAY_END: "π.Χ μ.Χ π.μ μ.μ Α.Ε",
            ENDS: "κ.λπ κλπ κ.ά κ.ο.κ κτλ κ.τ.λ",
        }
    ),
    openers=words(
        "Ο Η Το Οι Τα Τον Την Ένας Μια Μία Ένα Αυτός Αυτή Αυτό Αυτοί Εκείνος Εκείνη Εγώ Εσύ Εμείς"
        " Σε Στο Στη Στην Στον Από Με Για Χωρίς Πριν Μετά Και Αλλά Ή Αν Όταν Ενώ Επειδή Όπως Που"
        " Πού Ποιος Τι Πώς Γιατί Πότε Δεν Ναι Όχι Ήδη Επίσης Τώρα Εδώ Εκεί Τότε Σήμερα Χθες Αύριο"
        " Όλοι Όλα Κανείς Τίποτα Κάθε Πολλοί Είναι Ήταν Έχει Όμως"
    ),
    stops=";",
)

ARMENIAN = Language(
    abbreviations=kinds({GOES_ON: "պրոֆ Պրոֆ դոկ ակադ պարոն օր տիկ", ENDS: "և այլն"}),
    stops=":",
)

HINDI = Language(
    abbreviations=kinds(
        {GOES_ON: "डॉ श्री श्रीमती सुश्री प्रो पं कु स्व एड ले मा रु", BEFORE_NUMBER: "पृ सं क्र"}
    )
)

ARABIC = Language(abbreviations=kinds({GOES_ON: "د أ م ص ج ق.م م ه دكتور أ.د", ENDS: "إلخ الخ"}))

# The English names of letters, as initials are written.
_LETTERS = "ایم اے بی سی ڈی ای ایف جی ایچ آئی جے کے ایل این او پی کیو آر ایس ٹی یو وی ڈبلیو"
URDU = Language(abbreviations=kinds({GOES_ON: _LETTERS + " ڈاکٹر پروفیسر"}))

KHMER = Language(abbreviations=kinds({GOES_ON: "ល ។ល"}))

AMHARIC = Language(
    abbreviations=kinds({GOES_ON: "ዶ/ር ፕ/ር አቶ ወ/ሮ"}), says=re.compile("(?:አለ|አለች|አሉ|ብሎ|ብላ)\\b")
)

CHINESE = Language(says=re.compile("[^，。！？“”「」『』\\s]{0,5}?[说說问問道喊叫答]"))

JAPANESE = Language(says=re.compile("と|って|っ|、"))
