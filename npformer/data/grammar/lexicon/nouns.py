"""Nouns of both languages, by kind, in the form of a dictionary entry.

One line is ``english[/plural]  article nominative, genitive, plural``. The English plural is
regular unless given; the gender is that of the article. A masculine noun whose genitive ends in
-n belongs to the n-declension (der Junge, des Jungen).
"""

from __future__ import annotations

PERSON = """
man/men       der Mann, Mannes, Männer
woman/women   die Frau, Frau, Frauen
child/children das Kind, Kindes, Kinder
boy           der Junge, Jungen, Jungen
girl          das Mädchen, Mädchens, Mädchen
friend        der Freund, Freundes, Freunde
neighbor      der Nachbar, Nachbarn, Nachbarn
teacher       der Lehrer, Lehrers, Lehrer
student       der Student, Studenten, Studenten
doctor        der Arzt, Arztes, Ärzte
king          der König, Königs, Könige
queen         die Königin, Königin, Königinnen
farmer        der Bauer, Bauern, Bauern
baker         der Bäcker, Bäckers, Bäcker
judge         der Richter, Richters, Richter
painter       der Maler, Malers, Maler
soldier       der Soldat, Soldaten, Soldaten
president     der Präsident, Präsidenten, Präsidenten
tourist       der Tourist, Touristen, Touristen
guest         der Gast, Gastes, Gäste
colleague     der Kollege, Kollegen, Kollegen
customer      der Kunde, Kunden, Kunden
boss          der Chef, Chefs, Chefs
waiter        der Kellner, Kellners, Kellner
nurse         die Krankenschwester, Krankenschwester, Krankenschwestern
musician      der Musiker, Musikers, Musiker
lawyer        der Anwalt, Anwalts, Anwälte
prince        der Prinz, Prinzen, Prinzen
thief/thieves der Dieb, Diebes, Diebe
"""

KIN = """
father        der Vater, Vaters, Väter
mother        die Mutter, Mutter, Mütter
brother       der Bruder, Bruders, Brüder
sister        die Schwester, Schwester, Schwestern
son           der Sohn, Sohnes, Söhne
daughter      die Tochter, Tochter, Töchter
uncle         der Onkel, Onkels, Onkel
aunt          die Tante, Tante, Tanten
grandfather   der Großvater, Großvaters, Großväter
grandmother   die Großmutter, Großmutter, Großmütter
"""

ANIMAL = """
dog           der Hund, Hundes, Hunde
cat           die Katze, Katze, Katzen
horse         das Pferd, Pferdes, Pferde
bird          der Vogel, Vogels, Vögel
cow           die Kuh, Kuh, Kühe
mouse/mice    die Maus, Maus, Mäuse
bear          der Bär, Bären, Bären
lion          der Löwe, Löwen, Löwen
elephant      der Elefant, Elefanten, Elefanten
monkey        der Affe, Affen, Affen
pig           das Schwein, Schweins, Schweine
fox           der Fuchs, Fuchses, Füchse
"""

FOOD = """
apple         der Apfel, Apfels, Äpfel
cake          der Kuchen, Kuchens, Kuchen
egg           das Ei, Eies, Eier
potato/potatoes die Kartoffel, Kartoffel, Kartoffeln
tomato/tomatoes die Tomate, Tomate, Tomaten
banana        die Banane, Banane, Bananen
sausage       die Wurst, Wurst, Würste
pear          die Birne, Birne, Birnen
"""

MASS_FOOD = """
bread         das Brot, Brotes
cheese        der Käse, Käses
meat          das Fleisch, Fleisches
rice          der Reis, Reises
soup          die Suppe, Suppe
"""

DRINK = """
water         das Wasser, Wassers
milk          die Milch, Milch
coffee        der Kaffee, Kaffees
tea           der Tee, Tees
beer          das Bier, Bieres
wine          der Wein, Weines
"""

TEXT = """
book          das Buch, Buches, Bücher
letter        der Brief, Briefes, Briefe
newspaper     die Zeitung, Zeitung, Zeitungen
poem          das Gedicht, Gedichts, Gedichte
story         die Geschichte, Geschichte, Geschichten
novel         der Roman, Romans, Romane
report        der Bericht, Berichts, Berichte
"""

THING = """
key           der Schlüssel, Schlüssels, Schlüssel
bag           die Tasche, Tasche, Taschen
cup           die Tasse, Tasse, Tassen
bottle        die Flasche, Flasche, Flaschen
plate         der Teller, Tellers, Teller
knife/knives  das Messer, Messers, Messer
umbrella      der Regenschirm, Regenschirms, Regenschirme
picture       das Bild, Bildes, Bilder
ball          der Ball, Balles, Bälle
gift          das Geschenk, Geschenks, Geschenke
ring          der Ring, Ringes, Ringe
flower        die Blume, Blume, Blumen
map           die Karte, Karte, Karten
guitar        die Gitarre, Gitarre, Gitarren
candle        die Kerze, Kerze, Kerzen
"""

DEVICE = """
lamp          die Lampe, Lampe, Lampen
computer      der Computer, Computers, Computer
radio         das Radio, Radios, Radios
machine       die Maschine, Maschine, Maschinen
"""

CLOTHES = """
shirt         das Hemd, Hemdes, Hemden
dress         das Kleid, Kleides, Kleider
coat          der Mantel, Mantels, Mäntel
hat           der Hut, Hutes, Hüte
shoe          der Schuh, Schuhs, Schuhe
jacket        die Jacke, Jacke, Jacken
"""

SURFACE = """
table         der Tisch, Tisches, Tische
chair         der Stuhl, Stuhls, Stühle
bed           das Bett, Bettes, Betten
shelf/shelves das Regal, Regals, Regale
sofa          das Sofa, Sofas, Sofas
"""

OPENABLE = """
door          die Tür, Tür, Türen
window        das Fenster, Fensters, Fenster
suitcase      der Koffer, Koffers, Koffer
box           die Kiste, Kiste, Kisten
"""

VEHICLE = """
car           das Auto, Autos, Autos
boat          das Boot, Bootes, Boote
train         der Zug, Zuges, Züge
bus           der Bus, Busses, Busse
ship          das Schiff, Schiffs, Schiffe
"""

EVENT = """
concert       das Konzert, Konzerts, Konzerte
party         das Fest, Festes, Feste
exam          die Prüfung, Prüfung, Prüfungen
wedding       die Hochzeit, Hochzeit, Hochzeiten
film          der Film, Films, Filme
game          das Spiel, Spiels, Spiele
trip          die Reise, Reise, Reisen
"""

WEATHER = """
rain          der Regen, Regens
snow          der Schnee, Schnees
storm         der Sturm, Sturms
heat          die Hitze, Hitze
noise         der Lärm, Lärms
"""

# After the entry: `; where` (English and German preposition of rest, with the dative) and
# `; whither` (German preposition that answers to English "to"; in, an and auf take the
# accusative there, zu the dative).
PLACE = """
house         das Haus, Hauses, Häuser; in in; zu
school        die Schule, Schule, Schulen; at in; zu
church        die Kirche, Kirche, Kirchen; in in; zu
hospital      das Krankenhaus, Krankenhauses, Krankenhäuser; in in; in
museum        das Museum, Museums, Museen; in in; in
hotel         das Hotel, Hotels, Hotels; in in; zu
restaurant    das Restaurant, Restaurants, Restaurants; in in; in
library       die Bibliothek, Bibliothek, Bibliotheken; in in; in
theater       das Theater, Theaters, Theater; at in; in
market        der Markt, Marktes, Märkte; at auf; auf
park          der Park, Parks, Parks; in in; in
garden        der Garten, Gartens, Gärten; in in; in
forest        der Wald, Waldes, Wälder; in in; in
city          die Stadt, Stadt, Städte; in in; in
village       das Dorf, Dorfes, Dörfer; in in; in
beach         der Strand, Strandes, Strände; on an; an
station       der Bahnhof, Bahnhofs, Bahnhöfe; at an; zu
office        das Büro, Büros, Büros; in in; in
kitchen       die Küche, Küche, Küchen; in in; in
factory       die Fabrik, Fabrik, Fabriken; in in; in
castle        das Schloss, Schlosses, Schlösser; in in; zu
airport       der Flughafen, Flughafens, Flughäfen; at an; zu
bridge        die Brücke, Brücke, Brücken; on auf; zu
lake          der See, Sees, Seen; at an; zu
mountain      der Berg, Berges, Berge; on auf; auf
island        die Insel, Insel, Inseln; on auf; auf
"""

# Places that people build and clean.
BUILDINGS = frozenset(
    "house school church hospital museum hotel restaurant library theater office factory castle "
    "bridge kitchen".split()
)

# Things that belong to other things: "the price of the house".
PART = """
price         der Preis, Preises, Preise
color         die Farbe, Farbe, Farben
owner         der Besitzer, Besitzers, Besitzer
name          der Name, Namens, Namen
"""

# Names that are the same in both languages; the German genitive adds a bare -s.
WOMEN = "Anna Maria Julia Lena Clara Sarah Laura Emma".split()
MEN = "Peter Paul Martin Daniel Simon David Robert Oliver".split()

# English and German names of towns and countries: in / nach, without an article.
TOWNS = """
Berlin Berlin
Hamburg Hamburg
Munich München
Vienna Wien
Cologne Köln
Zurich Zürich
Rome Rom
Germany Deutschland
Italy Italien
France Frankreich
Spain Spanien
Austria Österreich
"""
