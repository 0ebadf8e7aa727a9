"""Adverbials and other fixed phrases, in both languages.

``|`` splits a phrase into groups that answer to one another in order: in
``in the|morning = am|Morgen`` the words of the first group align with "am". A number before a
German group, as in ``2:``, says which English group it renders when the order differs.
"""

from __future__ import annotations

TIME_PRESENT = """
today = heute
now = jetzt
every|day = jeden|Tag
every|week = jede|Woche
in the|morning = am|Morgen
in the|evening = am|Abend
this|week = diese|Woche
in|summer = im|Sommer
in|winter = im|Winter
"""

TIME_PAST = """
yesterday = gestern
last|week = letzte|Woche
last|month = letzten|Monat
last|year = letztes|Jahr
yesterday|evening = gestern|Abend
this|morning = heute|Morgen
"""

TIME_FUTURE = """
tomorrow = morgen
next|week = nächste|Woche
next|month = nächsten|Monat
next|year = nächstes|Jahr
tomorrow|evening = morgen|Abend
soon = bald
"""

FREQUENCY = """
always = immer
often = oft
never = nie
sometimes = manchmal
rarely = selten
"""

# In the middle of an English clause, and in the German Mittelfeld.
ATTITUDE_MIDDLE = """
probably = wahrscheinlich
certainly = sicher
"""

GLADLY = "gladly = gern"

# With the present perfect, between its two verbs; "yet" stands last and belongs to "not".
ASPECT = """
already = schon
just = gerade
"""
YET = "yet = noch"
PLEASE = "please = bitte"

# At the head of the clause, in both languages; German then inverts.
ATTITUDE_FRONT = """
perhaps = vielleicht
unfortunately = leider
of course = natürlich
therefore = deshalb
"""

# The last column lists the English verbs that go with them.
MANNER = """
quickly = schnell : read write eat drink work repair wash open close drive run go clean swim
slowly = langsam : read write eat drink work open close drive run go clean swim
quietly = leise : laugh sing cry work open close talk play
carefully = vorsichtig : repair wash open close drive clean feed paint
alone = allein : work dance sing swim travel drive go return live play wait
"""

DEGREE = """
very = sehr
too = zu
quite = ziemlich
"""

HOME = "at|home = zu|Hause"
HOMEWARD = "home = nach Hause"
HERE = "here = hier\nthere = dort\noutside = draußen"

# English and German conjunction of verb-final clauses, by the tense of both clauses.
SUBORDINATORS_PRESENT = """
because = weil
although = obwohl
if = wenn
when = wenn
before = bevor
"""
SUBORDINATORS_PAST = """
because = weil
although = obwohl
when = als
before = bevor
while = während
"""

WEEKDAYS = """
Monday Montag
Tuesday Dienstag
Wednesday Mittwoch
Thursday Donnerstag
Friday Freitag
Saturday Samstag
Sunday Sonntag
"""

MONTHS = """
January Januar
February Februar
March März
April April
May Mai
June Juni
July Juli
August August
September September
October Oktober
November November
December Dezember
"""

# Where something lies, with the dative; where it is put, with the accusative.
TWO_WAY = """
on = auf
under = unter
behind = hinter
next to = neben
"""
