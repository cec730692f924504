"""Makes conversations for measuring memory: long talk with facts placed early, the same every time. Pure; any thread.

They are made of written sentences, in Japanese and English. A fact is something the user says once, among other things,
in the first part; its value stands nowhere else.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Language = Literal["en", "ja"]
CONVERSATIONS: Final = 40
MIN_TURNS, MAX_TURNS = 30, 400
"""The shortest and the longest have so many turns."""
FACTS: Final = 6
EARLY: Final = 0.25
"""The facts stand in so much of the beginning."""


@dataclass(frozen=True, slots=True)
class Fact:
    """This was said once; it stands with what to look for, and how somebody asks for it later."""

    said: str
    value: str
    question: str


@dataclass(frozen=True, slots=True)
class Talk:
    """This is a conversation, with what may be asked about it."""

    language: Language
    turns: tuple[str, ...]
    """`turns` are the user's and the model's, one after the other."""
    facts: tuple[Fact, ...]


NAMES: Final = {
    "en": ("Mikan", "Barnaby", "Ottoline", "Quill", "Saffron", "Tolliver", "Zephyrine", "Pomfret", "Isolde", "Wexley"),
    "ja": ("ミケ", "小太郎", "あずき", "茶々丸", "ルナ", "きなこ", "雷蔵", "すみれ", "弁慶", "もなか"),
}
TOWNS: Final = {
    "en": ("Aberystwyth", "Ghent", "Tartu", "Matsue", "Bergen", "Olomouc", "Lucca", "Visby", "Cádiz", "Riga"),
    "ja": ("松江", "尾道", "弘前", "飛騨高山", "唐津", "宇和島", "盛岡", "丸亀", "郡上八幡", "伊那"),
}
FOODS: Final = {
    "en": ("peanuts", "shellfish", "sesame", "kiwi fruit", "buckwheat", "celery"),
    "ja": ("落花生", "甲殻類", "ゴマ", "キウイ", "蕎麦", "セロリ"),
}
FACT_FORMS: Final[dict[Language, tuple[tuple[str, str, str], ...]]] = {
    "en": (
        ("My cat is called {name}.", "name", "What is my cat called?"),
        ("I was born in {town}.", "town", "Where was I born?"),
        ("I am allergic to {food}, so please keep that in mind.", "food", "What am I allergic to?"),
        ("The door code of the office is {code}.", "code", "What is the door code of the office?"),
        ("My sister {name} gets married on {day} May.", "name", "Who of my family gets married?"),
        ("The budget for the kitchen is {money} euros.", "money", "How much money is there for the kitchen?"),
        ("Our database server listens on port {port}.", "port", "On which port does our database listen?"),
        ("My bus leaves at {clock} every morning.", "clock", "When does my bus leave?"),
        ("The project at work has the code name {name}.", "name", "What is the project's code name?"),
        ("I take {mg} mg of my medicine each evening.", "mg", "How much of my medicine do I take?"),
    ),
    "ja": (
        ("うちの猫の名前は{name}です。", "name", "私の猫の名前は何ですか？"),
        ("私は{town}で生まれました。", "town", "私はどこで生まれましたか？"),
        ("{food}のアレルギーがあるので、覚えておいてください。", "food", "私は何のアレルギーですか？"),
        ("事務所のドアの暗証番号は{code}です。", "code", "事務所のドアの暗証番号は何番ですか？"),
        ("妹の{name}が5月{day}日に結婚します。", "name", "家族の誰が結婚しますか？"),
        ("台所の改装の予算は{money}円です。", "money", "台所の改装の予算はいくらですか？"),
        ("うちのデータベースはポート{port}で待ち受けています。", "port", "データベースのポートは何番ですか？"),
        ("毎朝のバスは{clock}に出ます。", "clock", "毎朝のバスは何時に出ますか？"),
        ("仕事の企画の暗号名は{name}です。", "name", "仕事の企画の暗号名は何ですか？"),
        ("薬は毎晩{mg}ミリグラム飲んでいます。", "mg", "薬は毎晩どれだけ飲んでいますか？"),
    ),
}
SUBJECTS: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("sourdough bread", "the tomato plants", "the piano lessons", "the new novel", "the old bicycle",
           "the garden shed", "the train journey", "the football match", "the chess club", "the balcony",
           "the running shoes", "the camera", "the unit tests", "the garden pond", "the winter coat", "the choir"),
    "ja": ("パン作り", "トマトの苗", "ピアノの練習", "読みかけの小説", "古い自転車", "物置の片づけ", "電車の旅",
           "サッカーの試合", "将棋の会", "ベランダ", "ジョギング", "写真", "プログラムのテスト", "庭の池", "冬の上着",
           "合唱"),
}  # fmt: skip
SAID: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("I spent the whole evening on {subject}.", "What do you think about {subject}?",
           "Could you give me another idea for {subject}?", "I am not sure that {subject} is worth the trouble.",
           "A friend told me a funny story about {subject}.", "Let us talk about {subject} again.",
           "Somehow {subject} always takes longer than planned.", "Today I was too tired for {subject}.",
           "The weather was not good enough for {subject}.", "Thanks, that helped me with {subject}.",
           "It took me {n} minutes to get {subject} ready.", "{person} from next door asked about {subject}.",
           "On {weekday} I want to go on with {subject}.", "We bought {n} things for {subject}.",
           "{person} said that {subject} was better last year."),
    "ja": ("昨日はずっと{subject}のことをしていました。", "{subject}についてどう思いますか？",
           "{subject}のことで、ほかに何か案はありますか？", "{subject}は、手間に見合うのか分かりません。",
           "友だちから{subject}の面白い話を聞きました。", "また{subject}の話をしましょう。",
           "{subject}は、いつも思ったより時間がかかります。", "今日は疲れて、{subject}どころではありませんでした。",
           "天気が悪くて、{subject}は無理でした。", "ありがとう、{subject}の役に立ちました。",
           "{subject}の支度に{n}分かかりました。", "お隣の{person}さんに{subject}のことを聞かれました。",
           "{weekday}に{subject}の続きをします。", "{subject}のために{n}個買いました。",
           "{person}さんは、去年の{subject}のほうがよかったと言っていました。"),
}  # fmt: skip
ANSWERED: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("That sounds like a good plan for {subject}.", "Many people find that {subject} gets easier with time.",
           "You could begin with a small step and see how {subject} goes.", "It depends on how much time you have.",
           "A short break often helps.", "I would write down what worked and what did not.",
           "There is no single right way to do it.", "If you like, I can explain {subject} in more detail.",
           "Patience matters more than talent with {subject}.", "What part of {subject} do you enjoy most?",
           "Give {subject} about {n} minutes a day.", "Perhaps {person} could help you with {subject}.",
           "By {weekday} you will know more about {subject}."),
    "ja": ("{subject}には、よい考えだと思います。", "{subject}は、続けるうちに楽になるものです。",
           "小さなことから始めて、{subject}の様子を見るとよいでしょう。", "使える時間しだいです。",
           "少し休むのもよいものです。", "うまくいったことと、いかなかったことを書き留めておきましょう。",
           "正しいやり方は一つではありません。", "よければ、{subject}についてもっと詳しく説明します。",
           "{subject}では、才能より根気が大切です。", "{subject}のどこがいちばん好きですか？",
           "{subject}には一日{n}分ほどかけましょう。", "{person}さんが{subject}を手伝ってくれるかもしれません。",
           "{weekday}までには、{subject}のことがもっと分かるでしょう。"),
}  # fmt: skip


PERSONS: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("Harriet", "Dmitri", "Leonie", "Marcus", "Priya", "Yusuf", "Clara", "Owen"),
    "ja": ("佐藤", "鈴木", "高橋", "田中", "渡辺", "伊藤", "山本", "中村"),
}
WEEKDAYS: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("Monday", "Tuesday", "Thursday", "Friday", "Saturday"),
    "ja": ("月曜日", "火曜日", "木曜日", "金曜日", "土曜日"),
}


def talks() -> list[Talk]:
    """Makes all conversations, Japanese and English by turns."""
    made = []
    for number in range(CONVERSATIONS):
        language: Language = "ja" if number % 2 else "en"
        count = MIN_TURNS + (MAX_TURNS - MIN_TURNS) * (number // 2) // (CONVERSATIONS // 2 - 1)
        made.append(_talk(language, count, random.Random(1000 + number)))
    return made


def _talk(language: Language, count: int, draw: random.Random) -> Talk:
    turns = []
    for turn in range(count):
        forms = ANSWERED[language] if turn % 2 else SAID[language]
        turns.append(_said(forms, draw.choice(SUBJECTS[language]), draw, draw.randint(1, 3), language))
    facts = [_fact(form, language, draw) for form in draw.sample(FACT_FORMS[language], FACTS)]
    early = draw.sample(range(0, max(2 * FACTS, int(EARLY * count)), 2), FACTS)
    for fact, turn in zip(facts, early, strict=True):
        between = " " if language == "en" else ""
        parts = [turns[turn], fact.said]
        draw.shuffle(parts)
        turns[turn] = between.join(parts)
    return Talk(language, tuple(turns), tuple(facts))


def _said(forms: Sequence[str], subject: str, draw: random.Random, count: int, language: Language) -> str:
    words = [
        form.format(
            subject=subject,
            n=draw.randint(2, 48),
            person=draw.choice(PERSONS[language]),
            weekday=draw.choice(WEEKDAYS[language]),
        )
        for form in draw.sample(forms, count)
    ]
    return (" " if language == "en" else "").join(one[0].upper() + one[1:] for one in words)


def _fact(form: tuple[str, str, str], language: Language, draw: random.Random) -> Fact:
    said, slot, question = form
    values = {
        "name": draw.choice(NAMES[language]),
        "town": draw.choice(TOWNS[language]),
        "food": draw.choice(FOODS[language]),
        "code": str(draw.randint(1000, 9999)),
        "day": str(draw.randint(2, 28)),
        "money": str(draw.randint(21, 99) * 100),
        "port": str(draw.randint(5000, 9000)),
        "clock": f"{draw.randint(5, 8)}:{draw.randint(10, 59)}",
        "mg": str(draw.randint(11, 99) * 5),
    }
    return Fact(said.format_map(values), values[slot], question)
