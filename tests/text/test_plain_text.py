"""What prepare.clean removes from texts, and that training, files, services and the registry see the same."""

import csv
import json
import random
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlflow_registry
import predict_batch
import prepare_data
import train_tfidf
from callcenterai.artifact.folder import load_model
from callcenterai.text.plain_text import CLEANINGS, model_text, plain_text
from support.repository import write_params
from support.servers.services import Service
from support.tickets import invent, write_csv

# What the sender of a mail has written, and the mail.
OWN = "The printer on floor 3 is jammed again."
QUOTATIONS = {
    "English": "On Mon, Nov 23, 2026 at 9:14 AM IT Desk <it@example.com> wrote:\n> Restart it.\n> Thanks",
    "wrapped": "On Mon, Nov 23, 2026 at 9:14 AM IT Desk of the Company\n<it@example.com> wrote:\n\n> Restart it.",
    "not marked": "On Mon, IT Desk wrote:\n\nRestart it.",
    "French": "Le lun. 23 nov. 2026 à 09:14, Support <s@example.com> a écrit :\n> Redémarrez-la.",
    "Spanish": "El lun, 23 nov 2026 a las 9:14, Soporte (<s@example.com>) escribió:\n> Reinicie",
    "Dutch": "Op ma 23 nov 2026 om 09:14 schreef Support <s@example.com>:\n> Herstart",
    "Polish": "pon., 23 lis 2026 o 09:14 Support <s@example.com> napisał(a):\n> Restart",
    "Russian": "пн, 23 нояб. 2026 г. в 09:14, Поддержка <s@example.com>:\n> Перезапустите",
    "Japanese": "2026年11月23日(月) 9:14 サポート <s@example.com>:\n> 再起動してください",
    "Chinese": "在 2026年11月23日，09:14，支持 <s@example.com> 写道：\n\n请重启",
    "Korean": "2026년 11월 23일 (월) 오전 9:14, 지원팀 <s@example.com>님이 작성:\n> 재시작",
    "Arabic": "في الاثنين، 23 نوفمبر 2026 في 9:14 ص كتب الدعم <s@example.com>:\n> أعد",
    "Hindi": "सोम, 23 नव॰ 2026 को 9:14 am बजे Support <s@example.com> ने लिखा:\n> पुनः",
    "Thai": "ในวันที่ จ. 23 พ.ย. 2026 เวลา 09:14 Support <s@example.com> เขียนว่า:\n> เริ่มใหม่",
    "Turkish": "Destek <s@example.com>, 23 Kas 2026 Pzt, 09:14 tarihinde şunu yazdı:\n> Yeniden başlatın",
    "Outlook, English": "From: Desk\nSent: Monday\nTo: Anna\nSubject: RE: Printer\n\nRestart it",
    "Outlook, a line": "________________________________\nFrom: Desk\nSent: Monday\nTo: Anna\nSubject: x\n\nRestart",
    "Outlook, old": "-----Original Message-----\nFrom: Desk\nSent: Monday\nTo: Anna\nSubject: RE: x\n\nRestart it",
    "Outlook, German": "Von: Support\nGesendet: Montag\nAn: Anna\nBetreff: AW: Drucker\n\nBitte neu starten.",
    "Outlook, Danish": "Fra: Support\nSendt: mandag\nTil: Anna\nEmne: SV: Printer\n\nGenstart",
    "Outlook, Czech": "Od: Podpora\nOdesláno: pondělí\nKomu: Anna\nPředmět: RE: Tiskárna\n\nRestartujte",
    "Outlook, Turkish": "Gönderen: Destek\nGönderilme: Pazartesi\nKime: Ayşe\nKonu: YNT: Yazıcı\n\nYeniden başlatın",
    "Outlook, Japanese": "差出人: サポート\n送信日時: 2026年\n宛先: 田中\n件名: Re: プリンター\n\n再起動",
    "Outlook, Chinese": "发件人: 支持\n发送时间: 2026年\n收件人: 王\n主题: 回复: 打印机\n\n请重启",
    "Outlook, Korean": "보낸 사람: 지원팀\n보낸 날짜: 2026년\n받는 사람: 김\n제목: RE: 프린터\n\n재시작",
    "Outlook, Arabic": "من: الدعم\nالتاريخ: الاثنين\nإلى: آنا\nالموضوع: الطابعة\n\nأعد التشغيل",
    "QQ": '------------ 原始邮件 ------------\n发件人: "支持" <s@example.com>;\n主题: 打印机\n收件人: 王\n\n请',
    "in bold": "*From:* Desk\n*Sent:* Monday\n*To:* Anna\n*Subject:* RE: Printer\n\nRestart it",
    "a signature": "-- \nAnna Example\nACME Ltd, +49 30 123",
    "a closing phrase": "Kind regards,\n\nAnna Example\nAccount manager",
    "a Japanese closing phrase": "以上、よろしくお願いいたします。\n\n田中太郎",
    "a phone": "Sent from my iPhone",
    "nothing": "",
}
HEADERS = "From: Anna <a@example.com>\nDate: Mon\nSubject: Printer jammed\nTo: Desk\n\n"
MAILS = {
    "forwarded with a note": (
        f"FYI\n\n---------- Forwarded message ---------\n{HEADERS}{OWN}",
        f"FYI\nPrinter jammed\n\n{OWN}",
    ),
    "forwarded without a note": (
        f"---------- Forwarded message ---------\n{HEADERS}{OWN}",
        f"Printer jammed\n\n{OWN}",
    ),
    "forwarded and marked": (
        "Begin forwarded message:\n\n" + "".join(f"> {line}\n" for line in f"{HEADERS}{OWN}".split("\n")),
        f"Printer jammed\n\n{OWN}",
    ),
    "only a quotation": ("> The printer is jammed\n> please help", "The printer is jammed\nplease help"),
    "only an HTML quotation": ("<blockquote>Printer jammed</blockquote>", "Printer jammed"),
    "only a signature": ("-- \nAnna", "--\nAnna"),
    "only a closing phrase": ("Thanks", "Thanks"),
    "headers at the beginning": (f"{HEADERS}{OWN}", f"Printer jammed\n\n{OWN}"),
    "one line": (
        f"{OWN} -----Original Message----- From: Desk Sent: Monday To: Anna Subject: RE: Printer Restart",
        OWN,
    ),
    "headers in one line": (f"{OWN} From: Desk Sent: Monday To: Anna Subject: RE: Printer Please restart it", OWN),
    "answers between quoted lines": ("> Which floor?\nThe third floor.\n> Since when?\nSince Monday.", None),
    "a Chinese reply of eight signs": (
        f"打印机卡纸请帮忙处理\n\n{QUOTATIONS['Outlook, Chinese']}",
        "打印机卡纸请帮忙处理",
    ),
}
KEPT = {
    "a form": "Date: 23 Nov\nFrom: Berlin\nTo: Paris\nPlease book the flight for me.",
    "comparisons": "a < b and c > d, <username> is missing, x<y>z",
    "a log": "At 10:30 on 23.11.2026 the system said:",
    "thanks first": "Thanks\nfor the new printer, but the scanner fails.",
    "a path": "Open > Settings > Network\nFrom: to: what",
    "Markdown": "* From: here\n* and a - list -- with dashes",
}


@pytest.mark.parametrize("quotation", QUOTATIONS.values(), ids=QUOTATIONS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_of_a_mail_what_its_sender_wrote_is_left(quotation, line_end):
    assert OWN == plain_text(f"{OWN}\n\n{quotation}\n".replace("\n", line_end), "mail")


@pytest.mark.parametrize("mail, expected", MAILS.values(), ids=MAILS)
def test_kinds_of_mails(mail, expected):
    assert (expected or "The third floor.\nSince Monday.") == plain_text(mail, "mail")


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
@pytest.mark.parametrize("cleaning", CLEANINGS)
def test_what_only_looks_like_mail_or_html_stays(text, cleaning):
    assert text == plain_text(text, cleaning)


OUTLOOK = (
    "<html><head><style>p{margin:0}</style><title>Mail</title></head><body><p class=MsoNormal>The printer on\n"
    "floor&nbsp;3 is <b>jam</b>med again.<o:p></o:p></p><div style='border-top:solid \"x>y\"'><p><b>From:</b> Desk<br>"
    "<b>Sent:</b> Monday<br><b>To:</b> Anna<br><b>Subject:</b> RE: x</p></div><p>Restart it</p></body></html>"
)
GMAIL = (
    '<div dir="ltr">The printer on floor 3 is jammed again.</div><br><div class="gmail_quote"><div class="gmail_attr">'
    "пн, 23 нояб. 2026 г. в 09:14, &lt;<a href='mailto:d@e.com'>d@e.com</a>&gt;:<br></div><blockquote>Restart"
    "<blockquote>older</blockquote></blockquote></div>"
)


@pytest.mark.parametrize("mail", [OUTLOOK, GMAIL], ids=["Outlook", "Gmail"])
def test_mails_in_html(mail):
    assert OWN == plain_text(mail, "mail")
    assert "Restart" in plain_text(mail, "html")


@pytest.mark.parametrize("html, text", [
    ("a<br>b<p>c</p>d", "a\nb\nc\nd"),
    ("<td>a</td><td>b</td>", "a b"),
    ("caf&eacute; &amp;amp; tea &#8364;5 &lt;b&gt;", "café & tea €5"),
    ("&amp;lt;p&amp;gt;escaped twice&amp;lt;/p&amp;gt;", "escaped twice"),
    ("<script>if (a<b) x('</p>')</script>seen<!-- <p>not seen</p> -->", "seen"),
    ("R&D &unknown; AT&T &#x110000; &#0;", None),
    ("open <b", "open <b"),
    ("", ""),
])  # fmt: skip
def test_html_becomes_the_text_that_people_see(html, text):
    found = plain_text(html, "html")
    assert found == text if text is not None else found.startswith("R&D &unknown; AT&T")


@given(st.text(max_size=200))
def test_no_text_makes_a_cleaning_fail(text):
    for cleaning in CLEANINGS:
        assert isinstance(model_text(text, cleaning), str)
    assert plain_text(text, "none") == text


@pytest.mark.parametrize("mail", [f"{OWN}\n\n{quotation}" for quotation in QUOTATIONS.values()] + [OUTLOOK, GMAIL])
@pytest.mark.parametrize("cleaning", CLEANINGS)
def test_a_text_that_was_cleaned_before_is_not_changed_any_more(mail, cleaning):
    """People who clean their file, and ask the service with texts from it, get the same answers."""
    once = plain_text(mail, cleaning)
    assert once == plain_text(once, cleaning) and model_text(mail, cleaning) == model_text(once, cleaning)


@given(st.lists(st.sampled_from(["> a", "On Mon wrote:", "-- ", "Thanks", "From: a", "Subject: b", "To: c", "", "x"])))
def test_a_mail_with_a_word_never_becomes_empty(lines):
    text = "\n".join(lines)
    assert bool(plain_text(text, "mail")) == bool(text.strip())


# Texts of about n characters, made to be slow.
HOSTILE = {
    "nested tags": lambda n: "<div>" * (n // 5),
    "closed tags": lambda n: "<div>" * (n // 11) + "x" + "</div>" * (n // 11),
    "nested quotations": lambda n: "<blockquote>" * (n // 12) + "x",
    "unclosed tags": lambda n: "<a " * (n // 3),
    "unclosed values": lambda n: "<a b='" * (n // 6),
    "quotes after <": lambda n: '<a"' * (n // 3) + "'",
    "<": lambda n: "<" * n,
    "quotes": lambda n: "\"'" * (n // 2),
    "comments": lambda n: "<!--" * (n // 4),
    "declarations": lambda n: "<!" * (n // 2),
    "ampersands": lambda n: "&" * n,
    "escaped ampersands": lambda n: "&" + "amp;" * (n // 4),
    "entities": lambda n: "&lt;" * (n // 4),
    "a long number": lambda n: "&#" + "0" * n + ";",
    "a long name": lambda n: "<" + "a-" * (n // 2) + ">",
    "marked lines": lambda n: "> a\n" * (n // 4),
    "lines to answer": lambda n: "a <a@b.c> 2026 10:00:\n> a\n" * (n // 26),
    "marks": lambda n: ">" * n,
    "senders": lambda n: "From: a\n" * (n // 8),
    "senders and receivers": lambda n: "From: a\nTo: b\n" * (n // 14),
    "subjects": lambda n: "Subject: a\n" * (n // 11),
    "headers in one line": lambda n: "From: a Sent: b " * (n // 16),
    "stars before a header": lambda n: ("*" * 390 + "\n") * (n // 391),
    "attributions": lambda n: ("on " + "wrote:" * 60 + "x\n") * (n // 364),
    "dashes": lambda n: "-" * n,
    "lines of dashes": lambda n: "--\n" * (n // 3),
    "rules": lambda n: ("-" * 399 + "\n") * (n // 400),
    "closing phrases": lambda n: "regards\n" * (n // 8),
    "line ends": lambda n: "\r\n" * (n // 2),
    "blanks": lambda n: " " * n + "x",
    "accents": lambda n: "a" + "\u0315\u0300" * (n // 2),
}


@pytest.mark.parametrize("cleaning", ["html", "mail"])
@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_take_time_linear_in_their_length(make, cleaning):
    """Doubled four times, a text may take at most 2.3 to the power of 4 of the time; quadratic time would be 256."""

    def seconds(size: int) -> float:
        text, taken = make(size), []
        for _ in range(3):
            started = time.process_time()
            model_text(text, cleaning)
            taken.append(time.process_time() - started)
        return min(taken)

    assert seconds(16 * 8_000) <= 2.3**4 * max(seconds(8_000), 0.001)


def mail_of(number: int, text: str, others: str) -> str:
    """Return a ticket as an HTML mail that quotes words of another class, in one of the ways of mail programs."""
    if number % 2:
        quoted = f"<div>On Mon, Desk wrote:<br></div><blockquote>{others} {others}</blockquote>"
    else:
        quoted = f"<p>From: Desk<br>Sent: Monday<br>To: Anna<br>Subject: RE: {others}</p><p>{others}</p>"
    return f"<html><style>p.{others[:4]} {{}}</style><body><p>{text.replace(' ', '&nbsp;')}</p>{quoted}</body></html>"


WORDS = {"Hardware": "screen mouse cable fan".split(), "Access": "login password account key".split()}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A model that was trained with clean: mail, its folder, and the raw texts and labels of its test part."""
    folder: Path = tmp_path_factory.mktemp("cleaned")
    generator = random.Random(5)
    rows = []
    for number, (noise, _) in enumerate(invent(400)):
        label, other = random.Random(number).sample(sorted(WORDS), 2)
        said, quoted = (" ".join(generator.choices(WORDS[name], k=3)) for name in (label, other))
        rows.append([mail_of(number, f"{noise} {said}", quoted), label])
    write_csv(folder / "tickets.csv", rows)
    params = write_params(
        folder / "params.yaml",
        prepare={"input": str(folder / "tickets.csv"), "clean": "mail"},
        train_tfidf={"bootstrap_samples": 100, "features": "words", "class_spread": 1.0, "C": 1.0},
        registry={"min_class_tickets": 1, "minimum_accuracy": 0.9, "minimum_macro_f1": 0.9},
    )
    data = folder / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
        patch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        common = ["--params", str(params)]
        prepared = ["--output", str(data), "--metrics", str(folder / "p.json")]
        assert prepare_data.main(common + prepared) == 0
        places = {"--model": "model", "--metrics": "m.json", "--plots": "plots"}
        outputs = [text for option, name in places.items() for text in (option, str(folder / name))]
        assert train_tfidf.main([*common, "--data", str(data), *outputs]) == 0
        yield SimpleNamespace(folder=folder, model=folder / "model", data=data, params=params)


@pytest.fixture(scope="module")
def mails(project):
    with (project.data / "test.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def expected(project, mails):
    """The probabilities of the test part; each text is cleaned here, and given to the model that training made."""
    bare = load_model(project.model).model
    return bare.predict_proba([model_text(row["text"], "mail") for row in mails])


def test_the_parts_keep_the_mails_as_they_arrived(mails):
    assert all(row["text"].startswith("<html><style>p.") for row in mails)


def test_the_words_of_quotations_would_change_the_answers(project, mails, expected):
    """Otherwise, the tests below would pass without any cleaning."""
    raw = load_model(project.model).model.predict_proba([row["text"] for row in mails])
    assert (raw.argmax(axis=1) != expected.argmax(axis=1)).mean() > 0.2


def test_training_measures_what_the_cleaned_texts_get(project, mails, expected):
    metrics = json.loads((project.folder / "m.json").read_text(encoding="utf-8"))
    labels = np.array(load_model(project.model).classes_)[expected.argmax(axis=1)]
    assert metrics["test"]["accuracy"] == np.mean(labels == [row["label"] for row in mails]) >= 0.95


def test_batch_scoring_gives_the_same_answers_to_raw_mails(project, mails, expected, scheduler, monkeypatch):
    import pandas as pd

    monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", scheduler)
    path = write_csv(project.folder / "mails.csv", [[row["text"], ""] for row in mails])
    output = project.folder / "predictions"
    assert predict_batch.main([str(path), str(output), "--model", str(project.model)]) == 0
    found = pd.concat(map(pd.read_parquet, sorted(output.glob("*.parquet"))))
    np.testing.assert_allclose(found["confidence"], expected.max(axis=1), atol=1e-12)
    assert found["category"].tolist() == list(load_model(project.model).classes_[expected.argmax(axis=1)])


def test_the_tfidf_service_gives_the_same_answers_to_raw_mails(project, mails, expected):
    texts = [row["text"] for row in mails][:20]
    with Service(project.folder, MODEL_DIR=project.model) as service:
        answers = service.ready().post("/predict/batch", {"texts": texts}).json["predictions"]
        empty = service.post("/predict", {"text": "<p>&nbsp;</p>"})
    assert [answer["category"] for answer in answers] == list(
        load_model(project.model).classes_[expected.argmax(axis=1)][:20]
    )
    np.testing.assert_allclose([answer["confidence"] for answer in answers], expected.max(axis=1)[:20], atol=1e-9)
    assert empty.status == 200 and empty.json["needs_review"], "of nothing but markup, the model knows nothing"


def test_the_gates_of_the_registry_measure_raw_mails_as_training_did(project, capsys):
    """A second measurement on uncleaned texts would refuse the model: the minimum is an accuracy of 0.9."""
    gates = ["--params", str(project.params), "--data", str(project.data)]
    assert mlflow_registry.main(["register", *gates]) == 0
    assert mlflow_registry.main(["staging", *gates]) == 0
    capsys.readouterr()
    assert mlflow_registry.main(["check", "1", *gates]) == 0
    metrics = json.loads((project.folder / "m.json").read_text(encoding="utf-8"))
    said = capsys.readouterr().out
    assert f"{metrics['test']['accuracy']:.4f}" in said, said
