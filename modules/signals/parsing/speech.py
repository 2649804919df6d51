"""Words of speech that stand beside a side in capitals and are no coin: calls to the readers, praise, order and time.

A ticker nobody knows is believed beside a side ("VVV long"); a word of a language is not ("ACHTUNG long"). Several of these are
listed tickers as well: written with a tag or in a pair they are coins all the same.
"""

from __future__ import annotations

_WORDS = (
    # English
    "ok okay hello hi hey guys guy bro bros brother brothers friend friends fam family team everyone everybody all traders trader people boys girls"
    " ladies gentlemen folks mates mate sir dear attention warning important urgent wow boom moon rocket lets let go going gone get got take taken"
    " hot last first second third next back same maybe perhaps still never always just very really so please pls soon later start started end ended"
    " night morning evening afternoon day days lovely great amazing awesome perfect beautiful easy hard heavy light small little tiny safe safer"
    " risky strict careful slow fast early late fresh nice super mega ultra extra bonus special daily weekly monthly again also too both either"
    " neither each every some any more less most least other another here there where what which who why how can could will would should shall may"
    " might must do does did done have has had been being was were am are not no nope yes yeah yep sure of course our your his her their its me us"
    " them him she but or nor as than because since while during until about into onto over under through across off out down up sorry thanks thank"
    " love like want need think know see look watch wait waiting follow read check click join copy share send keep run running ready steady"
    " dump gas open close closed game bid high low safe cash money rich win winner winning lose"
    " loser bull bulls bear bears king queen boss master legend pro noob whale whales public private member members group channel chat admin bot"
    " official original real fake true false test example idea plan plans setup view chart breakout breakdown reversal bounce retest dip dips top"
    " bottom zone level area price action volume momentum trend trending sideways range swing scalper day night short-term long-term position"
    " trade trades order orders entry exit exits part one two three four five six seven eight nine ten half full double triple quick quickly"
    " instantly immediately currently currently personally honestly basically generally clearly simply finally meanwhile however therefore"
    # German
    " achtung hallo leute freunde jungs wichtig neu neue neuer neues heute morgen abend nacht jetzt gleich bald wieder nur auch schon noch sehr gut"
    " alle alles immer nie vielleicht bitte danke ich wir ihr sie mein unser euer ein eine einen kein keine und oder aber weil wenn dann hier dort"
    " schnell langsam vorsicht kleiner kleine grosser grosse erste zweite letzte"
    # Spanish, Portuguese, Italian, French
    " vamos hola chicos amigos gente atencion ojo nuevo nueva hoy manana noche ahora ya pronto otra otro vez solo tambien muy bien todo todos siempre"
    " nunca quiza gracias yo nosotros mi mis su sus un una unos unas y o pero porque si cuando aqui alli rapido lento cuidado pequeno grande primera"
    " segunda ultima ola oi galera pessoal atencao novo nova hoje amanha noite agora logo outra outro so tambem muito bem tudo sempre talvez obrigado"
    " eu nos meu nosso um uma mas se quando aqui ciao ragazzi amici attenzione nuovo oggi domani notte adesso subito presto ancora altra altro anche"
    " molto bene tutto tutti sempre mai forse grazie io noi mio nostro e ma perche quando qui veloce bonjour salut amis nouveau nouvelle demain soir"
    " nuit maintenant encore aussi tres bien tout tous toujours jamais merci je nous mon notre mais car quand ici vite doucement allez allons"
    # Turkish, Indonesian, Polish, Dutch, Vietnamese, romanised Hindi
    " merhaba arkadaslar dikkat yeni bugun yarin gece simdi hemen yine sadece cok iyi hepsi her asla belki lutfen ben biz benim bizim bir ama eger"
    " halo teman kawan gaes guys perhatian baru hari besok malam sekarang segera lagi hanya juga sangat bagus semua selalu mungkin saya kami kita"
    " yang dan atau tapi kalau disini czesc uwaga nowy nowa dzis dzisiaj jutro noc teraz zaraz znowu tylko tez bardzo dobrze wszystko zawsze nigdy"
    " moze prosze dzieki ja my moj nasz ale jesli tutaj hoi mensen vrienden let nieuw nieuwe vandaag nu straks weer alleen ook zeer goed altijd nooit"
    " chao anh em ae moi nay ngay dem lai bhai bhaiyo dosto doston yaar aaj kal abhi phir sirf bhi bahut accha sab hamesha kabhi shayad mera hamara"
)
SPEECH = frozenset(word for word in _WORDS.split() if word)
