"""Invented short tickets in languages of several scripts: two subjects each, told apart by words of that language."""

import random
from typing import NamedTuple


class Language(NamedTuple):
    """Openings, things and troubles, which are put together without or with spaces."""

    space: str
    openings: tuple[str, ...]
    hardware: tuple[str, ...]
    payroll: tuple[str, ...]
    endings: tuple[str, ...]


LANGUAGES = {
    "Chinese": Language(
        "",
        ("您好", "请问", "今天", "我们办公室", "从昨天起", "麻烦您"),
        ("打印机", "显示器", "键盘", "笔记本电脑", "鼠标", "投影仪"),
        ("工资单", "年终奖", "社保缴费", "加班费", "报销款", "个人所得税"),
        ("有问题", "请尽快处理", "还没有解决", "不对", "怎么办", "又出错了"),
    ),
    "Japanese": Language(
        "",
        ("お世話になります", "すみません", "今朝から", "総務の", "昨日から", "至急"),
        ("プリンタが", "モニターが", "キーボードが", "ノートパソコンが", "マウスが", "電源が"),
        ("給与明細が", "賞与が", "年末調整が", "残業代が", "交通費が", "住民税が"),
        ("おかしいです", "届きません", "確認してください", "まだです", "困っています", "違います"),
    ),
    "Thai": Language(
        "",
        ("สวัสดีครับ", "รบกวนด้วย", "เมื่อเช้า", "ที่สำนักงาน", "ตั้งแต่เมื่อวาน", "ช่วยด้วย"),
        ("เครื่องพิมพ์", "จอภาพ", "คีย์บอร์ด", "โน้ตบุ๊ก", "เมาส์", "แบตเตอรี่"),
        ("เงินเดือน", "โบนัส", "ภาษี", "ค่าล่วงเวลา", "ประกันสังคม", "ค่าเดินทาง"),
        ("ไม่ถูกต้อง", "มีปัญหา", "ยังไม่ได้", "ทำอย่างไร", "ผิดอีกแล้ว", "รอนานมาก"),
    ),
    "Hindi": Language(
        " ",
        ("नमस्ते", "कृपया", "आज सुबह से", "कार्यालय में", "कल से", "जल्दी"),
        ("प्रिंटर", "मॉनिटर", "कीबोर्ड", "लैपटॉप", "माउस", "बैटरी"),
        ("वेतन", "बोनस", "आयकर", "भविष्य निधि", "यात्रा भत्ता", "वेतन पर्ची"),
        ("ठीक नहीं है", "में समस्या है", "अभी तक नहीं", "देखिए", "फिर गलत है", "कब होगा"),
    ),
    "Arabic": Language(
        " ",
        ("مرحبا", "من فضلك", "منذ الصباح", "في المكتب", "منذ أمس", "عاجل"),
        ("الطابعة", "الشاشة", "لوحة المفاتيح", "الحاسوب", "الفأرة", "البطارية"),
        ("الراتب", "المكافأة", "الضريبة", "بدل السفر", "الساعات الإضافية", "قسيمة الدفع"),
        ("لا تعمل", "فيها مشكلة", "لم تصل", "ما العمل", "خطأ مرة أخرى", "أحتاج المساعدة"),
    ),
    "Korean": Language(
        " ",
        ("안녕하세요", "저기요", "오늘 아침부터", "사무실에서", "어제부터", "급합니다"),
        ("프린터가", "모니터가", "키보드가", "노트북이", "마우스가", "배터리가"),
        ("급여가", "상여금이", "연말정산이", "야근수당이", "출장비가", "세금이"),
        ("이상해요", "문제가 있어요", "아직이에요", "확인해 주세요", "또 틀렸어요", "어떻게 하죠"),
    ),
}


def invent_tickets(language: Language, count: int, seed: int = 1) -> list[list[str]]:
    """Return distinct tickets, [text, label], of the labels Hardware and Payroll in turn."""
    generator = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < count:
        label = ("Hardware", "Payroll")[len(found) % 2]
        things = language.hardware if label == "Hardware" else language.payroll
        parts = [generator.choice(language.openings), *generator.sample(things, 2), generator.choice(language.endings)]
        text = language.space.join(parts)
        if text not in found:
            found[text] = label
    return [[text, label] for text, label in found.items()]
