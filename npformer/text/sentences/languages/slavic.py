"""Polish and Russian."""

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

POLISH = Language(
    abbreviations=kinds(
        {
            GOES_ON: (
                "prof Prof dr Dr mgr Mgr inż Inż hab lek med doc ks Ks bp Bp abp św Św gen Gen płk"
                " Płk ppłk mjr kpt por sierż ul Ul al Al pl os im np Np m.in M.in tj Tj tzn tzw ok"
                " Ok godz tel Tel ww ds woj pow gm zob Zob por Por red Red jw ur zm cd ang niem łac"
            ),
            BEFORE_NUMBER: (
                "nr Nr s str Str rys Rys tab Tab ust art Art pkt par rozdz Rozdz t tom ryc"
            ),
            MAY_END: "sp.z.o.o S.A Inc tys mln mld",
            ENDS: "itd itp etc r w n.e p.n.e zł gr",
        }
    ),
    openers=words(
        "On Ona Ono Oni One Ja Ty My Wy Ten Ta To Te Ci Tamten W We Na Z Ze Do Od Po Przed Przez"
        " Dla Bez Nad Pod Przy O U Za I A Ale Lecz Lub Więc Jeśli Jeżeli Gdy Kiedy Ponieważ Chociaż"
        " Jak Gdzie Kto Co Dlaczego Czy Nie Tak Już Także Też Potem Teraz Tu Tam Wtedy Dziś Dzisiaj"
        " Wczoraj Jutro Jego Jej Ich Mój Moja Nasz Wszyscy Wszystko Nikt Nic Ktoś Coś Każdy Wielu"
        " Jest Są Był Była Było Byli Ma Można"
    ),
    leads=words("o w we na od do po przed około ok i z"),
    labels=words("Rozdział Rysunek Tabela Część Artykuł Krok Akt Scena Lekcja Zadanie"),
    exclaimed=words("Yahoo"),
    ordinals=True,
)

RUSSIAN = Language(
    abbreviations=kinds(
        {
            GOES_ON: (
                "г гг гор ул Ул пр просп пл Пл пер наб ш д кв корп обл р-н пос им Им проф Проф"
                " акад Акад доц Доц канд докт к.т.н д.т.н св Св о о-в оз р напр Напр т.е Т.е т.к"
                " т.н т.о тел Тел ок Ок см См ср Ср сокр букв лат англ нем франц устар ред Ред изд"
                " сост б"
            ),
            BEFORE_NUMBER: "рис Рис стр с табл Табл гл Гл ст Ст п пп ч т № илл вып",
            MAY_END: "руб коп тыс млн млрд долл",
            ENDS: "т.д т.п др и.др и.пр н.э д.н.э до.н.э",
        }
    ),
    after_number=kinds({ENDS: "г гг в вв", MAY_END: "м км кг руб коп тыс ч мин сек"}),
    openers=words(
        "Он Она Оно Они Я Ты Мы Вы Этот Эта Это Эти Тот Та То Те В Во На С Со Из К Ко От До По"
        " Перед Через Для Без Над Под При О Об У За И А Но Или Если Когда Потому Хотя Как Где Кто"
        " Что Почему Зачем Не Нет Да Уже Также Тоже Потом Теперь Здесь Там Тогда Сегодня Вчера"
        " Завтра Его Её Ее Их Мой Моя Наш Наша Все Всё Никто Ничто Кто-то Каждый Многие Некоторые"
        " Был Была Было Были Есть Тут Так"
    ),
    leads=words("в во на к с до от около после и по"),
    labels=words("Глава Рисунок Таблица Раздел Часть Статья Шаг Акт Сцена Урок Задача Приложение"),
    exclaimed=words("Yahoo"),
)
