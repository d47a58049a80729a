"""Notices of bans in many languages are hinted at, and pages about other things, or about bans, are not."""

from __future__ import annotations

import time

import pytest

from probe.model import Http
from results.fingerprints.hints import Hint, hint_in, hint_words
from results.fingerprints.page_text import page_texts


def answer(body: str | bytes, content_type: str = "text/html", encoding: str = "utf-8") -> Http:
    raw = body.encode(encoding) if isinstance(body, str) else body
    return Http(
        url="http://forum.example/", status=200, headers=(("Content-Type", content_type),), body=raw, length=len(raw)
    )


def page(title: str, text: str) -> str:
    return f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>"


def hint(title: str, text: str) -> Hint | None:
    return hint_in(answer(page(title, text)))


NOTICES = {
    "am": ("ማስታወቂያ", "ይህ ድረ ገጽ በመንግስት ትዕዛዝ ታግዷል።"),
    "ar": ("تنبيه", "عذراً، هذا الموقع محجوب بقرار من هيئة الاتصالات."),
    "az": ("Bildiriş", "Bu sayt məhkəmənin qərarı ilə bloklanıb."),
    "be": ("Паведамленне", "Доступ да гэтага сайта абмежаваны паводле рашэння міністэрства."),
    "bg": ("Съобщение", "Достъпът до този сайт е ограничен по решение на съда."),
    "bn": ("বিজ্ঞপ্তি", "সরকারের নির্দেশে এই ওয়েবসাইট বন্ধ করা হয়েছে।"),
    "cs": ("Oznámení", "Přístup na tuto stránku je zablokován na základě zákona o hazardu."),
    "da": ("Besked", "Adgangen til denne hjemmeside er spærret efter en kendelse fra retten."),
    "de": ("Hinweis", "Diese Seite wurde auf Anordnung eines Gerichts gesperrt."),
    "el": ("Ανακοίνωση", "Η πρόσβαση στην ιστοσελίδα έχει απαγορευτεί με απόφαση της επιτροπής."),
    "en": ("Notice", "Your provider has blocked this website because a ministry ordered it to."),
    "es": ("Aviso", "El acceso a este sitio ha sido bloqueado por orden judicial."),
    "et": ("Teade", "See veebileht on blokeeritud kohtu korraldusel."),
    "fa": ("پیام", "دسترسی به این سایت به دستور مراجع قضایی مسدود است."),
    "fi": ("Ilmoitus", "Pääsy tälle sivustolle on estetty poliisin määräyksellä."),
    "fr": ("Information", "L'accès à ce site est bloqué par une décision de justice du tribunal."),
    "he": ("הודעה", "הגישה לאתר זה נחסמה בצו בית המשפט."),
    "hi": ("सूचना", "सरकार के आदेश से यह वेबसाइट ब्लॉक कर दी गई है।"),
    "hr": ("Obavijest", "Pristup ovoj stranici je blokiran odlukom suda."),
    "hu": ("Tájékoztató", "Ezt a weboldalt bírósági határozat alapján letiltották; a bíróság döntött."),
    "hy": ("Ծանուցում", "Այս կայքը արգելափակված է դատարանի որոշմամբ։"),
    "id": ("Pemberitahuan", "Situs ini diblokir berdasarkan peraturan menteri."),
    "it": ("Avviso", "L'accesso a questo sito è stato inibito con provvedimento dell'autorità."),
    "ja": ("お知らせ", "このサイトへのアクセスは裁判所の命令により遮断されています。"),
    "ka": ("შეტყობინება", "ეს საიტი დაბლოკილია სასამართლოს გადაწყვეტილებით."),
    "kk": ("Хабарлама", "Бұл сайтқа қол жеткізу сот шешімімен шектелген."),
    "km": ("សេចក្តីជូនដំណឹង", "គេហទំព័រនេះត្រូវបានបិទតាមបញ្ជារបស់ក្រសួង"),
    "ko": ("안내", "이 사이트는 위원회의 심의에 따라 차단되었습니다."),
    "ky": ("Билдирүү", "Бул сайт соттун чечими менен бөгөттөлгөн."),
    "lt": ("Pranešimas", "Prieiga prie šios svetainės apribota teismo sprendimu."),
    "lv": ("Paziņojums", "Piekļuve šai vietnei ir bloķēta ar tiesas lēmumu."),
    "ms": ("Notis", "Laman ini disekat di bawah akta oleh suruhanjaya."),
    "my": ("အသိပေးချက်", "ဤဝဘ်ဆိုက်ကို ဝန်ကြီးဌာန၏ ညွှန်ကြားချက်အရ ပိတ်ထားသည်။"),
    "nl": ("Melding", "Deze website is geblokkeerd na een vonnis van de rechter."),
    "no": ("Melding", "Nettstedet er sperret etter pålegg fra tingrett."),
    "pl": ("Komunikat", "Ta strona została zablokowana na podstawie ustawy."),
    "pt": ("Aviso", "O acesso a este site foi bloqueado por decisão do tribunal."),
    "ro": ("Anunț", "Accesul la acest site a fost blocat prin ordin al autorității."),
    "ru": ("Уведомление", "Доступ к этому сайту ограничен по решению суда."),
    "sk": ("Oznam", "Prístup na túto stránku bol zablokovaný na príkaz súdu."),
    "sq": ("Njoftim", "Qasja në këtë faqe është bllokuar me vendim të gjykatës."),
    "sv": ("Meddelande", "Webbplatsen är spärrad enligt beslut av domstol."),
    "sw": ("Taarifa", "Tovuti hii imezuiwa kwa mujibu wa sheria."),
    "tg": ("Огоҳӣ", "Дастрасӣ ба ин сомона бо қарори суд маҳдуд шудааст."),
    "th": ("ประกาศ", "เว็บไซต์นี้ถูกระงับตามคำสั่งศาล"),
    "tr": ("Bilgi", "Bu internet sitesine erişim mahkeme kararıyla engellenmiştir."),
    "uk": ("Повідомлення", "Доступ до цього сайту заблоковано за рішенням суду."),
    "ur": ("اطلاع", "یہ ویب سائٹ حکومت کے حکم پر بلاک کر دی گئی ہے۔"),
    "uz": ("Xabar", "Ushbu saytga kirish sud qarori bilan cheklangan."),
    "vi": ("Thông báo", "Trang này đã bị chặn theo quyết định của cơ quan nhà nước."),
    "zh": ("提示", "根据有关法律法规,该网站已被屏蔽。"),
}


@pytest.mark.parametrize("language", NOTICES)
def test_a_notice_of_a_ban_says_who_bans_in_its_language(language: str) -> None:
    found = hint(*NOTICES[language])
    assert found is not None
    assert found.by_whom
    assert not found.refuses


def test_the_words_are_of_at_least_forty_languages() -> None:
    assert len({language.code for language in hint_words().language}) >= 40


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        ("ru", "cp1251"),
        ("ru", "koi8-r"),
        ("ru", "cp866"),
        ("uk", "cp1251"),
        ("ar", "cp1256"),
        ("tr", "cp1254"),
        ("tr", "iso8859-9"),
        ("el", "cp1253"),
        ("he", "cp1255"),
        ("pl", "cp1250"),
        ("lt", "cp1257"),
        ("th", "cp874"),
        ("zh", "gb18030"),
        ("ko", "euc-kr"),
        ("ja", "shift_jis"),
        ("ja", "euc-jp"),
        ("fr", "latin-1"),
        ("de", "latin-1"),
        ("ru", "utf-16"),
    ],
)
@pytest.mark.parametrize("declared", ["", "; charset={}", "; charset=iso-8859-1", "; charset=utf-8", "; charset=none"])
def test_bytes_of_an_old_character_set_are_read_whatever_the_header_says(
    language: str, encoding: str, declared: str
) -> None:
    body = page(*NOTICES[language])
    found = hint_in(answer(body, "text/html" + declared.format(encoding), encoding))
    assert found is not None
    assert not found.refuses


@pytest.mark.parametrize(
    "body",
    [
        '<html><body><a href="http://eais.rkn.gov.ru/">?</a></body></html>',
        '<html><body><img src="images/internetpositif.jpg"></body></html>',
        '<html><head><title>M1-6</title></head><body><iframe src="http://10.10.34.34/?type=x"></iframe></body></html>',
        "<script>window.location.replace('http://192.168.7.7/stop')</script>",
        '<meta http-equiv="refresh" content="0; url=http://172.16.0.9/blocked.html">',
        '<img alt="This website is blocked by order of the regulator" src=a.png>',
        "<title>451</title><body>Your provider has blocked this site by &#111;rder of a c&#111;urt",
        '<body><div style="x">Access</div> <b>to this site</b> has been\n\n<i>restricted</i> by the ministry',
    ],
)
def test_what_points_at_a_filter_in_links_pictures_and_markup_is_a_hint(body: str) -> None:
    found = hint_in(answer(body))
    assert found is not None
    assert not found.refuses


MANY_LINKS = "".join(f"<a href=/{n}>Chapter {n}</a> " for n in range(60))
HONEST = {
    "gardens": ("Gardens", "How to prune roses in spring, and when not to."),
    "default page": (
        "Welcome to nginx!",
        "If you see this page, the web server is successfully installed and working.",
    ),
    "works": ("Apache2 Debian Default Page: It works", "This is the default welcome page of this site."),
    "not found": ("404 Not Found", "The page you requested is not available on this server."),
    "maintenance": ("Back soon", "The site is temporarily unavailable for maintenance."),
    "parked": ("forum.example", "This domain is for sale. Make an offer."),
    "cookies": ("Shop", "We use cookies. You may block them in the settings of your browser."),
    "ad blocker": ("Reader", "Please switch off your ad blocker to read on."),
    "court news": ("Local news", "The court will hear the case of the bridge on Monday."),
    "road": ("Traffic", "The road to the station is blocked by snow."),
    "register": ("Sign in", "Register or sign in to see this page."),
    "book": ("Library", "The reading room is closed on Sundays by order of the director."),
    "long article": ("Website blocking", "Ministries order providers and a website is blocked. " * 120),
    "article": ("Internet censorship in Ruritania", MANY_LINKS + "Sites were blocked by court order in 2014."),
    "digital rights": ("Know your rights", MANY_LINKS + "Is a website blocked for you? Tell the regulator."),
    "headline": ("Daily News: site blocked by a court", MANY_LINKS + "A court ordered providers to act."),
    "newspaper": ("Суд заблокировал сайты", MANY_LINKS + "Роскомнадзор: доступ к сайту ограничен."),
    "russian shop": ("Магазин", "Доставка по решению покупателя. Адрес: улица Закона, 5."),
    "french shop": ("Boutique", "Votre panier est vide. Paiement par carte."),
    "german club": ("Verein", "Der Zugang zum Platz ist wegen Regens nur von Norden möglich."),
    "turkish cafe": ("Kahve", "Bizim kahvemiz her gün açıktır."),
    "chinese shop": ("商店", "欢迎光临,本店每天营业。"),
    "arabic cafe": ("مقهى", "أهلاً وسهلاً بكم كل يوم."),
    "japanese inn": ("旅館", "ようこそ。ご予約はお電話で。"),
    "down": ("forum.example | 521: Web server is down", "The web server is not returning a connection."),
    "races": ("Data races", "It is an error to violate the order of two accesses to one location."),
    "iis": ("IIS Windows Server", ""),
    "index": ("Index of /", "Parent Directory  backup.tar.gz  notes.txt"),
    "moved": ("301 Moved Permanently", "The document has moved here."),
    "empty": ("", ""),
}


@pytest.mark.parametrize("name", HONEST)
def test_an_ordinary_page_is_no_hint(name: str) -> None:
    assert hint(*HONEST[name]) is None


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Access Denied", "You don't have permission to access this server."),
        ("Sorry", "This site is restricted in your country."),
        ("Site blocked", "This site is blocked by the hosting provider: payment is due."),
        ("Сайт заблокирован", "Сайт заблокирован хостинг-провайдером за неоплату."),
        ("Accès refusé", "Vous n'avez pas l'autorisation."),
        ("Bloqueado", "Este sitio está bloqueado en tu país."),
        ("Sorry", "This content is not available in your country."),
        ("", "Contenido no disponible en tu país."),
        ("Internet Sehat", MANY_LINKS + "A provider's portal, or an article about it."),
        ("", '<iframe src="http://frames.example/"></iframe>'),
        ("", "<script>location.href = 'http://parking.example/lander'</script>"),
        ("Unblocked games", "Play unblocked games at school; our site is blocked nowhere."),
    ],
)
def test_what_a_service_or_its_hoster_may_say_by_itself_is_a_refusal(title: str, text: str) -> None:
    found = hint(title, text)
    assert found is not None
    assert found.refuses


def test_a_picture_has_no_words() -> None:
    assert page_texts(answer(b"\x89PNG\r\n\0\0blocked site by court", "image/png")) == ()


@pytest.mark.parametrize(
    "body",
    [
        b"<" * 65536,
        b"<a " * 30000,
        b"<script>" * 8000,
        b"<script>" + b"location='" * 6000,
        b"<img alt=" + b"'" * 60000,
        b"&#x" * 20000,
        b"<title" * 10000,
        b"\xff\xfe" + b"\x00<" * 30000,
        b"\xc1" * 65536,
        ("сайт заблокирован " * 3000).encode("cp1251"),
        b"site blocked " * 5000,
        b"<a href='http://[" * 4000,
        b"<iframe src=http://10.0.0.1:99999999/>" * 1700,
    ],
)
def test_a_hostile_page_takes_bounded_time(body: bytes) -> None:
    began = time.process_time()
    hint_in(answer(body))
    assert time.process_time() - began < 2.0
