"""Finds names of people: after salutations, titles, sign-offs and the labels of forms, and after common given names.

A name is written with capital letters here and has at least two words, unless a title such as "Mrs" is before it.
"""

import re
import unicodedata
from collections.abc import Iterator

from callcenterai.privacy.given_names import GIVEN_NAMES
from callcenterai.privacy.spans import Span, contains_any

_CAPITAL = r"[^\W\d_a-zß-öø-ÿ]"
_WORD = rf"(?:(?:Mc|Mac|O['’]|D['’]|d['’]|L['’]|al-|el-|El-|Al-){_CAPITAL}?[\w’'-]{{1,20}}|{_CAPITAL}[^\W\d_]{{1,20}}(?:['’-][^\W\d_]{{1,20}}){{0,3}})"
_PARTICLE = r"(?:van\ der|van\ den|van\ de|van|von\ der|von|vom|zu|de\ la|de\ los|del|de|du|des|da|dos|das|di|della|le|la|el|al|bin|ben|ter|ten|y|e)"
_INITIAL = rf"{_CAPITAL}\."
_SURNAME = rf"(?:{_PARTICLE}[ ]){{0,2}}{_WORD}"
_FULL = rf"(?:{_WORD}|{_INITIAL}(?:-?{_INITIAL})?)(?:[ ]{_INITIAL})?(?:[ ]{_SURNAME}){{1,3}}"
_FULL_OR_REVERSED = rf"(?:{_WORD},[ ]{_WORD}(?:[ ]{_WORD})?|{_FULL})"

# After a line break or a comma. A sign-off can also be the name of a button or part of a sentence.
_SIGN_OFF = r"""(?:(?:(?:best|kind|kindest|warm|warmest|many)[ ])?(?:regards|wishes|thanks)|yours(?:[ ](?:sincerely|faithfully|truly))?
    |sincerely(?:[ ]yours)?|thank[ ]you(?:[ ](?:very|so)[ ]much|[ ]in[ ]advance)?|thanks(?:[ ](?:a[ ]lot|in[ ]advance|again|so[ ]much))?|thx|cheers|br|rgds|best
    |(?:bien[ ])?cordialement|cdlt|cdt|bien[ ][àa][ ](?:vous|toi)|(?:bonne|belle)[ ]journ[ée]e|(?:sinc[èe]res[ ])?salutations|merci(?:[ ](?:d['’]avance|beaucoup|bien))?
    |respectueusement|(?:mit[ ])?(?:freundlichen|besten|herzlichen|vielen|lieben)[ ](?:gr(?:ü|ue)(?:ß|ss)en|dank)
    |(?:freundliche|beste|viele|liebe|sch[öo]ne)[ ]gr(?:ü|ue)(?:ß|ss)e|vielen[ ]dank|danke|mfg|vg|lg|hochachtungsvoll
    |(?:un[ ])?(?:cordial[ ])?saludos?(?:[ ]cordiales)?|atentamente|(?:muchas[ ])?gracias|(?:cordiali|distinti)[ ]saluti|grazie(?:[ ]mille)?|saluti
    |(?:met[ ])?vriendelijke[ ]groet(?:en)?|mvg|groet(?:en|jes)?|bedankt|(?:com[ ]os[ ]melhores[ ])?cumprimentos|atenciosamente|obrigad[oa]
    |pozdrawiam|z[ ]powa[żz]aniem|(?:med[ ])?v[äa]nlig(?:a|e)?[ ]h[äai]lsning(?:ar)?|mvh|hilsen)"""
_AFTER_SIGN_OFF = re.compile(
    rf"(?i:(?<!\w){_SIGN_OFF})[ ]?(?:[,.!;-]{{1,2}}[ ]?|[ ]?)(?:\r?\n[ >\t-]{{0,4}}){{0,3}}(?<=[\n,.!;> -])"
    rf"(?P<name>{_FULL})(?=[ ]?(?:[\n\r,;|(<\[/–-]|\.?[ ]?\Z|\.[ ]))",
    re.VERBOSE,
)
_TITLE = r"""(?:Mr|Mrs|Ms|Mx|Dr|Prof|Sr|Sra|Srta|Sig|Dott|Dhr|Mevr|Hr|Ing)\.|(?:Mr|MR|Mrs|MRS|Ms|Mx|Dr|Miss|Mister
    |M\.|Mme|MME|Mlle|MLLE|Monsieur|Madame|Mademoiselle|Messieurs|Herrn?|Frau|[Ss]e[ñn]ora?|[Ss]e[ñn]orita|[Ss]ignora|[Ss]ignor[ei]?
    |[Dd]e[ ][Hh]eer|[Hh]eer|[Mm]eneer|Mevrouw|Senhora?|Pani?|Fru)"""
_AFTER_TITLE = re.compile(
    rf"(?<![\w.'’-])(?:{_TITLE})[ ]{{1,2}}(?:(?:Dr|Prof)\.?[ ]){{0,2}}(?P<name>(?:(?:{_WORD}|{_INITIAL})[ ]){{0,2}}?{_SURNAME}(?:[ ]{_SURNAME})?)(?!\w)",
    re.VERBOSE,
)
_GREETED = re.compile(
    r"(?im:^[ >\t]{0,4}(?:dear|hi|hello|hey|good\ morning|bonjour|bonsoir|salut|ch[eè]re?|cher|hallo|liebe[rs]?|guten\ tag|hola|estimad[oa]"
    rf"|buenos\ d[ií]as|ciao|gentile|buongiorno|beste|geachte|ol[áa]|car[oa]|hej|cze[śs][ćc]))[ ]{{1,2}}(?P<name>{_FULL})(?=[ ]?(?:[,:!\n\r-]|\Z))",
    re.VERBOSE,
)
_LABEL = r"""(?:(?:(?:full|first|last|family|given|middle|legal|maiden|employee|customer|client|contact|caller|user['’]?s?|my|your|his|her|their|applicant|patient|requester|holder|manager)[ ])names?
    |surnames?|(?:pr[ée]noms?|nom)(?:[ ](?:complet|de[ ]famille|et[ ]pr[ée]nom|du[ ]client))?|vor(?:-[ ]und[ ]nach)?name|nachname|familienname
    |nombres?(?:[ ](?:completo|y[ ]apellidos))?|apellidos?|cognome(?:[ ]e[ ]nome)?|voornaam|achternaam|sobrenome|nome[ ]completo|imi[ęe](?:[ ]i[ ]nazwisko)?|nazwisko
    |caller|requester|requestor|reported[ ]by|requested[ ]by|submitted[ ]by|opened[ ]by|signed|demandeur|appelant|titulaire|antragsteller|ansprechpartner|kontakt|contact[ ]person
    |name[ ]on[ ]card|account[ ]holder|card[ ]?holder|cardholder)"""
_AFTER_LABEL = re.compile(
    rf"""(?:(?<![\w-])(?i:{_LABEL})[ ]?[:=][ \t]{{0,3}}["']?|(?:^|(?<=\n)|(?<=[;,]\ ))[ >*\t-]{{0,4}}(?i:name|nom|nome|contact|from|de|von|to|[àa]|an|sender|exp[ée]diteur)[ ]?[:=][ \t]{{0,3}}["']?
    |(?<![\w])(?i:my[ ]name[ ]is|his[ ]name[ ]is|her[ ]name[ ]is|je[ ]m['’]appelle|je[ ]suis|mein[ ]name[ ]ist|ich[ ]hei(?:ß|ss)e|me[ ]llamo|mi[ ]nombre[ ]es|mi[ ]chiamo
        |il[ ]mio[ ]nome[ ][èe]|mijn[ ]naam[ ]is|ik[ ]heet|o[ ]meu[ ]nome[ ][ée]|chamo-me|this[ ]is|i[ ]am|i['’]m|nazywam[ ]si[ęe])[ ]{{1,2}})
    (?P<name>{_FULL_OR_REVERSED})(?!\w|[ ]?[:=])""",
    re.VERBOSE,
)
_HOLDER = re.compile(
    rf"""(?<!\w)(?i:name[ ]on[ ](?:the[ ])?card|(?:card|account)[ ]?holder|titulaire(?:[ ]du[ ]compte)?|kontoinhaber(?:in)?)[ ]?[:=]?[ ]
    (?!(?:{_TITLE})[ ])(?P<name>(?:{_WORD}|{_CAPITAL})\.?[ ]{_SURNAME}(?:[ ]{_SURNAME})?)(?!\w)""",
    re.VERBOSE,
)
_LABEL_ONE = re.compile(
    r"""(?<![\w-])(?i:nom(?=[ ]?[:=])|surname|last[ ]name|family[ ]name|first[ ]name|given[ ]name|maiden[ ]name|nom[ ]de[ ]famille|nom[ ]de[ ]jeune[ ]fille|pr[ée]nom|vorname|nachname|familienname
    |apellidos?|cognome|voornaam|achternaam|sobrenome|nazwisko)(?:[ ]?[:=]|[ ](?:is|est|ist|es|è|é))[ \t]{0,3}["']?(?P<name>"""
    rf"{_SURNAME})(?!\w)",
    re.VERBOSE,
)
# Not "Daniel's", and not in capitals, which can be any words of a sentence in capitals.
_CAPITALIZED = re.compile(rf"{_CAPITAL}[^\W\d_]+(?!['’]s)")
_GIVEN_AND_SURNAME = re.compile(
    rf"(?<![\w@.'’-])(?P<name>{_WORD}(?:[ ]{_INITIAL})?(?:[ ]{_SURNAME}){{1,2}})(?![\w@])", re.VERBOSE
)
_WORD_ONLY = re.compile(r"[^\W\d_]+")
# Words that are part of no name: roles, teams, things of an IT department, greetings, days and months.
_NO_NAMES = frozenset(
    """
access account accounting accounts active adapter address admin administration administrator adobe agent all analyst and answer
app apple application applications april area assistant associate at attached audit august autumn avenue badge bank
berlin best board bonjour bonus book box branch browser budget bug building business button cable calendar call camera card
center central centre chair chat check chef chief chrome citrix city clerk client clinic cloud code comité community company
computer conference confluence console contact contract contractor controller coordinator corporate corporation council
country customer dashboard data database day days dear december delivery department design desk desktop developer
development device dienst digital direction directeur directory directrice directrice director disk display division
document domain door download drive driver edge edition email emea employee employees end engineer engineering enterprise
equipe error europe event everyone excel exchange executive explorer export facilities facility factory fax february field
file finance firefox firewall floor folder form forum france friday from front general germany global gmail google group
groupe guest guide hall hardware head headset health hello help helpdesk hi hotel hotline house hr human i iban id
image inbox info information infrastructure inc install insurance intel international internet intranet invoice ios ip it
january java jira join july june junior keyboard lab label laptop lead leader leave legal lenovo level library license line link linux list
local location logistics logo london ltd llc mac machine mail mailbox mailing main maintenance management manager manual march market
marketing master medical meeting member memory menu message microsoft mission mobile modem module monday monitor monitoring
mouse my name national network new news night no north note notebook november number october of office officer
online open operations operator option oracle order organization outlook owner page panel paris park partner password
payment payroll people personal pc phone plan planning platform please point policy pool port portal post power president
press price principal print printer pro procurement product production professional profile program project public purchase
purchasing quality query question queue reception receptionist record red region release remote report request research reset
resources response responsable restaurant review road room route router safety sales sap saturday scan scanner school screen
secretary section security senior sensor september server service services sharepoint shift shop site skype smart software
south space specialist staff standard station status stock storage store street student studio sunday supervisor supplier
supply support switch system systems table tablet tax team teams technical technician technology tel telecom telephone
terminal test testing thanks the this thursday ticket time title today token tomorrow tool tools total training transport travel treasury trial
tuesday unit university update upgrade urgent us user users vendor version video view visual vpn wednesday web website week west
wifi wiki windows word work workday worker workshop workspace workstation world yes you your zone zoom
accueil achats adresse agence assistante bâtiment bureau cellule compte comptabilité commande demande département direction
écran équipe erreur étage exploitation facture formation gestion imprimante informatique juridique livraison logiciel merci
mot objet passe poste production projet qualité réception recherche régional réseau responsable ressources salle
secrétariat serveur siège société technicien technique technicienne utilisateur ventes voir votre
abteilung buchhaltung einkauf kunde kundendienst leitung rechnung verwaltung vertrieb personalabteilung
atención cliente departamento equipo soporte ufficio assistenza servizio afdeling
""".split()
)

# The patterns, and strings in lower case one of which is in every text that they match.
_WITH_STRINGS = (
    (
        (
            *("regards", "wishes", "thank", "thx", "yours", "sincerely", "cheers", "br", "rgds", "best", "dialement", "cdlt"),
            *("cdt", "bien", "journ", "salutations", "merci", "respect", "gr", "dank", "mfg", "vg", "lg", "hochacht", "salud"),
            *("atentamente", "gracias", "saluti", "grazie", "mvg", "bedankt", "cumprimentos", "atenciosamente", "obrigad"),
            *("pozdrawiam", "powa", "lsning", "mvh", "hilsen"),
        ),
        (_AFTER_SIGN_OFF,),
    ),
    (
        (
            *("mr", "mrs", "ms", "mx", "miss", "mister", "dr", "prof", "m.", "mme", "mlle", "monsieur", "madame", "messieurs"),
            *("mademoiselle", "herr", "frau", "sr", "señor", "senor", "signor", "sig.", "dott.", "dhr.", "mevr", "meneer", "heer", "hr."),
            *("senhor", "pan", "fru", "ing."),
        ),
        (_AFTER_TITLE,),
    ),
    (
        (
            *("dear", "hi", "hello", "hey", "good morning", "bonjour", "bonsoir", "salut", "ch", "hallo", "liebe", "guten tag"),
            *("hola", "estimad", "buenos", "ciao", "gentile", "buongiorno", "beste", "geachte", "ol", "car", "hej", "cze"),
        ),
        (_GREETED,),
    ),
    (
        (
            *("nam", "nom", "cognome", "apellido", "imi", "nazwisko", "call", "request", "reported", "submitted", "opened"),
            *("signed", "demand", "appel", "titulaire", "antragsteller", "ansprech", "kontakt", "contact", "holder", "from"),
            *("de :", "de:", "von:", "to:", "à :", "à:", "a:", "an:", "sender", "exp", "je suis", "hei", "llamo", "chiamo"),
            *("chamo", "this is", "i am", "i'm", "i’m", "nazywam", "heet", "card", "kontoinhaber"),
        ),
        (_AFTER_LABEL, _LABEL_ONE, _HOLDER),
    ),
)


def names(text: str) -> Iterator[Span]:
    """Find names of people by the words around them, and by given names that are no common words."""
    lower = text.lower()
    if lower == text:
        return
    for strings, patterns in _WITH_STRINGS:
        if contains_any(lower, strings):
            for pattern in patterns:
                for match in pattern.finditer(text):
                    if _may_be_name(match["name"]):
                        yield Span("name", *match.span("name"))
    yield from _with_given_names(text)


def _with_given_names(text: str) -> Iterator[Span]:
    """Find a common given name with a surname after it, anywhere in the text."""
    for word in _CAPITALIZED.finditer(text):
        if not word[0].isupper() and _plain(word[0]) in GIVEN_NAMES:
            match = _GIVEN_AND_SURNAME.match(text, word.start())
            if match and _may_be_name(match["name"]):
                yield Span("name", *match.span("name"))


def _may_be_name(words: str) -> bool:
    """Whether no word is one that names do not contain, and all letters have a case, unlike those of Thai."""
    if any(letter.isalpha() and not (letter.isupper() or letter.islower()) for letter in words):
        return False
    return not any(word.lower() in _NO_NAMES for word in _WORD_ONLY.findall(words))


def _plain(word: str) -> str:
    """Return a word in lower case without accents."""
    if word.isascii():
        return word.lower()
    letters = unicodedata.normalize("NFKD", word.lower())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
