"""English."""

from __future__ import annotations

import re

from npformer.text.sentences.languages.language import (
    BEFORE_NUMBER,
    ENDS,
    GOES_ON,
    MAY_END,
    NAMES_END,
    Kind,
    Language,
    kinds,
    words,
)

_TIME = NAMES_END._replace(
    unless=words(
        "Monday Tuesday Wednesday Thursday Friday Saturday Sunday Mon Tue Tues Wed Thu Thur Thurs"
        " Fri Sat Sun January February March April June July August September October November"
        " December EST EDT CST CDT MST MDT PST PDT AST AKST HST GMT UTC BST CET CEST IST JST AEST"
        " ET CT MT PT E.S.T E.D.T C.S.T C.D.T M.S.T P.S.T P.D.T G.M.T Eastern Central Mountain"
        " Pacific Atlantic Greenwich"
    )
)
_COMPANY = NAMES_END._replace(
    unless=words("Chairman Chairwoman Chief President CEO CFO Vice Director Executive Founder")
)
_DEGREES = Kind(number=False, opener=True, title=True, capital=True, unless=words("C F K N S W E"))

ENGLISH = Language(
    abbreviations=kinds(
        {
            GOES_ON: (
                "Mr Mrs Ms Messrs Mx Dr Drs Prof Rev Revd Fr Hon Rt Gen Col Maj Capt Cpt Lt Sgt"
                " Cpl Pvt Adm Cmdr Brig Gov Sen Sens Rep Reps Pres Amb Atty St Ste Mt Mts Ft Sr.Dr"
                " Supt Insp Det Asst Msgr Hrh e.g eg i.e ie cf viz vs v approx ca c incl excl esp"
                " a.k.a f.e w.r.t sb sth spp subsp gen sp var Proc Natl Acad Sci Univ Intl"
            ),
            BEFORE_NUMBER: (
                "No no Nos nos N° n° № p pp Vol vol Vols vols Ch ch Chs chs Chap chap Par par Para"
                " para Sec sec Secs secs Sect sect Art art Arts Cl cl Pt pt Pts pts Op op Bk bk Ex"
                " Fig fig Figs figs Eq eq Eqs eqs Eqn eqn Tab tab Ref ref Refs refs Thm Def Prop"
                " App ed Tel tel Ext ext l ll n nn Del Lev Num Deut Josh Judg Sam Kgs Chr Chron Neh"
                " Esth Ps Pss Prov Eccl Eccles Isa Jer Lam Ezek Hos Obad Mic Nah Hab Zeph Hag Zech"
                " Matt Rom Cor Gal Eph Phil Thess Philem Heb Jas Exod Tob Macc Sir"
            ),
            MAY_END: (
                "Jr Sr Esq U.S U.K U.N E.U U.S.A D.C N.Y L.A Jan Feb Mar Apr Jun Jul Aug Sep Sept"
                " Oct Nov Dec Mon Tue Tues Wed Thu Thur Thurs Fri Ave Blvd Rd Hwy Ln Dept dept univ"
                " est assn govt Govt temp min max avg al resp ibid misc B.C A.D Ala Ariz Ark Calif"
                " Colo Conn Fla Ga Ind Kan Ky Mass Mich Minn Mont Neb Nev Okla Penn Pa Tenn Tex Va"
                " Vt Wash Wis Wyo"
            ),
            NAMES_END: (
                "Ph.D PhD D.Phil M.D B.A M.A B.S M.S B.Sc M.Sc M.B.A LL.B LL.M J.D D.D.S M.Phil"
                " Ed.D R.N C.P.A"
            ),
            _COMPANY: "Inc Ltd Co co Corp Bros Cos LLC Plc plc B.V N.V S.A A.G",
            _TIME: "a.m p.m A.M P.M am pm",
            ENDS: "etc et.c",
        }
    ),
    after_number=kinds(
        {
            BEFORE_NUMBER: (
                "ft in yd yds mi oz lb lbs st qt qts pt pts gal gals fl tsp tbsp hr hrs min mins"
                " sec secs wk wks mo mos yr yrs cm mm km kg dr cwt sq cu"
            ),
            _DEGREES: "deg",
            ENDS: "St Ave Rd Blvd",
        }
    ),
    after_name=kinds({MAY_END: "St"}),
    openers=words(
        "The A An He She It We They You I This That These Those There Here In On At By For From"
        " With Without But And Or So If When While Although Because After Before As Then Thus"
        " However Therefore Moreover Furthermore Nevertheless Instead Indeed Still Yet His Her Its"
        " Our Their My Your Not No Yes Nor What Who Whom Whose Why How Where Which Whether Unless"
        " Please See Use To Now Also Even Just Only Some Many Most All Both Each Every Few Several"
        " Other Others Since Until During Under Over Into Through Despite Between Among Once Twice"
        " Later Meanwhile Perhaps Maybe Sometimes Often Today Tomorrow Yesterday Soon Nobody"
        " Nothing Everyone Everybody Everything Someone Somebody Something Anyone Let Do Does Did"
        " Is Are Was Were Am Has Have Had Can Could Will Would Shall Should May Might Must It's I'm"
        " I've I'll I'd He's She's We're We've They're You're That's There's What's Don't Didn't"
        " Isn't Let's One Two Three Four Five Six Seven Eight Nine Ten Hundreds Thousands Millions"
        " Billions Dozens People Such According"
    ),
    leads=words(
        "at by in on around about before after until till since from between to and & the of for"
        " every"
    ),
    labels=words(
        "Chapter Figure Table Section Part Article Step Act Scene Lesson Unit Exercise Appendix"
        " Book Volume Question Problem Example Theorem Lemma Definition Rule"
    ),
    exclaimed=words("Yahoo Jeopardy Joomla Kahoot Wham Oklahoma"),
    says=re.compile(
        r"(?!(?:He|She|It|They|We|You|I|The|Nobody|Everyone|No|Then|And|But|Someone)\b)"
        r"(?:(?:Mr|Mrs|Ms|Dr|Prof)\. )?[A-Z][\w'’-]{1,30}(?: [A-Z][\w'’-]{1,30})?"
        r" (?:said|says|asked|asks|replied|answered|cried|shouted|whispered|called|added|exclaimed"
        r"|muttered|murmured|demanded|wondered|yelled|insisted|continued)\b"
    ),
)
