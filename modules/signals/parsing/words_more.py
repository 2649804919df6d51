"""Words that frame what follows as no call, in all languages, and the core words of more languages. As in `words_en_ru`."""

from __future__ import annotations

from modules.signals.parsing.parts import (
    ALL_HIT,
    BREAKEVEN,
    CANCEL,
    CLOSE,
    DENIED,
    ENTRY,
    FILLER,
    FRAMED,
    HABIT,
    HIT,
    LEVEL,
    LEVERAGE,
    LONG,
    LONG_LIMIT,
    LOSS,
    MARKET,
    MAYBE_STOP,
    MAYBE_TARGET,
    MOVE,
    NOT,
    PART,
    PAST,
    PRICE,
    PROFIT,
    SHORT,
    SHORT_LIMIT,
    SIGNAL,
    STOP,
    STOPPED,
    SYMBOL,
    TALK,
    TARGET,
)

TABLES: dict[str, dict[str, str]] = {
    "framing": {
        FRAMED: "imagine|suppose|supposing|assume|pretend|say you|let's say|lets say|let us say|hypothetically|hypothetical"
        "|lesson|lessons|quiz|homework|tutorial|math of|risk math|demo|demonstration|example|for example|sample|worked example"
        "|old signal|old call|old trade|archive|throwback|flashback|fake admin|fake admins|fake account|fake accounts|fake channel"
        "|asked|asks|paper trade|paper trading|plan for tomorrow|plan for next week|plan for monday"
        "|представь|представьте|допустим|предположим|урок|пример|например|викторина|учебный|учебная|спросил|спрашивают"
        "|imagina|imaginemos|supongamos|supón|ejemplo|por ejemplo|lección|suponha|suponhamos|exemplo|por exemplo|lição"
        "|stell dir vor|angenommen|beispiel|zum beispiel|lektion|imaginez|imaginons|supposons|exemple|par exemple|leçon"
        "|diyelim ki|varsayalım|örnek|örneğin|immagina|supponiamo|esempio|per esempio|lezione|misalnya|misalkan|contoh"
        "|例如|假设|比如|示例|مثال|لنفترض|تخيل|فرض کنید|تصور کنید|ví dụ|giả sử|przykład|załóżmy|wyobraź sobie|lekcja"
        "|beispielrechnung|rechenbeispiel|beispieltrade|beispielsignal|beispielhaft|musterrechnung|übungsbeispiel|rechenaufgabe"
        "|calculation example|example calculation|example trade|example only|training example|exercise|пример расчета|для примера"
        "|в качестве примера|учебный пример|пример сделки|ejemplo práctico|ejemplo de cálculo|ejercicio|exercício|exercice|esercizio"
        "|esempio pratico|exemple de calcul|örnek işlem|örnek hesap|örnek hesaplama|örnektir|contoh soal|contoh perhitungan|contohnya"
        "|przykładowo|przykładowa|przykładowy|ćwiczenie|rekenvoorbeeld|voorbeeldtrade|räkneexempel|eksempel|regneeksempel|exemplu"
        "|de exemplu|példa|például|παράδειγμα|דוגמה|לדוגמה|esimerkki|esimerkiksi|উদাহরণ|ตัวอย่าง|उदाहरण|예시|예를 들어|举例"
        "|مثلا|مثال توضيحي|على سبيل المثال|به عنوان مثال|برای مثال|مثلاً|tỉ dụ|thí dụ|misal"
        "|for illustration|illustration|case study|imaginary|how i would|how i'd|i'm thinking|i am thinking|im thinking|thinking of"
        "|poll|umfrage|опрос|encuesta|enquete|anket|sondaggio|sondage|fallstudie|fake message|fake signal|fake signals|scam alert"
        "|zur veranschaulichung|a modo de ejemplo|a título de exemplo|для иллюстрации|i was thinking|would have been"
        "|уявіть|припустимо|наприклад|приклад|voorbeeld|bijvoorbeeld|příklad|například|představte si|exempel|till exempel",
    },
    "denials": {
        DENIED: "not a signal|not a trade signal|not a trading signal|is no signal|isn't a signal|isnt a signal|not signal|never a signal"
        "|not a call|not a trade call|not an entry|not a setup|not a trade idea|not a live trade|not a real trade|not a real signal"
        "|just an example|only an example|example only|for demonstration only|do not copy this|don't copy this|don't trade this"
        "|do not trade this|don't take this trade|do not take this trade|do not enter this|don't enter this"
        "|just illustration|just an illustration|illustration only|for illustration only|hypothetical|hypothetically|purely hypothetical"
        "|test signal|test message|this is a test|testsignal|тестовый сигнал|тест сигнал|тестовое сообщение|señal de prueba"
        "|sinal de teste|test sinyali|deneme sinyali|sinyal uji coba|signal de test|sygnał testowy|segnale di prova|kein trade"
        "|kein echter trade|kein echtes signal|keine echte order"
        "|kein signal|ist kein signal|kein einstieg|kein handelssignal|nur ein beispiel|nur beispiel|nicht nachtraden"
        "|не сигнал|это не сигнал|не является сигналом|не торговый сигнал|сигналом не является|не вход|только пример|это пример"
        "|просто пример|не повторять|не повторяйте|не є сигналом|не сигнал до дії|це не сигнал|лише приклад"
        "|no es señal|no es una señal|no es un señal|solo un ejemplo|es un ejemplo|solo ejemplo|no copiar esta"
        "|não é sinal|não é um sinal|nao e sinal|apenas um exemplo|só um exemplo|apenas exemplo"
        "|pas un signal|n'est pas un signal|juste un exemple|simple exemple"
        "|non è un segnale|non un segnale|solo un esempio|è solo un esempio"
        "|sinyal değil|sinyal değildir|bir sinyal değildir|işlem değildir|sadece örnek|sadece örnektir|örnek amaçlıdır"
        "|bukan sinyal|bukan signal|ini bukan sinyal|hanya contoh|sekadar contoh|bukan isyarat|bukan entry"
        "|to nie sygnał|nie jest sygnałem|nie jest to sygnał|to nie jest sygnał|tylko przykład"
        "|không phải tín hiệu|không phải là tín hiệu|không phải kèo|chỉ là ví dụ"
        "|is geen signaal|slechts een voorbeeld|není signál|neni signal|jen příklad|inte en signal|bara ett exempel"
        "|ikke et signal|ei ole signaali|ei signaali|nu este semnal|nu este un semnal|doar un exemplu|nem jelzés|nem szignál"
        "|δεν είναι σήμα|όχι σήμα|לא איתות|זה לא איתות|זה לא סיגנל|সিগন্যাল নয়|সিগনাল নয়|सिग्नल नहीं|सिग्नल नहीं है|ไม่ใช่สัญญาณ"
        "|سیگنال نیست|این سیگنال نیست|صرفا مثال|صرفا جهت آموزش|ليست توصية|هذه ليست توصية|ليست إشارة|هذه ليست إشارة|ليست صفقة|مجرد مثال"
        "|سگنل نہیں|سگنل نہیں ہے|不是信号|非信号|不是喊单|并非信号|仅为示例|これはシグナルではありません|これはシグナルではない|시그널 아님|시그널이 아닙니다|신호가 아닙니다|신호 아님"
        "|beispielrechnung|rechenbeispiel|musterrechnung|rekenvoorbeeld|örnek hesaplama|contoh perhitungan|contoh soal|räkneexempel"
        "|calculation example|example calculation|regneeksempel|пример расчета|ejemplo de cálculo|exemple de calcul"
        "|signal nahi|signal nahi hai|ye signal nahi",
        FILLER: "not a signal service|not a signal provider|not a signal group|not a signal channel|ليست توصية مالية|ليست توصية استثمارية"
        "|ليست توصية بالشراء أو البيع|not a call option"
        "|not financial advice|no financial advice|not investment advice|keine anlageberatung|keine finanzberatung|не финансовая рекомендация"
        "|не инвестиционная рекомендация|не является инвестиционной рекомендацией|no es consejo financiero|não é recomendação"
        "|não é recomendação de investimento|pas un conseil financier|yatırım tavsiyesi değildir|bukan saran keuangan|bukan ajakan",
        HABIT: "twice|three times|many times|several times|every time|each time|again and again|most of the time|twice this week|twice today"
        "|дважды|трижды|каждый раз|несколько раз|снова и снова|два раза|dos veces|cada vez|varias veces|duas vezes|toda vez|várias vezes"
        "|zweimal|dreimal|jedes mal|mehrmals|iki kez|iki kere|iki defa|her seferinde|due volte|ogni volta|deux fois|chaque fois"
        "|dwa razy|za każdym razem|dua kali|setiap kali|hai lần|mỗi lần|مرتين|كل مرة|دو بار|هر بار|हर बार|दो बार|두 번|매번|每次|两次"
        "|twee keer|elke keer|двічі|щоразу|dvakrát|pokaždé|två gånger|varje gång",
    },
    "capitals over arrows": {
        MAYBE_TARGET: "out|off",
        MAYBE_STOP: "cut|dead",
    },
    "definitions": {
        DENIED: "what is a|what's a|what is an|что такое|qué es un|qué es una|qué es el|qué significa|o que é um|o que é uma"
        "|was ist ein|was ist eine|was bedeutet|cos'è un|cos è un|che cos'è|qu'est ce qu'un|qu est ce qu un|c'est quoi un|ne demek"
        "|apa itu|czym jest|co to jest|що таке|wat is een|co je to|vad är en|什么是|とは何|ما هو|ما هي|چیست|क्या है|là gì",
    },
    "the close of the market": {
        FILLER: "into the close|into close|at the close|before the close|after the close|near the close|by the close|on the close|until the close"
        "|toward the close|towards the close|market close|us close|ny close|london close|the cash close",
    },
    "both": {
        HIT: "both hit|both done",
    },
    "ways out": {
        STOP: "cut at|cut below|cut above|cut if|cut it at|cut it below|cut it above|risk line|risk level|risk point|liquidate if|liquidate at|liquidate below"
        "|liquidate above|liquidated if|out if|out if we trade|out if it trades|out if price trades|out below|out above|wrong if|wrong below|wrong above"
        "|wrong at|abandon below|abandon above|abandon at|bail at|bail below|bail above|bail if|exit if|exit below|exit above|max loss at"
        "|maximum loss at|loss line|loss limit|stop sits at|stop rests at|stop is at|stop goes at|stop lives at"
        "|protección|protección en|proteger en|pérdida máxima|pérdida max|máxima pérdida|corte en|cortar en|perda máxima em|corte em|protezione|perdita massima"
        "|perte maximale|perte max|protection à|maximaler verlust|verlustgrenze|schutz bei|raus bei|raus wenn|azami zarar|maksimum zarar|zararı kes"
        "|максимальный убыток|линия риска|режем на|режу на|отмена ниже|отмена выше|cut loss kalau|cut loss jika|cut loss kalau close|batas rugi|rugi maksimal"
        "|maksymalna strata|максимальний збиток|跌破|破位",
        TARGET: "first scale|first scale at|second scale|second scale at|third scale|scale at|scale out at|scale half at|final at|final scale|final scale at"
        "|a third at|take a third off at|take a third at|another third at|a third off at|last third at|final third at|a quarter at|take a quarter off at"
        "|take half off at|half off at|leave the rest for|the rest for|rest for|leave the rest at|the remainder at|covering at|cover at|i cover at|covers at"
        "|salida 1|salida 2|salida 3|salida 4|saída 1|saída 2|saída 3|exit 1|exit 2|exit 3|sortie 1|sortie 2|sortie 3|uscita 1|uscita 2|uscita 3"
        "|выход 1|выход 2|выход 3|ausstieg 1|ausstieg 2|ausstieg 3|jual bertahap|jual bertahap di|jual sebagian di|vender por partes"
        "|фиксируем на|фиксирую на|фіксую на|фіксуємо на|фіксація на",
        ENTRY: "antri|antri di|antri lagi|antri lagi di|cicil di|tambah di|tambah lagi di",
    },
    "taking off": {
        TARGET: "selling half at|selling some at|selling the rest at|selling rest at|selling the other half at|sell some at|sell the other half at|taking off at|take off at|taking some off at|take some off at|taking profits at|taking profit at|taking half off at|the rest around"
        "|the rest near|rest around|rest near|rest to|trim at|trimming at|scaling out at|unload at|unloading at|distribution|distribution zone"
        "|distribute|distribute at|distributing at|offload at|profit at|profits at|selling at target"
        "|realizo em|realizamos em|realizando em|realizar em|saio em|parcial em|tomo ganancias en|salgo en|vendo en parte en"
        "|je sors à|sortie à|je prends à|raus mit gewinn bei|gewinne mitnehmen bei|esco a|incasso a|беру прибыль на|забираю на|выхожу на"
        "|kar al|kar alıyorum|ambil untung di|ambil profit di",
        STOP: "thesis is dead|thesis dead|thesis dies|dead below|dead above|dead under|dead at|dead on|idea is dead|setup dies|setup is dead"
        "|wrong under|wrong over|i am wrong below|i am wrong above|i'm wrong below|i'm wrong above|i'm wrong under|sl goes at|stop goes|stop loss goes at"
        "|sl sits at|sl is at|sl stays at",
        LONG: "grabbed some|grabbing some|picked up some|picking up some|scooped some|loaded some|bought some|buying some|nibbling|aped in",
        FILLER: "nothing to lose",
    },
    "no calls": {
        PAST: "that's running|thats running|still running|is running|already running|currently running|que está corriendo|noch läuft|ещё открыт",
        FRAMED: "ex|e g|eg|how our signals look|how a signal looks|simulated|simulation|mock|mock trade|sample signal|sample trade|dummy|paper trade"
        "|if your entry|if your stop|position sizing|position size in|position size example|how to size|si tu entrada|si tu stop|se sua entrada"
        "|wenn dein einstieg|wenn dein stop|если ваш вход|если твой вход|eğer girişiniz|si votre entrée",
        DENIED: "grid bot|grid trading|grid trading bot|spot grid|futures grid|arbitrage|arbitrage found|arbitrage alert|арбитраж|межбиржевой спред"
        "|arbitraje|arbitragem|arbitraj|arbitraggio|arbitrase|套利|차익거래|آربیتراژ",
        LEVEL: "buy wall|sell wall|buy walls|sell walls|heatmap|max pain",
        FILLER: "stop hunt|stop hunts|stop hunting|stop run|stop runs",
        TALK: "ما رأيكم|شو رأيكم|وش رأيكم|نظرتون چیه|نظر شما|qué opinan|que les parece|o que acham|was meint ihr|was haltet ihr|cosa ne pensate"
        "|qu'en pensez vous|ne dersiniz|gimana menurut|co myślicie|wat vinden jullie",
    },
    "then": {
        FILLER: "sama|serta|along with|as well as|и еще|і ще|y luego|e poi|et puis|und dann|sowie|afterwards|after that|thereafter|subsequently|luego|después|puis|ensuite|après|dann|danach|anschließend|poi|dopo|quindi|depois|em seguida"
        "|sonra|ardından|daha sonra|lalu|terus|trus|kemudian|lanjut|habis itu|potem|następnie|dalej|потом|затем|далі|потім|phir|uske baad|फिर"
        "|ثم|وبعدها|سپس|بعدش|然后|之后|その後|sau đó|rồi|apoi|sedan|daarna|pak|poté|azután|majd|kemudiannya",
    },
    "as before": {
        FILLER: "as yesterday|like yesterday|than yesterday|since yesterday|as last week|like last week|than last week|as last time|like last time"
        "|same as yesterday|same as last time|как вчера|чем вчера|что и вчера|como ayer|que ayer|como ontem|que ontem|de ontem|wie gestern|als gestern"
        "|comme hier|qu'hier|come ieri|di ieri|dünkü gibi|seperti kemarin|jak wczoraj|niż wczoraj",
    },
    "stops struck": {
        STOPPED: "got cut|was cut|been cut|got cut at|got stopped|was stopped|got wicked out|wicked out|wicked us out|bateu no stop|bateu o stop|pegou stop|pegou o stop"
        "|pegou no stop|foi stopado|fomos de stop|deu stop|tomamos stop|nos sacó el stop|nos saco|saltó stop|salto el stop|nos barrieron|nos tocó el stop"
        "|wurden ausgestoppt|ausgestoppt|sl erwischt|stop erwischt|a sauté|on s'est fait stopper|stoppé|stoppati|siamo stati stoppati|preso lo stop"
        "|kena sl|kena stop|kena stoploss|kena cl|stop olduk|stopa takıldı|stoplandık|打止损|打掉止损|被止损|止损了|止损被打|止损出局|扫损|dính sl|cắn sl|quét sl",
        CLOSE: "保本出局|出局|平保",
        STOP: "sl up to|stop up to|sl down to|stop down to|stop loss up to|stop loss down to",
        MOVE: "sl up to|stop up to|sl down to|stop down to|stop loss up to|stop loss down to|raising|lowering|shifting|tightening|dragging|bringing|goes to|go to|moves to|now at|now to|takip|переставьте|перенесите|подтяните|передвиньте|сдвиньте|поднимите|опустите|переведите|подвиньте"
        "|поставьте|пересуньте|перенесіть|підтягніть|muévanlo|muevan|mueva|suban|bajen|coloquen|pongan|movam|subam|puxem|ajustem|verschiebt|zieht|nachziehen"
        "|setzt|remontez|déplacez|montez|descendez|spostate|spostare|alzate|geser|geserkan|naikkan|turunkan|pindahkan|przesuńcie|podciągnijcie|上移到|移到|提到",
        NOT: "so close|missed our|missed the|missed it by|just missed|narrowly missed|missed by|short of",
    },
    "zh": {
        LONG_LIMIT: "挂单买入",
        SHORT_LIMIT: "挂单卖出",
        FILLER: "佈局|现货",
    },
    "interfaces": {
        ENTRY: "px|ordpx|order px|entrypx|openpx",
        STOP: "sltriggerpx|slordpx|sl trigger px|slprice|sltriggerprice|stoplossprice",
        TARGET: "tptriggerpx|tpordpx|tp trigger px|tpprice|tptriggerprice|takeprofitprice",
        LEVERAGE: "lever",
    },
    "slips of the pen": {
        LONG: "lnog|logn|lonng",
        SHORT: "shrot|shor|shortt|seel|selll",
        TARGET: "take proft|take proftt|tak profit|takeproft|tke profit|pt|taget|tagets|targt|targts|tarets|tarhet",
        STOP: "stp los|stp loss|stop losss|stoploos|stopp loss|stop lossss|sotp loss",
    },
    "invalidations": {
        STOP: "invalid sub|invalid under|invalid over|invalid at|invalid on|invalid if below|invalid if above|void below|void above|void under|void at"
        "|protection|protect at|safety|safety stop|safety net|inval|inval at|inval below|inval above|invalidation at|invalidation below|invalidation above|invalidated at"
        "|invalidates below|invalidates above|invalidates at",
    },
    "told of targets and stops": {
        STOPPED: "cut triggered|cut hit|손절 처리|손절 처리되었습니다|손절 완료|손절 났습니다|손절 나갔습니다|손절 처리했습니다|손절되었습니다",
        ALL_HIT: "всі цілі|усі цілі|всі тейки|both tps|both targets|both tps done|both targets done|saare target|saare targets|sare target"
        "|sabhi target|saare tp|alle ziele|tous les objectifs|tutti i target|tutti gli obiettivi|semua target|wszystkie cele",
        CLOSE: "закриті|закритий|закрита",
        TARGET: "profit point|profit points|nishana|nishane",
        LONG: "kharidari|kharido|khareedo",
        SHORT: "bikri|becho",
    },
    "boasts": {
        PAST: "what a week|what a day|what a run|what a trade|what a call|members got|members received|members took|vip got|vip members got|got this|you missed"
        "|never in danger|did great|went great|worked perfectly|played out|played out perfectly"
        "|result|looks good to me|looks fine to me|looks right to me",
        LEVEL: "dominance|btc dominance|bitcoin dominance",
    },
    "days and weeks": {
        FILLER: "closed the weekly|closed the daily|closed the day|closed the week|closed the month|weekly closed|daily closed|monthly closed|closed its week"
        "|is closed on|are closed on|market is closed|markets are closed|market closed|markets closed|closed on sunday|closed on saturday"
        "|closed for the holiday|closed for holidays|opened with a gap|opened flat|opened higher|opened lower|opened the week|opened the day",
        LEVEL: "last week's low|last week's high|last week low|last week high|lows of last week|highs of last week|low of last week|high of last week"
        "|yesterday's high|yesterday's low|yesterday high|yesterday low|low of yesterday|high of yesterday|yesterday's lows|yesterday's highs",
    },
    "reflexive": {
        PAST: "holding long|holding short|holding longs|holding shorts|still long|still short|am still long|am still short",
        FILLER: "si apre|si entra|si compra|si vende|si parte|own homework|your homework|do your homework",
    },
    "hinglish": {
        LONG: "long bana lo|long bana lena|long bana lete|long lo|le lo|lelo|le lena|le len|kharido|khareedo|kharid lo|khareed lo|buy karo|buy kar lo|buy karna|long karo|long le lo",
        SHORT: "short bana lo|short bana lena|short lo|bech do|becho|bech dena|sell karo|sell kar do|sell karna|short karo|short le lo",
        MARKET: "abhi|abhi ke abhi",
        STOP: "sl lagao|sl lagana|sl rakho|sl rakhna|stop lagao|stoploss lagao",
        "#1": "pehla|pehli|pahla|pahli|pehle",
        "#2": "dusra|dusri|doosra|doosri",
        "#3": "teesra|teesri|tisra|tisri",
        "#4": "chautha|chauthi",
        "#5": "paanchwa|panchwa",
        FILLER: "lagana|lagao|rakho|rakhna|zaroor|bhai|yaha|yahan",
        HIT: "ho gaya|hogaya|aa gaya|mil gaya|hit ho gaya|hit hogaya|ho gya|aagaya|poora",
        STOPPED: "sl lag gaya|sl hit ho gaya|stop lag gaya|sl ud gaya|stoploss lag gaya|sl hit hogaya",
        CLOSE: "nikal jao|nikal lo|exit karo|close karo|close kar do|band karo|bahar nikal jao|exit kar lo",
        PART: "half nikal lo|aadha nikal lo|aadha book karo|profit book karo|half book karo|thoda book karo|aadha|half close karo",
        BREAKEVEN: "cost pe|cost par|entry pe|entry par",
        CANCEL: "cancel karo|cancel kar do|order hatao",
        NOT: "nahi|agar|jab",
    },
    "changed": {
        MOVE: "изменен|изменена|изменено|geändert|angepasst|modifié|modifiée|zmieniono|diubah|modificato|змінено"
    },
    "ru": {
        PART: "фикс|фиксанул|фиксанули|фиксую",
    },
    "pl": {
        ENTRY: "wejścia|wchodzę|wchodzimy|wejście po|strefa zakupu|strefa sprzedaży",
        TARGET: "cel zysku|cele zysku|poziom zysku|cena docelowa|weź zysk",
        STOP: "stop strata|zlecenie obronne|poziom obrony|stopa|stopy",
        LONG: "kupujcie|kupuję|pozycja długa|długa pozycja|długa|kupić|kupować",
        SHORT: "sprzedaję|sprzedajcie|sprzedać|sprzedawać|pozycja krótka|krótka pozycja",
        MARKET: "natychmiast|po cenie rynkowej|od razu|po bieżącej cenie",
        FILLER: "między|pomiędzy|oraz|potem|następnie",
        HIT: "osiągnięto|zrealizowano|trafione|zaliczone|osiągnięta|zrealizowane|wszedł|padł|siadł",
        STOPPED: "wybiło stopa|stop trafiony|sl trafiony|wyrzuciło na stopie|wyleciał stop|zamknięte na stopie|zamknięte na sl|stop zrealizowany",
        ALL_HIT: "wszystkie cele|wszystkie tp|wszystkie targety",
        CLOSE: "zamykam|zamykajcie|wychodzimy|wychodzę|zamykamy pozycję|zamykam pozycję|wychodzimy z pozycji",
        CANCEL: "anulowany|anulowana|anuluję|kasujemy|kasujemy zlecenie|rezygnujemy|usuwamy zlecenie|nieaktualne|nieaktualny",
        PART: "połowę pozycji|część pozycji|zamykamy połowę|zamykam połowę|zamykamy część|realizujemy część|częściowe zamknięcie",
        MOVE: "przesuwam|przesuńcie|podciągamy|podciągnij|podciągam|przestawiamy|ustawiamy",
        BREAKEVEN: "na be|w punkt wejścia|na punkt wejścia|na poziom wejścia|na cenę wejścia",
    },
    "tr": {
        STOP: "stopu|stopları|stoplar|stopunu|stopunuzu|stopumuzu|stopların|sl'yi|sl'i|sl yi|sl'leri|stop'u",
        TARGET: "hedefe|hedefine|hedefini|hedefimize",
        SHORT: "short açıyorum|short açtım|shortluyorum|short giriyorum",
        LONG: "long açıyorum|long açtım|longluyorum|long giriyorum",
        FILLER: "civarı|civarında|civarından",
        MOVE: "taşıyoruz|taşıdık|taşıyalım|çekebilirsiniz|alalım|yükseltiyoruz|yükseltin",
    },
    "es": {
        HIT: "alcanzó|alcanzo|tocó|llegó al|llegó a|alcanza|cumplió|logró",
        CANCEL: "cancelen|cancelen la orden|cancelad|cancele|anulen|anulad|cancela|cancelen la orden pendiente|eliminen la orden|borren la orden",
        MARKET: "entrada inmediata",
        ENTRY: "entrada inmediata",
    },
    "uk": {
        LONG: "лонгую|лонгуємо|лонг",
        SHORT: "шорчу|шортую|шортуємо|шорт",
        FILLER: "та",
        "#1": "перша|першу|перший|перше|першої",
        "#2": "друга|другу|другий|друге|другої",
        "#3": "третя|третю|третій|третє|третьої",
    },
    "cs": {
        ENTRY: "vstup|vstupní cena|vstupní zóna|nákupní zóna",
        TARGET: "cíl|cíle|cílová cena|vzít zisk",
        STOP: "stop ztráta|zastavit ztrátu",
        PRICE: "cena",
        LONG: "nákup|kupujeme|koupit|nakupujeme",
        SHORT: "prodej|prodáváme|prodat",
        MARKET: "za trh|tržní|nyní",
        LEVERAGE: "páka|pákový efekt",
        SYMBOL: "mince|pár",
        HIT: "dosažen|dosaženo|splněn|splněno|zasažen",
        CLOSE: "zavřít|zavíráme|uzavřít|uzavřeno|zavřeno",
        CANCEL: "zrušeno|zrušit|rušíme",
        PART: "polovinu|částečně",
        MOVE: "posunout|posouváme|přesunout",
        BREAKEVEN: "na vstup|na nulu",
        NOT: "ne|není|pokud|ještě",
        PROFIT: "zisk",
        LOSS: "ztráta",
        SIGNAL: "signál",
    },
    "el": {
        ENTRY: "είσοδος|τιμή εισόδου|ζώνη εισόδου|είσοδο",
        TARGET: "στόχος|στόχοι|στόχους|κέρδος στόχος",
        STOP: "στοπ|όριο ζημίας",
        PRICE: "τιμή",
        LONG: "αγορά|αγοράζουμε|λονγκ",
        SHORT: "πώληση|πουλάμε|σορτ",
        MARKET: "στην αγορά τώρα|τώρα",
        LEVERAGE: "μόχλευση",
        SYMBOL: "νόμισμα|ζεύγος",
        HIT: "επιτεύχθηκε|έπιασε|χτύπησε",
        CLOSE: "κλείνουμε|κλείσιμο|κλείστε|έκλεισε",
        CANCEL: "ακυρώθηκε|ακύρωση|ακυρώνουμε",
        PART: "μισό|μερικώς",
        MOVE: "μεταφορά|μεταφέρουμε|μετακινούμε",
        NOT: "δεν|όχι|αν|εάν",
        SIGNAL: "σήμα",
    },
    "he": {
        ENTRY: "כניסה|מחיר כניסה|אזור כניסה|נקודת כניסה",
        TARGET: "יעד|יעדים|מטרה|מטרות|מימוש",
        STOP: "סטופ|סטופ לוס|עצירת הפסד",
        PRICE: "מחיר",
        LONG: "לונג|קנייה|קניה|קונים",
        SHORT: "שורט|מכירה|מוכרים",
        MARKET: "עכשיו|מחיר שוק",
        LEVERAGE: "מינוף",
        SYMBOL: "מטבע|צמד|על",
        HIT: "הושג|הגיע|הגענו|פגע",
        CLOSE: "סוגרים|לסגור|נסגר|סגירה",
        CANCEL: "מבוטל|ביטול|מבטלים",
        PART: "חצי|חלקי",
        MOVE: "מזיזים|להזיז|מעבירים",
        NOT: "לא|אם|עדיין",
        SIGNAL: "איתות|סיגנל",
    },
    "sv": {
        ENTRY: "ingång|ingångspris|inträde|köpzon",
        TARGET: "mål|målpris|vinstmål",
        STOP: "stopp|stoppförlust|stoppnivå",
        PRICE: "pris",
        LONG: "köp|köper|köpa|lång",
        SHORT: "sälj|säljer|sälja|kort position",
        LEVERAGE: "hävstång",
        SYMBOL: "mynt|valutapar",
        HIT: "nått|nådd|nåddes|träffat|uppnått",
        CLOSE: "stäng|stänger|stängd|stänga",
        CANCEL: "avbruten|avbryt|inställd|makulera",
        PART: "hälften|delvis",
        MOVE: "flytta|flyttar",
        NOT: "inte|om|nästan",
    },
    "da": {
        ENTRY: "indgang|indgangspris",
        STOP: "stoptab",
        LONG: "køb|køber",
        SHORT: "sælg|sælger|salg",
        LEVERAGE: "gearing|gearet",
        HIT: "nået|ramt|opnået",
        CLOSE: "luk|lukker|lukket",
        CANCEL: "annulleret|annuller",
    },
    "fi": {
        ENTRY: "sisäänmeno|ostohinta|ostoalue",
        TARGET: "tavoite|tavoitteet|tavoitehinta",
        STOP: "stoppi|tappioraja",
        LONG: "osta|ostamme|osto",
        SHORT: "myy|myymme|myynti",
        LEVERAGE: "vipu|vipuvaikutus",
        HIT: "saavutettu|osui",
        CLOSE: "sulje|suljemme|suljettu",
        CANCEL: "peruttu|peruuta",
    },
    "ro": {
        ENTRY: "intrare|preț de intrare|zona de intrare|intrarea",
        TARGET: "țintă|ținte|obiectiv|obiective",
        STOP: "stop pierdere",
        PRICE: "preț",
        LONG: "cumpără|cumpărăm|cumpărare",
        SHORT: "vinde|vindem|vânzare",
        LEVERAGE: "levier",
        SYMBOL: "monedă|pereche",
        HIT: "atins|atinsă|realizat",
        CLOSE: "închidem|închide|închis|închisă",
        CANCEL: "anulat|anulează|anulăm",
        PART: "jumătate|parțial",
        MOVE: "mutăm|mută|mutat",
    },
    "hu": {
        ENTRY: "belépő|belépés|belépési ár|belépési zóna",
        TARGET: "célár|célárak|cél|célok",
        STOP: "stop ár|veszteségstop",
        LONG: "vétel|veszünk|vegyél",
        SHORT: "eladás|eladunk",
        LEVERAGE: "tőkeáttétel|áttétel",
        HIT: "elérve|elérte|teljesült",
        CLOSE: "zárjuk|zárás|lezárva|zárd",
        CANCEL: "törölve|törlés|töröljük",
    },
    "bn": {
        ENTRY: "এন্ট্রি|প্রবেশ|এন্ট্রি প্রাইস|এন্ট্রি জোন",
        TARGET: "টার্গেট|লক্ষ্য|টেক প্রফিট",
        STOP: "স্টপ লস|স্টপলস|স্টপ",
        LONG: "বাই|লং|কিনুন|ক্রয়",
        SHORT: "সেল|শর্ট|বিক্রি|বিক্রয়",
        LEVERAGE: "লিভারেজ",
        FILLER: "করুন",
        HIT: "হিট|পূর্ণ|অর্জিত",
        STOPPED: "স্টপ লস হিট",
        CLOSE: "ক্লোজ|বন্ধ",
        CANCEL: "বাতিল",
    },
    "th": {
        ENTRY: "จุดเข้า|เข้า|ราคาเข้า",
        TARGET: "เป้า|เป้าหมาย|ทำกำไร",
        STOP: "ตัดขาดทุน|จุดตัดขาดทุน",
        LONG: "ซื้อ|ลอง",
        SHORT: "ขาย|ชอร์ต",
        LEVERAGE: "เลเวอเรจ",
        HIT: "ถึงเป้า",
        CLOSE: "ปิด|ปิดสถานะ",
        CANCEL: "ยกเลิก",
    },
    "ms": {
        ENTRY: "masuk|harga masuk|zon masuk",
        TARGET: "sasaran",
        STOP: "henti rugi",
        LONG: "belian",
        SHORT: "jualan",
        LEVERAGE: "keumpilan",
        ALL_HIT: "semua sasaran",
    },
    "ur": {
        ENTRY: "انٹری|داخلہ",
        TARGET: "ٹارگٹ|ہدف",
        STOP: "سٹاپ لاس|اسٹاپ لاس",
        LONG: "خریدیں|لانگ",
        SHORT: "بیچیں|شارٹ",
        LEVERAGE: "لیوریج",
    },
}
