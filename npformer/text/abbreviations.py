"""What the sentence tokenizer knows of a language: abbreviations and words that open sentences.

An abbreviation is written without its last full stop and in the case it has inside a sentence
(a capital first letter is also accepted); spaces inside it are left out, so ``z. B.`` is
``z.B``. The four sets differ in what a capital letter after the stop means.
"""

from __future__ import annotations

from typing import NamedTuple


class Rules(NamedTuple):
    """One language's knowledge. The default knows nothing and suits any language with case."""

    never: frozenset[str] = frozenset()  # the sentence always goes on: Dr., e.g., z.B.
    before_number: frozenset[str] = frozenset()  # it goes on before a digit only: No. 5
    may_end: frozenset[str] = frozenset()  # it ends here if a word of `openers` follows: p.m.
    often_end: frozenset[str] = frozenset()  # it ends here unless a small letter follows: etc.
    openers: frozenset[str] = frozenset()  # words whose capital letter means a new sentence
    streets: tuple[str, ...] = ()  # endings of words that a house number follows: Hauptstr. 5
    ordinals: bool = False  # a number with a stop is an ordinal: der 3. März


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ENGLISH = Rules(
    never=_words(
        "Mr Mrs Ms Messrs Mx Dr Prof Rev Hon Gen Col Maj Capt Cpt Lt Sgt Cpl Adm Cmdr Gov Sen Rep"
        " Pres St Ste Mt Ft Fr Sr.Dr e.g eg i.e cf viz vs v approx ca c resp incl excl esp ie"
        " Supt Insp sb sth"
    ),
    before_number=_words(
        "No no Nos nos pp Vol vol vols Ch ch Chap chap Par par Sec sec Sect Col col Pt ed Op op"
        " Fig fig Figs figs Eq eq Eqs eqs Tab tab Ref Refs Thm Def"
    ),
    may_end=_words(
        "Inc Ltd Co Corp Bros Cos LLC Jr Sr Esq Ph.D M.D B.A M.A B.Sc M.Sc a.m p.m A.M P.M"
        " U.S U.K U.N E.U D.C Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues"
        " Thu Thur Thurs Fri Sat Ave Blvd Rd Hwy dept univ est assn govt min max avg al"
        " ibid misc B.C A.D"
    ),
    often_end=_words("etc et.c"),
    openers=_words(
        "The A An He She It We They You I This That These Those There Here In On At By For From"
        " With Without But And Or So If When While Although Because After Before As Then Thus"
        " However Therefore His Her Its Our Their My Your Not No Yes What Who Why How Where Which"
        " Please See Use To Now Also Some Many All Most Each Every Since Until During Under Over"
        " Once Later Meanwhile Perhaps Nobody Nothing Everyone Everybody Someone Let Do Does Did"
        " Is Are Was Were Can Could Will Would Should May Might It's I'm We're They're Don't"
    ),
)

GERMAN = Rules(
    never=_words(
        "Hr Hrn Fr Frl Dr Dres med phil jur rer.nat rer.pol Prof Dipl Dipl.-Ing Ing Mag habil"
        " St Skt Nr Nrn z.B z.Bsp zB bzw"
        " d.h dh u.a ua ca vgl sog bspw beispielsw insb insbes ggf evtl inkl exkl einschl zzgl"
        " abzgl max min mind gem lt bes i.d.R i.A i.V i.S z.T zT z.Zt u.U v.a m.a.W a.a.O s.a s.o"
        " s.u o.g vs Tel Hrsg hrsg geb gest verh ehem allg bez bezgl betr"
        " entspr jd jdm jdn jds etw Verf Vors Stellv stellv Hl hl Kfm Gebr resp Rel evang kath"
        " Inh Red Reg Präs"
    ),
    before_number=_words(
        "Abs Art Bd Bde Ziff Pos Lit Rn Rdnr Rz Anl Jg Vers Abb Tab Kap Anm Fig Gl"
    ),
    may_end=_words(
        "Jh Jhd Jhdt Chr v.Chr n.Chr Str Pl Mio Mrd Tsd Std Min Sek Jän Jan Feb Mrz Apr Jun Jul"
        " Aug Sep Sept Okt Nov Dez Mo Di Mi Do Sa So e.V e.G Co Inc Ltd o.ä o.Ä u.ä u.Ä a.D a.M"
        " a.d.R d.J d.M u.d.M ü.d.M b.c M.A B.A Ph.D jr sen al s.t c.t"
    ),
    often_end=_words("usw u.s.w usf u.s.f etc u.v.m uvm ff Aufl"),
    openers=_words(
        "Der Die Das Den Dem Des Ein Eine Einen Einem Einer Eines Er Sie Es Wir Ihr Ich Du Man"
        " Dies Diese Dieser Dieses Diesen Diesem Jene Jener Jenes In Im Am An Auf Aus Bei Beim Mit"
        " Nach Von Vom Vor Zu Zum Zur Für Über Unter Durch Ohne Gegen Um Und Aber Oder Denn Doch"
        " Sondern Wenn Als Da Dann Danach Dort Hier Heute Gestern Jetzt Nun So Also Auch Nur Noch"
        " Schon Nicht Kein Keine Wer Was Wo Wie Warum Wann Weil Während Obwohl Nachdem Bevor Bis"
        " Seit Sein Seine Ihre Mein Meine Unser Unsere Alle Viele Einige Manche Jeder Jede Jedes"
        " Bitte Siehe Damit Dabei Dazu Daher Deshalb Trotzdem Außerdem Später Zuerst Ja Nein"
        " Ist Sind War Hat Haben Kann Können Wird Werden Soll Sollen Muss Müssen Beide Damals"
    ),
    streets=("str",),
    ordinals=True,
)

LANGUAGES = {"en": ENGLISH, "de": GERMAN}


def rules_for(language: str) -> Rules:
    """The rules of ``en``, ``de-AT``, ...; of a language that is not listed, ``Rules()``."""
    return LANGUAGES.get(language.lower().replace("_", "-").split("-")[0], Rules())
