"""Spanish, Italian, French and Portuguese."""

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

SPANISH = Language(
    abbreviations=kinds(
        {
            GOES_ON: (
                "Sr Sra Sres Sras Srta Srtas Dr Dra Dres Dras Lic Lcdo Lcda Ing Prof Profa Arq Abg"
                " Ud Uds Vd Vds Excmo Excma Ilmo Ilma Mons Fr Sto Sta Gral Cnel Cap Tte Sgto Alte"
                " Rvdo Rdo Hno Hna P.ej p.ej ej Av Avda Avd av Pza Pl Ctra Urb Dpto Depto dpto"
                " depto aprox máx mín cf cfr vid v vs ca tel Tel tfno Tfno EE FF CC M.ª D.ª"
            ),
            BEFORE_NUMBER: (
                "núm Núm núms nro Nro n nº pág Pág págs Págs p pp cap Cap caps vol Vol vols art"
                " Art arts fig Fig figs t s ss ed párr inc"
            ),
            MAY_END: "EE.UU FF.AA CC.OO a.C d.C a.m p.m a.J.C C S.A S.L Cía Jr Inc",
            ENDS: "etc",
        }
    ),
    openers=words(
        "El La Los Las Lo Un Una Unos Unas Él Ella Ellos Ellas Yo Tú Usted Ustedes Nosotros Se Me"
        " Te Le Les Nos Este Esta Estos Estas Ese Esa Esos Esas Eso Esto Aquel Aquella En De Del"
        " Con Sin Por Para A Al Ante Bajo Desde Entre Hacia Hasta Según Sobre Tras Y E O Pero Sino"
        " Si Cuando Mientras Aunque Porque Como Donde Que Qué Quién Cómo Cuándo Dónde Cuál No Sí Ya"
        " También Además Luego Después Antes Hoy Ayer Mañana Ahora Allí Aquí Entonces Así Su Sus Mi"
        " Mis Nuestro Nuestra Todo Toda Todos Todas Nadie Nada Algo Alguien Cada Muchos Muchas"
        " Algunos Otros Es Son Era Fue Fueron Hay Había Está Están"
    ),
    leads=words("a al en de del desde hasta hacia por el la los las y"),
    labels=words("Capítulo Figura Tabla Sección Parte Artículo Paso Acto Escena Lección Ejercicio"),
    exclaimed=words("Yahoo"),
)

ITALIAN = Language(
    abbreviations=kinds(
        {
            GOES_ON: (
                "sig Sig sigg Sigg sig.ra Sig.ra sig.na Sig.na sig.re Sig.re dott Dott dott.ssa"
                " Dott.ssa dr Dr dr.ssa Dr.ssa prof Prof prof.ssa Prof.ssa proff avv Avv ing Ing"
                " arch Arch geom Geom rag Rag rev Rev mons Mons on On sen Sen gen Gen col Col cap"
                " Cap magg Magg ten Ten S SS Sta Sto spett Spett egr Egr gent Gent ill Ill es ad.es"
                " p.es ca cfr cf vs tel Tel P.zza p.zza V.le v.le C.so c.so"
            ),
            BEFORE_NUMBER: (
                "pag Pag pagg Pagg p pp fig Fig figg art Art artt n nn num nr vol Vol voll capp"
                " sez Sez par tab Tab ed"
            ),
            MAY_END: "a.C d.C S.p.A S.r.l S.n.c Jr Inc",
            ENDS: "ecc etc",
        }
    ),
    openers=words(
        "Il Lo La I Gli Le Un Uno Una L' Egli Ella Lui Lei Loro Noi Voi Io Tu Si Mi Ti Ci Vi"
        " Questo Questa Questi Queste Quello Quella Quelli Quelle In Di A Da Con Su Per Tra Fra Del"
        " Della Dei Delle Nel Nella Nei Nelle Al Alla Ai Alle Dal Dalla Sul Sulla E Ed O Ma Però Se"
        " Quando Mentre Anche Perché Come Dove Che Chi Cosa Quale Non Sì No Già Poi Dopo Prima Oggi"
        " Ieri Domani Ora Qui Lì Là Allora Così Suo Sua Suoi Sue Mio Mia Nostro Nostra Tutto Tutta"
        " Tutti Tutte Nessuno Niente Ogni Molti Molte Alcuni Altri È Sono Era Erano Fu Furono C'è"
        " Ha Hanno"
    ),
    leads=words("a al alle in nel di del da dal dalle per il la le e verso"),
    labels=words(
        "Capitolo Figura Tabella Sezione Parte Articolo Passo Atto Scena Lezione Esercizio"
    ),
    exclaimed=words("Yahoo"),
)

FRENCH = Language(
    abbreviations=kinds(
        {
            GOES_ON: (
                "M MM Mme Mmes Mlle Mlles Dr Drs Pr Prof Me Mgr Mgrs St Ste Sts Stes R.P Cdt Gal"
                " Col Cap Lt Sgt env Env av apr ex p.ex P.ex cf Cf v vs c.-à-d c.à.d ca tél Tél bd"
                " Bd boul Boul éd coll trad dir"
            ),
            BEFORE_NUMBER: (
                "no No nos n° N° p pp fig Fig figs art Art arts vol Vol vols chap Chap ch t tab"
                " Tab al § réf"
            ),
            MAY_END: "J.-C av.J.-C apr.J.-C S.A Cie Jr Inc",
            ENDS: "etc",
        }
    ),
    openers=words(
        "Le La Les L' Un Une Des Du De Il Elle Ils Elles On Je Tu Nous Vous Ce Cet Cette Ces C'est"
        " Cela Ça Celui Celle Ceux En Dans Sur Sous Avec Sans Pour Par À A Au Aux Chez Entre Vers"
        " Depuis Pendant Avant Après Et Ou Mais Donc Or Car Si Quand Lorsque Comme Parce Puisque"
        " Bien Que Qui Quoi Où Comment Pourquoi Quel Quelle Ne Non Oui Déjà Puis Ensuite Alors"
        " Ainsi Aussi Enfin Hier Aujourd'hui Demain Maintenant Ici Là Son Sa Ses Mon Ma Mes Notre"
        " Nos Votre Vos Leur Leurs Tout Toute Tous Toutes Personne Rien Chaque Plusieurs Certains"
        " D'autres Est Sont Était Étaient Fut Voici Voilà"
    ),
    leads=words("à au aux en dans de du des le la les vers depuis dès et pour"),
    labels=words("Chapitre Figure Tableau Section Partie Article Étape Acte Scène Leçon Exercice"),
    exclaimed=words("Yahoo"),
)

PORTUGUESE = Language(
    abbreviations=kinds(
        {
            GOES_ON: (
                "Sr Sra Srs Sras Srta Dr Dra Drs Dras Prof Profa Profs Eng Engª Engº Arq Exmo Exma"
                " Ilmo Ilma Revmo Pe Fr D.ª Sto Sta St Gen Cel Cap Maj Ten Sgt Av R Pça Est Rod"
                " aprox máx mín cf v vs ca p.ex P.ex ex tel Tel V.Ex V.Exa V.Sa Depto depto"
            ),
            BEFORE_NUMBER: (
                "n nº núm Núm pág Pág págs p pp cap Cap caps vol Vol vols art Art arts fig Fig"
                " figs t ed inc par"
            ),
            MAY_END: "a.C d.C S.A Ltda Cia Jr Inc",
            ENDS: "etc",
        }
    ),
    openers=words(
        "O A Os As Um Uma Uns Umas Ele Ela Eles Elas Eu Tu Você Vocês Nós Se Me Te Este Esta Estes"
        " Estas Esse Essa Esses Essas Isso Isto Aquele Aquela Em De Do Da Dos Das No Na Nos Nas Com"
        " Sem Por Pelo Pela Para Ao À Aos Às Entre Até Desde Sobre Sob E Ou Mas Porém Se Quando"
        " Enquanto Embora Porque Como Onde Que Quem Qual Não Sim Já Também Além Depois Antes Hoje"
        " Ontem Amanhã Agora Ali Aqui Lá Então Assim Seu Sua Seus Suas Meu Minha Nosso Nossa Todo"
        " Toda Todos Todas Ninguém Nada Algo Alguém Cada Muitos Muitas Alguns Outros É São Era Eram"
        " Foi Foram Há Havia Está Estão"
    ),
    leads=words("a à às ao em no na de do da desde até por o os as e"),
    labels=words("Capítulo Figura Tabela Seção Secção Parte Artigo Passo Ato Cena Lição Exercício"),
    exclaimed=words("Yahoo"),
)
