"""Write the token ids of many texts, computed by open_clip's tokenizer.

    python tools/tokenizer_goldens.py                     writes tests/goldens/tokenizer/lines.jsonl
    python tools/tokenizer_goldens.py --clean canonicalize --count 1000    writes canonicalize.jsonl there
    python tools/tokenizer_goldens.py --clean whitespace --count 1000      writes whitespace.jsonl there
    python tools/tokenizer_goldens.py --count 200000 --seed 7 --out big.jsonl --text FILE ...

Needs open_clip_torch 3.3.0, ftfy 6.3.1 and regex; the committed lines were made by Python 3.11 (Unicode 14.0 for
normalisation and lower case, Unicode 18.0 in regex). Each line of the output is `[text, [ids...]]` as JSON, the ids
without start and end token. Non-printable characters are escaped.

To run the test with a larger file:
    CLIPPIE_TOKENIZER_LINES=big.jsonl cargo test --release --test tokenizer
"""

import argparse
import json
import random
import re
import sys
import unicodedata
from pathlib import Path

CAPTIONS = """
a photo of two dogs asleep on an old green sofa
The lighthouse at dawn, seen from the harbour wall
Grandma's 80th birthday: cake, candles & far too many balloons!
IMG_20230714_183055.jpg – sunset over the bay (no filter)
we're all wearing the same hat, aren't we? they've noticed, I'd say; she'll laugh
un chat noir qui dort près de la fenêtre où l'été s'achève
L'œuvre du garçon naïf fut reçue à Noël, voilà tout
ein schöner großer Hund läuft über die nasse Straße
Zwölf Mädchen essen süße Äpfel im Übungsraum
la niña pequeña sopló las velas ¡qué emoción! ¿dónde está el año?
o avô e a avó caminham à beira-mar com três cães não muito bravos
due ragazzi giocano a pallone perché è già estate
een kat slaapt op het ĳskoude bureau van Ǆordje
żółta łódka płynie po jeziorze, gdzieś blisko Łodzi
příliš žluťoučký kůň stojí u řeky
malý pes a veľká mačka vo dvore, ôsmy deň
árvíztűrő tükörfúrógép a polcon
o fetiță mică cu pălărie și țigla roșie
en räv hoppar över den snöiga ån i Västerås
blåbærsyltetøy på brødskiva før frokost
hest á túninu við fjörðinn, þar sem ær og kið eru
kissa nukkuu pöydällä yötä myöten
õhtune päike üle metsa ja järve
balta māja ar sarkanu jumtu, ķirši un ļaudis
mažas šuniukas žaidžia ąžuolų pavėsyje
İstanbul'da ılık bir akşam, ŞİİR ve çay, IĞDIR
xoşbəxt uşaqlar bağda gəzir
một con mèo đang ngủ trên ghế sofa cũ
Người phụ nữ đội nón lá trên cánh đồng lúa
кот спит на подоконнике рядом с ёлкой
Две девочки едят мороженое у фонтана, 35 °C
дитина грає з ґудзиками під їхнім деревом
малко куче тича през полето със слънчогледи
љубичаста њива и џеп пун ђурђевка
қызыл алма үстелдің үстінде жатыр
хөх тэнгэр дор морь уралдаж байна
ένας γάτος κοιμάται στον ήλιο, ΟΔΟΣ ΣΟΦΟΣ ΌΛΟΣ
ΠΑΛΙΟΣ ΦΑΡΟΣ ΣΤΟ ΛΙΜΑΝΙ. Σ ΣΣ Σ' ΑΣ'
σκύλος τρέχει στην παραλία· τι ωραία;
ძველი სახლი მთაში, თოვლი
სამი კატა ᲛᲗᲐ
փոքրիկ շունը խաղում է այգում և վազում
ילדה קטנה משחקת בחוף הים
שָׁלוֹם לְכֻלָּם, חתול על הגג
قطة صغيرة تنام على الكرسي القديم
طِفْلٌ يَلْعَبُ بِالكُرَةِ في الحديقة ٢٠٢٤
گربه‌ای روی دیوار نشسته است ۱۲۳
بچے پارک میں کھیل رہے ہیں
बगीचे में खेलता हुआ छोटा कुत्ता
क्षितिज पर सूर्यास्त, १२ पक्षी
একটি বিড়াল জানালার পাশে ঘুমাচ্ছে
ਲਾਲ ਫੁੱਲ ਬਾਗ ਵਿੱਚ
બગીચામાં રમતું બાળક
மரத்தின் கீழ் ஒரு நாய் தூங்குகிறது
చెట్టు కింద పిల్లి నిద్రపోతోంది
ಮರದ ಕೆಳಗೆ ಬೆಕ್ಕು ಮಲಗಿದೆ
മരത്തിന്റെ ചുവട്ടിൽ പൂച്ച ഉറങ്ങുന്നു
ගස යට බල්ලෙක් නිදාගෙන
แมวนอนหลับอยู่บนเก้าอี้ไม้เก่า
ແມວນອນຢູ່ເທິງຕັ່ງ
ဘုရားရှေ့မှာ ခွေးလေး အိပ်နေတယ်
ឆ្មាកំពុងដេកលើកៅអី
བོད་ཀྱི་རི་མཐོ་པོ།
ድመት በጥላ ስር ትተኛለች
夕暮れの海辺を犬と散歩する少女
ｶﾞﾗｽ窓のﾈｺ、全角ＡＢＣ１２３！　おわり
カメラを持った観光客が東京タワーを撮る。「すごい」
一只橘猫趴在旧书堆上，看着窗外的雨
兩個小孩在公園裡放風箏（２０２３年）
고양이가 창가에서 낮잠을 잔다
한글 자모: ㄱㄴㄷ ㅏㅑㅓ
🐱 on a 🛋️, 👨‍👩‍👧‍👦 family, 🇫🇷🇯🇵 flags, 👍🏽👩🏿‍🚀 1️⃣ ❤️‍🔥
🏴󠁧󠁢󠁷󠁬󠁳󠁿 and 🏳️‍🌈 over the roof ☀️🌤️⛅️
¯\\_(ツ)_/¯ (╯°□°)╯︵ ┻━┻ ʕ•ᴥ•ʔ ( ͡° ͜ʖ ͡°)
x² + y² ≈ ½·π √∞ ≠ ∑∏∫ ≤ ≥ ± × ÷ µm ‰ № ª º ⅻ Ⅷ ①
“double” ‘single’ ‚low‛ „low‟ «guillemets» ‹single› ʼn ŉ … — – ―
€5 £6 ¥7 ¢8 ¤9 ₧ © ® ™ § ¶ † ‡ • · ¬ ¦ ¨ ¯ ¸ ´ ˜ ˇ ˘ ˛ ˝
ﬁrst ﬂoor oﬀer aﬃne baﬄe ﬆop ﬅop Ĳssel ĳs Ǳ ǲ ǳ Ǆ ǅ ǆ Ǉ ǈ ǉ Ǌ ǋ ǌ
H̸̡̪̯ͨ͊̽̅̾̎ Z̡͊͠A̸L̡G͠O and e\u0301 a\u030a\u0301 q\u0323\u0307 n\u0303o
ǅungla Ǉubav ᾈ ᾳ ΐ ΰ ß ẞ ſ ſ's ſt K Å Ω ŉ ﬗ
""".strip().split("\n")

SNIPPETS = """
for (int i = 0; i < n; ++i) { a[i] += b[i] * 0x1F; }
fn main() -> Result<(), Box<dyn Error>> { println!("{:?}", "hi\\n"); }
SELECT name, COUNT(*) FROM photos WHERE taken >= '2023-01-01' AND iso<=800;
https://example.org/a/b?q=caf%C3%A9&lang=de&copy=1#frag-2
mailto:someone@example.com?subject=R&amp;D&body=x%20y
C:\\Users\\me\\Pictures\\DSC_0042 (1).NEF
/home/me/photos/2021/07/IMG-0001~2.heic
$ grep -rn "it's" . | awk '{print $2}' >> /dev/null 2>&1
<p class="x">Fish &amp; chips &lt;3 &quot;fresh&quot; &#39;daily&#39;</p>
<a href='?a=1&b=2&copy;=3'>&nbsp;&raquo;&nbsp;next</a>
&lt;b&gt;bold&lt;/b&gt; &amp;amp;amp; &amp;lt; &amp;#38;lt; &notit; &notin; &not; &copy &reg &amp
CAF&EACUTE; &NTILDE;U &ATILDE;&SUP2; GRO&SZLIG; &AMP; &HELLIP; &LDQUO;hi&RDQUO;
&#0; &#1; &#x80; &#128; &#150; &#x9f; &#xD800; &#55357;&#56832; &#x110000; &#1114111; &#xFDD0; &#65535; &#x1F600;
&#x;&#; &#xZZ; &#12a; &#x1F6 00; &; && &a &ab; &abc;def &CounterClockwiseContourIntegral; &fjlig; &NotEqualTilde;
&#13;&#10;&#9;tab&Tab;&NewLine;end &ZeroWidthSpace;&shy;&zwj;&zwnj;x&ThinSpace;y
\x1b[31mred\x1b[0m \x1b[1;32;40mbold\x1b[m \x1b[K\x1b[2J\x1b[x \x1b]0;title\x07 \x1b \x1b[;;;;
tab\tseparated\tvalues\r\nwindows\r\nline\rmac\x0bvt\x0cff\x85nel\u2028ls\u2029ps
nul\x00soh\x01bell\x07bs\x08del\x7fso\x0e us\x1f fs\x1c gs\x1d rs\x1e
zero\u200bwidth\u200cjoin\u200der \u2060wj \ufeffbom shy\xadphen nbsp\xa0x\u202fy\u2007z \u180e \u3000wide
rtl\u200f ltr\u200e \u202aembed\u202c \u202eoverride\u202c \u2066iso\u2069 \u206a\u206f \ufff9a\ufffab\ufffbc \ufffc \ufffd
private \ue000\uf8ff\U000f0000\U0010fffd nonchar \ufffe\uffff\ufdd0\U0001ffff unassigned \u0378\u05ff\U000e0fff
'salt' 'twas 'tis 'd 's's ''s '''ll 're've'm I'M DON'T it’S ’90s rock’n’roll o'clock 'ſ \u017f
1,234.56 -7e-10 0xFF 1/2 3⁄4 50% #42 24/7 1st 2nd 10th ١٢٣ १२३ 一二三 ⅻ½ ²³ 𝟘𝟙 ①②
snake_case camelCase kebab-case __init__ a__b _x_ foo.bar(baz) !!! ??? ... --- ===> <== ~~~ *** ```code```
<start_of_text> <end_of_text> <|startoftext|> <|endoftext|> <START_OF_TEXT>
<<end_of_text>> a<end_of_text>b &lt;end_of_text&gt; ＜end_of_text＞
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
supercalifragilisticexpialidociousantidisestablishmentarianismfloccinaucinihilipilificationpneumono
""".strip().split("\n")
SNIPPETS.append("first\r\nsecond\rthird\n\n\x0b\x0cfourth <b>\nfifth &lt; &amp;copy\u2028&eacute;\u2029&#233\n")

# Ranges of code points from which random text is drawn, one pool per script or kind.
POOLS = {
    "ascii": [(0x20, 0x7E)],
    "latin1": [(0x20, 0x7E), (0xA0, 0xFF)],
    "c1": [(0x20, 0x7E), (0x80, 0xFF)],
    "latin": [(0x41, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF), (0x300, 0x31B)],
    "marks": [(0x61, 0x6F), (0x300, 0x36F), (0x1AB0, 0x1ACE), (0x1DC0, 0x1DFF), (0x20D0, 0x20F0), (0xFE20, 0xFE2F)],
    "greek": [(0x370, 0x3FF), (0x1F00, 0x1FFF), (0x3A3, 0x3A3), (0x20, 0x20), (0x2E, 0x2E), (0x27, 0x27), (0x301, 0x301)],
    "cyrillic": [(0x400, 0x52F), (0x20, 0x20)],
    "hebrew_arabic": [(0x590, 0x6FF), (0x20, 0x20), (0x200C, 0x200F)],
    "indic": [(0x900, 0xDFF), (0x20, 0x20), (0x200C, 0x200D)],
    "se_asia": [(0xE00, 0x109F), (0x1780, 0x17FF)],
    "jamo": [(0x1100, 0x11FF), (0xAC00, 0xD7FF), (0x3130, 0x318F), (0xA960, 0xA97F)],
    "cjk": [(0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xFF00, 0xFFEF)],
    "compat": [(0xF900, 0xFB4F), (0x2F800, 0x2FA1F), (0xFF00, 0xFFEF), (0x2100, 0x218F), (0x3300, 0x33FF)],
    "symbols": [(0x2000, 0x2BFF), (0x3000, 0x303F)],
    "emoji": [(0x1F300, 0x1FAFF), (0x1F1E6, 0x1F1FF), (0x1F3FB, 0x1F3FF), (0x200D, 0x200D), (0xFE0F, 0xFE0F), (0x20, 0x20)],
    "controls": [(0x00, 0x20), (0x7F, 0xA0), (0x2000, 0x206F), (0xFFF9, 0xFFFF), (0x61, 0x7A), (0xFEFF, 0xFEFF)],
    "newer": [(0x870, 0x8FF), (0x1AB0, 0x1ADF), (0x1C80, 0x1C8F), (0xA7C0, 0xA7FF), (0x10D40, 0x10D8F), (0x11380, 0x113E2), (0x16100, 0x1613F), (0x16D40, 0x16D7F), (0x16EA0, 0x16EDF), (0x1E5D0, 0x1E5FF)],
    "historic": [(0x10000, 0x10FFF), (0x11000, 0x11FFF), (0x1E000, 0x1E9FF), (0x10400, 0x1044F)],
    "planes": [(0x0, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x1FFFF), (0x20000, 0x3FFFF), (0xE0000, 0x10FFFF)],
    "bmp": [(0x20, 0xD7FF), (0xE000, 0xFFFF)],
}

CHARMAPS = ["latin-1", "windows-1252", "windows-1251", "windows-1250", "windows-1253", "windows-1254", "windows-1257",
            "iso-8859-2", "macroman", "cp437", "windows-1255", "cp850", "koi8-r", "iso-8859-15"]
SLOPPY = ["sloppy-windows-1252", "sloppy-windows-1251", "sloppy-windows-1250", "sloppy-windows-1253",
          "sloppy-windows-1254", "sloppy-windows-1257", "latin-1", "macroman", "cp437", "iso-8859-2"]


class Maker:
    """Generates texts; the same seed gives the same texts."""

    def __init__(self, seed, extra):
        self.rng = random.Random(seed)
        self.base = CAPTIONS + SNIPPETS
        self.extra = extra
        # Characters of mojibake: all above ASCII in the code pages that produce it.
        clues = set()
        for encoding in SLOPPY:
            clues.update(bytes(range(0x80, 0x100)).decode(encoding))
        self.clues = sorted(clues)
        from html.entities import html5
        self.entities = sorted(html5)

    def line(self):
        pool = self.extra if self.extra and self.rng.random() < 0.5 else self.base
        return self.rng.choice(pool)

    def piece(self, longest=40):
        """Return a random substring of a line."""
        line = self.line()
        start = self.rng.randrange(len(line) + 1)
        return line[start:start + self.rng.randint(1, longest)]

    def from_pool(self, name=None, longest=24):
        spans = POOLS[name or self.rng.choice(list(POOLS))]
        out = []
        for _ in range(self.rng.randint(1, longest)):
            low, high = self.rng.choice(spans)
            code = self.rng.randint(low, high)
            if not 0xD800 <= code <= 0xDFFF:
                out.append(chr(code))
        return "".join(out)

    def mojibake(self, text):
        """Decode a text's UTF-8 in a wrong code page, once or more, with the damage that is typical of such texts."""
        for _ in range(self.rng.choice([1, 1, 1, 2, 2, 3])):
            data = text.encode("utf-8", "surrogatepass")
            if self.rng.random() < 0.1:
                data = cesu8(text)
            if self.rng.random() < 0.7:
                text = data.decode(self.rng.choice(SLOPPY), "replace")
            else:
                text = data.decode(self.rng.choice(CHARMAPS), "replace")
            if len(text) > 400:
                text = text[:400]
            damage = self.rng.random()
            if damage < 0.15:
                text = text.replace("\xa0", " ")
            elif damage < 0.25:
                text = "".join("\ufffd" if 0x80 <= ord(c) < 0xA0 else c for c in text)
            elif damage < 0.3:
                text = text.replace("\ufffd", "?")
            elif damage < 0.35 and text:
                cut = self.rng.randrange(len(text))
                text = text[:cut] + text[cut + 1:]
        return text

    def escaped(self, text):
        out = []
        for c in text:
            roll = self.rng.random()
            if roll < 0.25:
                out.append(f"&#{ord(c)};")
            elif roll < 0.4:
                out.append(f"&#x{ord(c):x}" + self.rng.choice([";", ";", ""]))
            elif roll < 0.5:
                name = self.rng.choice(self.entities)
                out.append("&" + self.rng.choice([name, name, name.upper(), name.rstrip(";"), name[:-1]]))
            elif roll < 0.55:
                out.append("&amp;" * self.rng.randint(1, 2) + self.rng.choice(["amp;", "#39;", "lt;", "eacute;", ""]))
            else:
                out.append(c)
        return "".join(out)

    def text(self):
        rng = self.rng
        kind = rng.randrange(16)
        if kind == 0:
            return self.line()
        if kind == 1:
            return rng.choice([str.upper, str.title, str.swapcase, str.lower])(self.line())
        if kind == 2:
            return self.mojibake(self.line())
        if kind == 3:
            return self.mojibake(self.piece())
        if kind == 4:
            return self.piece() + self.mojibake(self.piece()) + self.piece(12)
        if kind == 5:
            return self.escaped(self.piece(20))
        if kind == 6:
            return self.from_pool()
        if kind == 7:
            return " ".join(self.from_pool(longest=8) for _ in range(rng.randint(1, 5)))
        if kind == 8:
            return "".join(rng.choice(self.clues) for _ in range(rng.randint(1, 12)))
        if kind == 9:
            letters = "abZ ,.!?'"
            return "".join(rng.choice(self.clues) if rng.random() < 0.6 else rng.choice(letters) for _ in range(rng.randint(2, 16)))
        if kind == 10:
            return self.mojibake(self.from_pool(longest=8))
        if kind == 11:
            return unicodedata.normalize(rng.choice(["NFD", "NFKD", "NFKC"]), self.line())
        if kind == 12:
            return "\n".join(self.piece() for _ in range(rng.randint(2, 4)))
        if kind == 13:
            words = [w for _ in range(3) for w in self.line().split()]
            rng.shuffle(words)
            return rng.choice([" ", "  ", "_", "-", "", "\t", "\xa0", "\u3000"]).join(words[: rng.randint(1, 12)])
        if kind == 14:
            line = list(self.piece(30))
            for _ in range(rng.randint(1, 4)):
                line.insert(rng.randrange(len(line) + 1), self.from_pool(longest=2))
            return "".join(line)
        lossy = bytes(rng.choice([0x1A, 0x3F, 0x20, 0x80, 0xA0, 0xBF, 0xC0, 0xC2, 0xC3, 0xE2, 0xED, 0xF0, 0xB0, 0x9F, 0x41, 0x0A])
                      for _ in range(rng.randint(2, 14)))
        return lossy.decode(rng.choice(SLOPPY))


def cesu8(text):
    """Encode as UTF-8, but characters beyond U+FFFF as two encoded surrogates and U+0000 as two bytes."""
    out = bytearray()
    for c in text:
        if ord(c) > 0xFFFF:
            for unit in (0xD800 + ((ord(c) - 0x10000) >> 10), 0xDC00 + (ord(c) & 0x3FF)):
                out += chr(unit).encode("utf-8", "surrogatepass")
        else:
            out += b"\xc0\x80" if c == "\0" else c.encode("utf-8", "surrogatepass")
    return bytes(out)


def quoted(text):
    """Encode a text as JSON with all non-printable characters escaped."""
    out = []
    for c in text:
        if c in '"\\':
            out.append("\\" + c)
        elif c.isprintable() and not unicodedata.combining(c) and unicodedata.bidirectional(c) not in ("R", "AL"):
            out.append(c)
        else:
            out.append(json.dumps(c)[1:-1])
    return '"' + "".join(out) + '"'


def main():
    here = Path(__file__).resolve().parent.parent
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--count", type=int, default=4600)
    args.add_argument("--seed", type=int, default=20240229)
    args.add_argument("--clean", choices=["lower", "whitespace", "canonicalize"], default="lower")
    args.add_argument("--out", type=Path, help="by default in tests/goldens/tokenizer")
    args.add_argument("--text", type=Path, nargs="*", default=[], help="UTF-8 files with more lines to draw from")
    args.add_argument("--longest", type=int, default=220, help="truncate longer texts")
    args = args.parse_args()
    name = "lines" if args.clean == "lower" else args.clean
    args.out = args.out or here / f"tests/goldens/tokenizer/{name}.jsonl"

    # This also registers the sloppy code pages that produce mojibake.
    from open_clip.tokenizer import SimpleTokenizer
    tokenizer = SimpleTokenizer(clean=args.clean)
    extra = []
    for path in args.text:
        extra += [line for line in path.read_text("utf-8", "ignore").split("\n") if line.strip()]
    maker = Maker(args.seed, extra)

    args.out.parent.mkdir(parents=True, exist_ok=True)
    seen = set()
    skipped = 0
    with args.out.open("w", encoding="utf-8", newline="\n") as out:
        texts = list(CAPTIONS + SNIPPETS) if not extra else []
        while len(seen) < args.count:
            text = texts.pop(0) if texts else maker.text()[: args.longest]
            # Python strings may contain lone surrogates; a Rust &str cannot.
            text = "".join(c for c in text if not 0xD800 <= ord(c) <= 0xDFFF)
            if text in seen:
                continue
            ids = tokenizer.encode(text)
            # open_clip does not split the text of a special token, in any case; here it is ordinary text.
            if re.search("<(start|end)_of_text>", tokenizer.clean_fn(text), re.IGNORECASE):
                skipped += 1
                continue
            seen.add(text)
            out.write(f"[{quoted(text)},{json.dumps(ids, separators=(',', ':'))}]\n")
    print(f"{len(seen)} lines, {skipped} with special tokens left out, {args.out.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
