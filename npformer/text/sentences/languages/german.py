"""German."""

from __future__ import annotations

from npformer.text.sentences.languages.language import (
    BEFORE_NUMBER,
    ENDS,
    GOES_ON,
    MAY_END,
    Language,
    kinds,
    words,
)

GERMAN = Language(
    abbreviations=kinds(
        {
            GOES_ON: (
                "Hr Hrn Fr Frl Dr Dres med phil jur rer.nat rer.pol Prof Dipl Dipl.-Ing Ing Mag"
                " habil Hptm Lt Fa St Skt Nr Nrn z.B z.Bsp zB bzw d.h dh u.a ua ca vgl sog bspw"
                " beispielsw insb insbes ggf evtl inkl exkl einschl zzgl abzgl max min mind gem lt"
                " bes i.d.R i.A i.V i.S z.T zT z.Zt z.Z u.U v.a m.a.W a.a.O s.a s.o s.u o.g vs Tel"
                " Tel.-Nr Hrsg hrsg geb gest verh ehem allg bez bezgl bzgl betr entspr jd jdm jdn"
                " jds etw Verf Vors Stellv stellv Hl hl Kfm Gebr resp Rel evang kath Inh Red Reg"
                " Präs zw urspr eigtl dgl vorm nachm tägl wöchentl mtl jährl Urt d.Gr"
            ),
            BEFORE_NUMBER: (
                "Abs Art Bd Bde Ziff Pos Lit Rn Rdnr Rz Anl Jg Vers Abb Tab Kap Anm Fig Gl"
            ),
            MAY_END: (
                "Jh Jhd Jhdt Chr v.Chr n.Chr Str Pl Mio Mrd Tsd Std Min Sek Jän Jan Feb Mrz Apr"
                " Jun Jul Aug Sep Sept Okt Nov Dez Mo Di Mi Do Sa So e.V e.G Co Inc Ltd o.ä o.Ä u.ä"
                " u.Ä a.D a.M a.d.R d.J d.M u.d.M ü.d.M b.c M.A B.A Ph.D jr sen al s.t c.t"
            ),
            ENDS: "usw u.s.w usf u.s.f etc u.v.m uvm ff Aufl",
        }
    ),
    openers=words(
        "Der Die Das Den Dem Des Ein Eine Einen Einem Einer Eines Er Sie Es Wir Ihr Ich Du Man"
        " Dies Diese Dieser Dieses Diesen Diesem Jene Jener Jenes In Im Am An Auf Aus Bei Beim Mit"
        " Nach Von Vom Vor Zu Zum Zur Für Über Unter Durch Ohne Gegen Um Und Aber Oder Denn Doch"
        " Sondern Wenn Als Da Dann Danach Dort Hier Heute Gestern Jetzt Nun So Also Auch Nur Noch"
        " Schon Nicht Kein Keine Wer Was Wo Wie Warum Wann Weil Während Obwohl Nachdem Bevor Bis"
        " Seit Sein Seine Ihre Mein Meine Unser Unsere Alle Viele Einige Manche Jeder Jede Jedes"
        " Bitte Siehe Damit Dabei Dazu Daher Deshalb Trotzdem Außerdem Später Zuerst Ja Nein Ist"
        " Sind War Hat Haben Kann Können Wird Werden Soll Sollen Muss Müssen Beide Damals Niemand"
        " Jemand Nichts Alles Wieder Davon Dafür Darum Dagegen Zudem Ferner Hierbei Morgen"
    ),
    leads=words(
        "am um im in an auf gegen ab seit bis vor nach der die das dem den und von zum zur"
    ),
    labels=words(
        "Kapitel Abbildung Tabelle Abschnitt Teil Artikel Schritt Akt Szene Lektion Aufgabe Anhang"
        " Buch Band Frage Beispiel Satz Lemma Definition Regel"
    ),
    exclaimed=words("Yahoo Joomla Kahoot"),
    streets=("str",),
    ordinals=True,
)
