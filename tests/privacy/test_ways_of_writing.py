"""Personal data is found however people and programs write it, and exactly that is cut out of the original text."""

import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callcenterai.privacy.detection_form import DetectionForm
from callcenterai.privacy.scrub import scrub

WAYS = [
    # Characters that look like others, or like none.
    ("call {} today", "phone", "020\u00a07946\u00a00123"),
    ("call {} today", "phone", "+44\u202f20\u202f7946\u202f0123"),
    ("call {} today", "phone", "+44\u200920\u20097946\u20090123"),
    ("call {} today", "phone", "+44\u200720\u20077946\u20070123"),
    ("call {} today", "phone", "０２０ ７９４６ ０１２３"),
    ("call {} today", "phone", "+44 20\u200b 7946\u200b 0123"),
    ("call {} today", "phone", "0\u200d20\u00ad 7946 01\ufeff23"),
    ("call {} today", "phone", "٠٢٠ ٧٩٤٦ ٠١٢٣"),
    ("tél {} svp", "phone", "01–99–00–12–34"),
    ("tél {} svp", "phone", "01/99/00/12/34"),
    ("tél {} svp", "phone", "01 / 99 / 00 / 12 / 34"),
    ("tél {} svp", "phone", "01‑99‑00‑12‑34"),
    ("Telefon {} bitte", "phone", "030/23125123"),
    ("card {} refused", "card", "4111\u00a01111\u00a01111\u00a01111"),
    ("card {} refused", "card", "４１１１１１１１１１１１１１１１"),
    ("card {} refused", "card", "4111\u200b1111\u200b1111\u200b1111"),
    ("card {} refused", "card", "4111–1111–1111–1111"),
    ("card {} refused", "card", "4111&nbsp;1111&nbsp;1111&#160;1111"),
    ("card {} refused", "card", "4111 1111\n> 1111 1111"),
    ("12,{},2026-11-02,45.00", "card", "4111111111111111"),
    ('"7";"{}";"12.50"', "card", "4111111111111111"),
    ("mail {} today", "email", "jo＠example.com"),
    ("mail {} today", "email", "jo﹫example.com"),
    ("mail {} today", "email", "jo&#64;example.com"),
    ("mail {} today", "email", "jo&#x40;example&#46;com"),
    ("mail {} today", "email", "jo&commat;example&period;com"),
    ("mailto:{} today", "email", "jo%40example.com"),
    ("mail {} today", "email", "j\u200bo@exam\u00adple.com"),
    ("mail {} today", "email", "jo\\u0040example.com"),
    ("mail {} today", "email", "jo @ example . com"),
    ("card {} refused", "card", "4111·1111·1111·1111"),
    ("card {} refused", "card", "4111|1111|1111|1111"),
    ("tél {} svp", "phone", "01•99•00•12•34"),
    ("?phone={} today", "phone", "0199001234"),
    ("IBAN {} now", "iban", "GB29/NWBK/6016/1331/9268/19"),
    # Words for signs.
    ("mail {} today", "email", "jane at example dot com"),
    ("mail {} today", "email", "jane dot doe at example dot co dot uk"),
    ("mail {} today", "email", "jane.doe at example.com"),
    ("écrire à {} svp", "email", "lea arobase example point fr"),
    ("correo {} ahora", "email", "ana arroba example punto es"),
    # Across lines.
    ("IBAN {} now", "iban", "GB29 NWBK\n6016 1331\n9268 19"),
    ("> IBAN {} now", "iban", "GB29 NWBK 6016\n> 1331 9268 19"),
    ("from AB12 to {} now", "iban", "GB29 NWBK 6016 1331 9268 19"),
    ("Password:\n{}\nThanks", "secret", "Hunter2024!"),
    ("Mot de passe :\r\n{}\r\nMerci", "secret", "Soleil2024!"),
    # Fields of files and messages.
    ('{{"user":"jo","password":"{}"}}', "secret", "correct horse"),
    ('{{"dbPassword" : "{}", "port": 1}}', "secret", 'a\\"b'),
    ('{{\\"password\\":\\"{}\\"}}', "secret", "Zebra"),
    ("{{'api_key': '{}'}}", "secret", "k-93"),
    ('{{"pin": {}, "n": 2}}', "secret", "4471"),
    ('"client_secret": "{}"', "secret", "qwertz"),
    ("<Password>{}</Password>", "secret", "opensesame"),
    ('<wsse:Password Type="Text">{}</wsse:Password>', "secret", "a b"),
    ('<add key="SmtpPassword" value="{}"/>', "secret", "mailme"),
    ('<user name="kiosk" password="{}"/>', "secret", "letmein"),
    ('"Password";"{}"', "secret", "opensesame"),
    ('{{"mac_address":"{}"}}', "mac", "00aa00bb00cc"),
    ('{{"ssn":"{}"}}', "national_id", "078051120"),
    ('{{"customerLastName": "{}", "n": 2}}', "person", "vandermeer"),
    ('{{"name":"{}"}}', "person", "Odalys Vandermeer"),
    ("<nom_de_famille>{}</nom_de_famille>", "person", "Vandermeer"),
    # Security codes of cards.
    ("CVV: {} please", "secret", "737"),
    ("cryptogramme {} svp", "secret", "091"),
    # Documents.
    ("born on {} in Leeds", "birth_date", "3 March 1984"),
    ("DOB: {} is wrong", "birth_date", "1984-03-03"),
    ("geboren am {} in Köln", "birth_date", "03.03.1984"),
    ("nacido el {} en Vigo", "birth_date", "3 de marzo de 1984"),
    ("nato il {} a Roma", "birth_date", "03/03/1984"),
    ("passeport {} périmé", "passport", "12AB34567"),
    ("Reisepass {} liegt bei", "passport", "C01X00T47"),
    ("plaque {} au parking", "plate", "AB-123-CD"),
    ("Kennzeichen {} neu", "plate", "M-AB 1234"),
    ("whitelist {} please", "mac", "3c-52-82-ab-cd-10"),
    ("port {} is down", "mac", "0050.5684.12ab"),
    ("PESEL {} jest", "national_id", "85073080951"),
    ("my DNI is {} now", "national_id", "54990951K"),
    ("CF {} mancante", "national_id", "RSSMRA85T10A562S"),
    ("AVS {} manque", "national_id", "756.7057.7713.81"),
    ("Steuer-ID {} fehlt", "national_id", "31 628 095 400"),
    # Names and addresses.
    ("Regards,\n{}\nFinance", "person", "John Smith"),
    ("Best regards, {}", "person", "Maria O'Connor"),
    ("M. {} n'imprime plus", "person", "Dupont"),
    ("Mit freundlichen Grüßen\n\n{}", "person", "Jürgen van der Berg"),
    ("Beste Grüße aus Köln\ni. A. {}", "person", "Odalys Vandermeer"),
    ("Un abrazo,\n{}", "person", "Odalys Vandermeer"),
    ("Salutations distinguées\n{}", "person", "Odalys Vandermeer"),
    ("Sehr geehrter Herr Dr. {},", "person", "Vandermeer"),
    ("It prints again.\n\n{}", "person", "Odalys Vandermeer"),
    ("Hier spricht {} aus dem Einkauf", "person", "Odalys Vandermeer"),
    ("My name is {} and I", "person", "Tomasz Nowak"),
    ("Create an account for {} please", "person", "Stephen Wright"),
    ("livrer {} svp", "address", "12 rue de la République, 69002 Lyon"),
    ("livrer {} svp", "address", "12 rue victor hugo, 75001 paris"),
    ("j'habite {} à Lyon", "address", "12 rue de la paix"),
    ("ship to {} now", "address", "123 Main Street, Springfield, IL 62704"),
    ("an {} liefern", "address", "Hauptstraße 12, 10115 Berlin"),
    ("en {} por favor", "address", "Calle Mayor 5, 28013 Madrid"),
]
STAYS = [
    "I looked at example.com and then at dot net forums, we met at noon, point made",
    '"password": null, "password_policy": "strict", "token_type": "Bearer", <password/>',
    "Password:\nI never got one from you.\nPassword:\nThanks!",
    "4111 1111 1111 1112, 12,4111111111111112, 4,111,111 rows",
    "The report of 1991-07-14 was born again after the reboot of 12/11/2026",
    "The passport office opens at 9, passport photo 35x45 mm, error 80070005",
    "00:00:00:00:00:00 and ff:ff:ff:ff:ff:ff, time 12:34:56:78:90:12",
    "the base plate of desk 12-ABC-3 is bent; plaque de cuisson HS au 3e, bon 4512",
    "order 85073080951, bestelling 843792917, el pedido 54990951K",
    "Regards\nService Desk\nLeeds, Thanks,\nMonitoring Team",
    "Dear Service Desk, please install Visual Studio Code and Google Chrome for New York",
    "Bonjour Madame, Monsieur, Kind regards,\nIngrid",
    '{"name": "Print Server", "fileName": "Annual Report", "displayName": "Google Chrome"}',
    "Please install the following.\n- Visual Studio\n- Google Chrome\nThe list is long.\nIt is all.\nKind Regards",
    "commit 001a2b3c4d5e broke it, social network 078051120",
    "3 Way calls drop, 2 Square monitors flicker, room 12 on floor 4",
    "AT&T &amp; Co. &foo; 100&#37; ５０％ \u200b—\u00a0",
]


@pytest.mark.parametrize(("around", "kind", "data"), WAYS)
def test_exactly_the_data_is_cut_out_of_the_original(around, kind, data):
    assert scrub(around.format(data)) == (around.format(f"[{kind.upper()}]"), {kind: 1})


@pytest.mark.parametrize("text", STAYS)
def test_text_that_is_nobodys_data_stays_as_it_is(text):
    assert scrub(text) == (text, {})


@pytest.mark.parametrize(
    "text",
    [
        "Odalys Vandermeer - customer care - Tel. [PHONE]",
        "[EMAIL]\nOdalys Vandermeer\nFinance",
        "please call Odalys Vandermeer on 020 7946 0123",
        "Odalys Vandermeer;0199001234;jo@example.com",
        "Odalys Vandermeer <jo@example.com>",
        "It is broken.\nOdalys Vandermeer\n12 rue de la paix, 69002 Lyon",
    ],
)
def test_a_name_beside_other_personal_data_is_found_without_a_word_for_it(text):
    assert "[PERSON]" in scrub(text).text and "Odalys" not in scrub(text).text


@pytest.mark.parametrize(
    "text", ["Service Desk [PHONE]", "CALL US NOW [PHONE]", "[EMAIL]\nKind Regards", "Mail [EMAIL]"]
)
def test_words_beside_personal_data_that_are_no_name_stay(text):
    assert scrub(text).counts == {}


def test_a_card_with_its_security_code_leaves_neither():
    assert scrub("card 4111 1111 1111 1111 123").text == "card [CARD] [SECRET]"
    assert scrub("a,4111111111111111,09/28,123,45.00").text == "a,[CARD],09/28,[SECRET],45.00"
    assert scrub("Amex 378282246310005 CVC 4821").text == "Amex [CARD] CVC [SECRET]"
    assert scrub("4111 1111 1111 1111 450 EUR").text == "[CARD] 450 EUR"


def test_the_function_can_be_sent_to_other_processes():
    assert pickle.loads(pickle.dumps(scrub))("mail a@example.com") == ("mail [EMAIL]", {"email": 1})


PARTS = st.sampled_from(
    ["a", "7", "\u200b", "\u00a0", "&#64;", "%40", "＠", "&foo;", "&nbsp;", "&#8203;", "é", "&", "；"]
)


@given(st.lists(PARTS, max_size=8).map("".join), st.lists(PARTS, max_size=8).map("".join))
@example("\u200b", "")
@example("a&#8203;", "&nbsp;\u200b")
def test_every_character_of_the_form_has_its_own_place_in_the_original(left, right):
    """The places of the characters follow each other without overlap, and each character comes from its place."""
    form = DetectionForm(left + right)
    places = [form.original_span(place, place + 1) for place in range(len(form.text))]
    assert all(start < end for start, end in places)
    assert all(end <= start for (_, end), (start, _) in zip(places, places[1:], strict=False))
    assert form.text == "".join(DetectionForm((left + right)[start:end]).text for start, end in places)
