"""Dutch, Danish (Norwegian takes its rules) and Swedish."""

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

DUTCH = Language(
    abbreviations=kinds(
        {
            GOES_ON: (
                "dhr Dhr mevr Mevr mw Mw mej Mej mr Mr ir Ir ing Ing drs Drs dr Dr prof Prof ds Ds"
                " jhr Jhr jkvr lic St st Z.K.H H.M gen kol kap lt bijv Bijv bv b.v d.w.z m.a.w o.a"
                " O.a o.m m.b.t i.v.m t.a.v t.b.v t.o.v t.g.v n.a.v i.p.v a.u.b z.g zgn ca circa"
                " resp evt incl excl max min tel Tel vgl cf vs jl w.o m.n i.h.a i.t.t"
            ),
            BEFORE_NUMBER: (
                "blz Blz p pp fig Fig afb Afb art Art nr Nr nrs hfst Hfst dl par lid tab"
            ),
            MAY_END: "v.Chr n.Chr B.V N.V Jr Inc",
            ENDS: "enz etc e.d e.a m.m",
        }
    ),
    openers=words(
        "De Het Een Hij Zij Ze Wij We Jij Je Jullie U Ik Er Dit Dat Deze Die In Op Aan Bij Met Na"
        " Van Voor Over Onder Door Zonder Tegen Om Uit Tot Tussen En Maar Of Want Dus Als Toen Dan"
        " Daar Hier Daarna Nu Zo Ook Niet Geen Wie Wat Waar Hoe Waarom Wanneer Omdat Terwijl Hoewel"
        " Nadat Voordat Sinds Zijn Haar Hun Mijn Onze Ons Uw Alle Veel Sommige Iedere Elke Ieder"
        " Niemand Iemand Niets Iets Alles Vandaag Gisteren Morgen Later Eerst Toch Bovendien Ja Nee"
        " Is Was Waren Heeft Had Kan Moet Zal Men"
    ),
    leads=words("om in op aan van voor na rond tegen tot de het en vanaf"),
    labels=words("Hoofdstuk Figuur Tabel Paragraaf Deel Artikel Stap Les Oefening Bijlage"),
    exclaimed=words("Yahoo"),
)

DANISH = Language(
    abbreviations=kinds(
        {
            GOES_ON: (
                "hr Hr fr Fr frk Frk dr Dr prof Prof skt Skt sct Sct adv dir red f.eks F.eks fx"
                " bl.a Bl.a bla m.a d.v.s dvs pga p.g.a ca Ca kl tlf Tlf jf jfr iflg ift ifm mht"
                " vedr hhv inkl ekskl evt Evt maks min vs cand lic mag stud gl"
            ),
            BEFORE_NUMBER: "nr Nr s S kap Kap stk Stk pkt Pkt art fig Fig tab Tab bd §",
            MAY_END: (
                "f.Kr e.Kr A/S Inc mio Mio mia kr jan Jan feb Feb mar apr Apr jun jul aug Aug sept"
                " Sept okt Okt nov Nov dec Dec årh"
            ),
            ENDS: "osv o.s.v etc m.m m.v m.fl o.l o.lign",
        }
    ),
    openers=words(
        "Den Det De En Et Han Hun Vi Jeg Du Man Der Dette Denne Disse I På Ved Med Efter Fra For"
        " Over Under Gennem Uden Mod Om Til Af Og Men Eller Så Hvis Når Da Som Derefter Her Nu Også"
        " Kun Ikke Ingen Hvem Hvad Hvor Hvordan Hvorfor Hvornår Fordi Mens Selvom Siden Hans Hendes"
        " Deres Min Mit Vores Alle Mange Nogle Hver Hvert Begge Ingenting Alt Senere Først Ja Nej"
        " Er Var Har Havde Kan Kunne Skal Vil"
    ),
    leads=words("kl i på den fra til om ca omkring før efter og ved"),
    labels=words("Kapitel Figur Tabel Afsnit Del Artikel Trin Akt Scene Lektion Opgave Bilag"),
    exclaimed=words("Yahoo"),
    ordinals=True,
)

SWEDISH = Language(
    abbreviations=kinds(
        {
            GOES_ON: (
                "hr Hr fr Fr frk Frk dr Dr prof Prof doc ing S:t S:ta St f.d t.ex T.ex bl.a Bl.a"
                " m.a d.v.s dvs s.k ca Ca c:a kl t.o.m fr.o.m f.r.o.m p.g.a pga e.g tel Tel jfr Jfr"
                " jmf resp inkl exkl ev Ev forts max min vs fil kand mag lic med"
            ),
            BEFORE_NUMBER: "nr Nr s sid kap Kap st art fig Fig tab Tab bd §",
            MAY_END: (
                "f.Kr e.Kr AB kr Kr jan Jan feb Feb mars apr Apr jun jul aug Aug sept Sept okt Okt"
                " nov Nov dec Dec milj mån"
            ),
            ENDS: "osv o.s.v o.dyl etc m.m m.fl e.d",
        }
    ),
    openers=words(
        "Den Det De En Ett Han Hon Vi Ni Jag Du Man Där Detta Denna Dessa I På Vid Med Efter Från"
        " För Över Under Genom Utan Mot Om Till Av Och Men Eller Så Ifall När Då Som Sedan Här Nu"
        " Också Även Bara Inte Ingen Vem Vad Var Hur Varför Eftersom Medan Trots Hans Hennes Deras"
        " Min Mitt Vår Våra Alla Många Några Varje Båda Ingenting Allt Idag Senare Först Ja Nej Är"
        " Har Hade Kan Kunde Ska Vill Kom"
    ),
    leads=words("kl i på den från till om ca omkring före efter och vid år"),
    labels=words("Kapitel Figur Tabell Avsnitt Del Artikel Steg Akt Scen Lektion Uppgift Bilaga"),
    exclaimed=words("Yahoo"),
)
