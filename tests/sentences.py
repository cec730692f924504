"""Tells a sentence from a phrase: the words that stand before a full stop have a verb of their own, or they have none.

A little grammar of English as docstrings are written, without a dictionary. Every relative word (`that`, `what`,
`where`) claims the next verb behind it; a sentence has a verb that nothing claims. Where a word could be either, as
`names`, it is a noun behind an article, a number or a preposition. So a phrase may pass, where a relative word is left
out; a plain sentence does not fail, as long as its verb is in VERBS.
"""

from __future__ import annotations

import re
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


VERBS: Final = _words(
    """
    abort accept acknowledge act adapt add admit advance agree allot allow announce answer appear append apply arm
    arrange arrive ask assemble assume attach attack avoid become beg begin behave belong besiege bind block book
    borrow bound break bring build bundle calibrate call cancel care carry catch cause change charge chat check choose
    claim clean clear close cluster collect combine come commit compare compile complete compress compute configure
    confirm connect consist construct consult consume contain continue contradict convert convolve copy cost count
    cover crash create cross cut damage deal decide declare decode decompress decrease define delay delete deliver
    demand deny depend derive describe deserve destroy detach detect determine die differ disappear discard display
    divide double download draw drive drop duplicate earn embed emit empty enable encode end enforce ensure enter
    equal escape estimate evaluate examine exceed exclude exec execute exist expand expect expire explain export
    expose express extend extract fail fall feed fetch fight fill filter find finish fire fit flow flush follow forbid
    force forget fork form format forward frame free freeze gain gather generate get give go grant group grow guard
    guess guide hand handle hang happen hash hear help hide hit hold host identify ignore imitate import improve
    increase index inform initialise insert inspect install interpret interrupt introduce invite issue join judge jump
    keep kill know lack land last lay lead learn leave lend let lie limit line link list listen live load lock log
    look lose make manage map mark match matter mean measure meet mend merge migrate mind mirror miss mix model mount
    move name narrow need note notice number obey object observe occupy occur offer omit open order outlive overflow
    overlap overwrite own pack pad paint pair parse part pass patch pause pay peek perform permit pick pin ping place
    plan play plot point poll pop populate post precede prefer prepare present press prevent price print probe proceed
    produce promise propose protect prove provide prune publish pull push put quote raise rank reach read ready
    rebuild recall receive recognise recompute record redraw reduce refer refuse register reject release rely remain
    remember remind remove rename render repair repeat replace reply report represent request require reserve reset
    resolve respond rest restore resume retry return reuse reveal reverse rewrite ring rise rotate round route rule
    run sample satisfy save say scale scan schedule score seal search see select send separate serve set settle shape
    share shift show shrink shut sign signal simulate sit size skip sleep slice slow sort span spare speak spell spend
    split spoil spread stand start state stay step stick stop store stream strip study submit subtract succeed suffice
    suit sum supply support suppose survive suspect swap swear switch take talk tame tear tell tend test think throw
    tick tie time tokenize touch trace track train translate travel treat trim trust try tune turn type understand
    undo unload unpack unpin unwrap update upload use validate vary verify view visit wait wake walk want warn waste
    watch weigh widen wind withhold wonder work wrap write yield
    """
)
"""These verbs are known, by their plain form."""
ALWAYS: Final = _words(
    """
    am is are was were has had does did can cannot could may might must shall should will would isn't aren't doesn't
    don't came went took gave saw knew began wrote chose broke fell grew became ran ended crashed failed lay lies
    """
)
"""These are verbs wherever they stand."""
RELATIVES: Final = _words(
    """
    that which who whom whose what whatever where wherever when whenever whether why how if unless while because
    though although until whoever whichever lest
    """
)
"""A verb is claimed by each of these."""
PREPOSITIONS: Final = _words(
    """
    about above after against among around as at before behind below beside besides between beyond but by despite down
    during except for from in inside into like near of off on onto out outside over past per since than through
    throughout till to toward towards under up upon via with within without
    """
)
COMPARING: Final = _words("as than before after since until")
"""These claim a verb only where one of the next three words is a verb, and none is a comma: `as it stands`, not `as
text`."""
PRONOUNS: Final = _words("it they he she one we you nobody somebody everybody nothing")
PLURALS: Final = _words("they we you people both all others these those few many some most i")
"""A verb in its plain form may follow these, as it may any word that ends in s."""
ARTICLES: Final = _words(
    """
    the its their his her our your my these those any some no all both other such same own two three four five six
    several many few more most fewer first last next former latter new old long short whole only different further
    known real plain small large big whose 's
    """
)
"""A word that ends in s is no verb behind one of these: behind `a` or `this` it can be nothing else."""
PLAIN: Final = _words(
    """
    are ask become begin belong bring come contain decide describe differ follow give go happen hold keep know lead
    lie make mean remain return say serve stand stay take tell want
    """
)
"""These are hardly ever nouns, so that they are verbs also far behind their plural: `these parts of it say`."""
AUXILIARIES: Final = _words("to does do did can cannot could may might must shall should will would")
JOINING: Final = _words("and or nor but not then yet")
PERSONAL: Final = _words("it they he she we you")
CLAUSE_BEGINS: Final = JOINING | RELATIVES | PREPOSITIONS | _words(", ( ) so")
AFTER_NOUN: Final = _words(
    """
    that whose who where and or is are was were has have can may must made with without of as in for from
    by between beside behind to at on under
    """
)
"""One of these behind the first word shows that it is a plural: `names of tokens`, not `names the token`."""
EITHER: Final = _words(
    """
    answers attacks blocks bounds builds calls changes chats checks claims clusters copies costs counts crashes damages
    decodes drops ends escapes exports forks forms frames gains grants groups guards guesses hands hashes hits hosts
    imports installs interrupts kills lacks limits lines links lists loads locks logs marks matches means measures
    mirrors misses models moves names needs notes numbers objects offers orders packs pairs parts passes patches pauses
    pings pins places plans plots points posts prices probes promises quotes ranks records repeats replies reports
    requests rests rings routes rules runs samples scales scores searches shapes shares shifts shows signals signs sizes
    sleeps slices sorts spans starts states steps stops stores streams sums switches tests ties times tries turns types
    uses views walks watches works
    """
)
"""These are plurals as often as verbs."""
CODE: Final = re.compile(r"`[^`]*`")
WORD: Final = re.compile(r"[A-Za-z0-9_./'-]*[A-Za-z0-9_'-]|[,()]")
END: Final = re.compile(r"[.;:!?](?=\s|$)")


def _third(verb: str) -> str:
    if verb.endswith(("s", "sh", "ch", "x", "z", "o")):
        return f"{verb}es"
    return f"{verb[:-1]}ies" if verb.endswith("y") and verb[-2] not in "aeiou" else f"{verb}s"


THIRD: Final = frozenset(map(_third, VERBS)) | {"quizzes"}


def is_sentence(text: str) -> bool:
    """Returns whether what stands before the first full stop, colon or semicolon has a verb of its own."""
    words = WORD.findall(END.split(CODE.sub("Codeword", " ".join(text.split())), maxsplit=1)[0])
    words = [part.lower() for word in words for part in ((word[:-2], "'s") if word.endswith("'s") else (word,))]
    verbs = [_is_verb(words, at) for at in range(len(words))]
    pending: list[str] = []
    for at, word in enumerate(words):
        if word in ",)":
            pending = [each for each in pending if each not in COMPARING]
        if verbs[at] and at > 1 and words[at - 1] in PERSONAL and words[at - 2] not in CLAUSE_BEGINS:
            continue  # `the bytes it wrote`: the relative word is left out
        if verbs[at]:
            if JOINING & {*words[max(0, at - 2) : at]} and (words[at - 1] in JOINING or words[at - 1] in PRONOUNS):
                continue
            if not pending:
                return True
            pending.pop()
        elif word in COMPARING:
            if any(verbs[at + 1 : at + 4]) and "," not in words[at + 1 : at + 4]:
                pending.append(word)
        elif word in RELATIVES and not (word == "that" and at and words[at - 1] in PREPOSITIONS):
            pending.append(word)
    return False


def _is_verb(words: list[str], at: int) -> bool:
    word, before = words[at], words[at - 1] if at else ""
    following = words[at + 1] if at + 1 < len(words) else ""
    if word in ALWAYS:
        return True
    if word in THIRD:
        if word not in EITHER:
            return before not in ARTICLES
        if not at:
            return bool(following) and following not in AFTER_NOUN and following not in ",("
        is_noun = before in ARTICLES | PREPOSITIONS | ALWAYS or before.isdigit() or _is_verb(words, at - 1)
        return not is_noun
    if word in {"have", "do"}:
        return before not in AUXILIARIES | {""}
    if word not in VERBS or before in ALWAYS | AUXILIARIES or (at == 1 and before in RELATIVES):
        return False
    if before == "codeword" or (word in PLAIN and before not in ARTICLES | PREPOSITIONS | {"", "a", "an"}):
        return True
    if before in RELATIVES:
        back = at - 3 if at > 2 and words[at - 2] == "," else at - 2
        return back >= 0 and _is_plural(words[back])
    return _is_plural(before)


def _is_plural(word: str) -> bool:
    return word in PLURALS or (word.endswith("s") and word not in (THIRD - EITHER) | ARTICLES)
