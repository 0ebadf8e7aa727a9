"""Verbs of both languages, by frame: which objects they take, and in which case.

``english : german : subjects : objects``. English gives the base form, then past and participle
if irregular, then a preposition that German has no word for (look for, suchen), or ``+`` and a
particle (picks up the guest, picks him up). German gives the infinitive with ``+`` after a
separable prefix, then the participle and the er-form if irregular; ``sein`` in front names the
auxiliary of the perfect (otherwise haben), ``sich`` a reflexive verb. Subjects and objects are
kinds of noun:

p person   a animal   f food   b food, uncountable   d drink   t text   o object   l device
c clothes   s furniture   w what opens   v vehicle   h place   u building   e event
"""

from __future__ import annotations

INTRANSITIVE = """
work : arbeiten : p
sleep slept slept : schlafen geschlafen schläft : p a
laugh : lachen : p
sing sang sung : singen gesungen : p
dance : tanzen : p
cry : weinen : p
wait : warten : p a
swim swam swum : sein schwimmen geschwommen : p a
come came come : sein kommen gekommen : p
arrive : sein an+kommen gekommen : p v
get got got+up : sein auf+stehen gestanden : p
wake woke woken+up : sein auf+wachen : p a
fall fell fallen+asleep : sein ein+schlafen geschlafen schläft : p a
leave left left : sein weg+gehen gegangen : p
come came come+back : sein zurück+kommen gekommen : p
hurry+up : sich beeilen : p
rest : sich aus+ruhen : p a
"""

ACCUSATIVE = """
see saw seen : sehen gesehen sieht : p a : p a o v h
buy bought bought : kaufen : p : f b d t o l c s v
sell sold sold : verkaufen : p : f b t o c s v
find found found : finden gefunden : p : t o c a
lose lost lost : verlieren verloren : p : t o c
read read read : lesen gelesen liest : p : t
write wrote written : schreiben geschrieben : p : t
translate : übersetzen übersetzt : p : t
eat ate eaten : essen gegessen isst : p a : f b
cook : kochen : p : f b
drink drank drunk : trinken getrunken : p a : d
order : bestellen : p : f b d
pay paid paid for : bezahlen : p : f b d c
look for : suchen : p a : p a t o c
love : lieben : p a : p a
know knew known : kennen gekannt : p : p h t
visit : besuchen : p : p h
meet met met : treffen getroffen trifft : p : p
greet : begrüßen : p : p
kiss : küssen : p : p
admire : bewundern : p : p h
hear heard heard : hören : p a : p a
understand understood understood : verstehen verstanden : p : p t
invite : ein+laden geladen lädt : p : p
call : an+rufen gerufen : p : p
pick+up : ab+holen : p : p
open : öffnen : p : w
close : zu+machen : p : w
turn+on : ein+schalten : p : l
turn+off : aus+schalten : p : l
repair : reparieren : p : l v c
put put put+on : an+ziehen gezogen : p : c
take took taken+off : aus+ziehen gezogen : p : c
wear wore worn : tragen getragen trägt : p : c
bring brought brought+along : mit+bringen gebracht : p : f b t o
take took taken+along : mit+nehmen genommen nimmt : p : t o c a
throw threw thrown+away : weg+werfen geworfen wirft : p : t o c
clean : putzen : p : w s u c
wash : waschen gewaschen wäscht : p : c v a
build built built : bauen : p : u v s
paint : malen : p : p a h
need : brauchen : p : t o c v l
use : benutzen : p : l v o
forget forgot forgotten : vergessen vergessen vergisst : p : t o c e
steal stole stolen : stehlen gestohlen stiehlt : p a : f b
hide hid hidden : verstecken : p a : t o
catch caught caught : fangen gefangen fängt : p a : a
feed fed fed : füttern : p : a
prepare : vor+bereiten bereitet : p : e
"""

DATIVE = """
help : helfen geholfen hilft : p : p a
thank : danken : p : p
answer : antworten : p : p
follow : sein folgen : p a : p a
trust : vertrauen : p : p
congratulate : gratulieren : p : p
listen to : zu+hören : p : p
watch : zu+sehen gesehen sieht : p a : p a
"""

DITRANSITIVE = """
give gave given : geben gegeben gibt : p : f t o c
show showed shown : zeigen : p : t o c v
bring brought brought : bringen gebracht : p : f t o c
send sent sent : schicken : p : t o
read read read : vor+lesen gelesen liest : p : t
write wrote written : schreiben geschrieben : p : t
lend lent lent : leihen geliehen : p : t o c v
offer : an+bieten geboten : p : f o s v
promise : versprechen versprochen verspricht : p : o v
"""

# english preposition, then German preposition and case
PREPOSITIONAL = """
wait : warten : p a : p v : for auf accusative
think thought thought : denken gedacht : p : p e : of an accusative
talk : sprechen gesprochen spricht : p : p e t : about über accusative
dream dreamt dreamt : träumen : p : p h v : of von dative
laugh : lachen : p : p t : at über accusative
ask : bitten gebeten : p : f b d : for um accusative
play : spielen : p a : p a : with mit dative
remember : sich erinnern : p : p e h : - an accusative
look+forward : sich freuen : p : e : to auf accusative
take took taken+part : teil+nehmen genommen nimmt : p : e : in an dative
take took taken+care : sich kümmern : p : p a : of um accusative
"""

# Motion towards a place, a town, or home.
MOTION = """
go went gone : sein gehen gegangen : p
drive drove driven : sein fahren gefahren fährt : p
run ran run : sein laufen gelaufen läuft : p a
travel : sein reisen : p
return : sein zurück+kehren : p
"""

# Being somewhere.
REST = """
live : wohnen : p
stay : sein bleiben geblieben : p a
sit sat sat : sitzen gesessen : p a
stand stood stood : stehen gestanden : p
play : spielen : p a
work : arbeiten : p
sleep slept slept : schlafen geschlafen schläft : p a
"""

# Putting something somewhere: the same prepositions, with the accusative.
PLACING = """
put put put : legen : p : t o c
throw threw thrown : werfen geworfen wirft : p : o c
"""

# What can be said of an event or a vehicle, with a time of day.
HAPPENING = """
begin began begun : beginnen begonnen : e
end : enden : e
take took taken+place : statt+finden gefunden : e
depart : sein ab+fahren gefahren fährt : v
arrive : sein an+kommen gekommen : v
"""

# With a that-clause.
SAYING = """
know knew known : wissen gewusst weiß : p
say said said : sagen : p
believe : glauben : p
think thought thought : denken gedacht : p
hope : hoffen : p
hear heard heard : hören : p
"""

# With a clause of "whether".
ASKING = """
ask : fragen : p
know knew known : wissen gewusst weiß : p
"""

# With "to" and an infinitive; German sets a comma and zu.
TRYING = """
try : versuchen : p
hope : hoffen : p
plan : planen : p
promise : versprechen versprochen verspricht : p
begin began begun : beginnen begonnen : p
forget forgot forgotten : vergessen vergessen vergisst : p
"""
