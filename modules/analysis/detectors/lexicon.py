"""Words of finance and crypto news with their tone, from -3 (ruin) to 3 (triumph), as data.

Verbs and nouns are given in their plain form; the scorer knows their regular endings. Tones are those a holder of the
asset would feel. Words that only name a topic have none.
"""

from __future__ import annotations

_UP_VERBS = """
soar 3; skyrocket 3; surge 2.5; rocket 2.5; moon 2; explode 2; rally 2; jump 2; leap 2; spike 1.5; climb 1.5; rise 1.5; rose 1.5;
risen 1.5; gain 1.5; grow 1.5; grew 1.5; growth 1.5; advance 1.2; increase 1; expand 1.2; rebound 1.8; recover 1.5; recovery 1.5;
bounce 1.3; uptick 1; upswing 1.5; ascend 1.2; accelerate 1.2; double 2; triple 2.3; quadruple 2.5; outperform 1.8; outpace 1.3;
swell 1; higher 1.2; pump 1; breakout 2; boom 2; skyrocketing 3; uptrend 1.8; soaring 2.5; spiking 1.5; lift 1;
boost 1.6; strengthen 1.5; surpass 1.5; exceed 1.3; top 1; reclaim 1.5; regain 1.4; revive 1.2; revival 1.4; thrive 2;
"""

_DOWN_VERBS = """
crash -3; collapse -3; plummet -3; plunge -2.6; nosedive -2.8; tank -2.4; crater -2.6; tumble -2.2; sink -2; sank -2; sunk -2;
slump -2; slide -1.7; slid -1.7; drop -1.5; fall -1.5; fell -1.5; fallen -1.5; decline -1.4; dip -1; slip -1.1; retreat -1.2;
shed -1.2; lose -1.5; lost -1.6; loss -1.6; losses -1.6; dump -2; dive -2; dwindle -1.3; shrink -1.3; shrank -1.3; erase -1.6;
wipe -1.8; plummeting -3; weaken -1.4; decrease -1; erode -1.4; evaporate -2; halve -2; downtrend -1.8; downturn -1.9;
selloff -2.2; sell-off -2.2; correction -1.1; pullback -1; drawdown -1.3; rout -2.3; bloodbath -2.8; capitulate -2.2;
capitulation -2.2; underperform -1.6; stumble -1.4; sag -1.2; freefall -2.8; meltdown -2.8; stagnate -1; stall -1; sluggish -1; cool -1; cooled -1; soften -1;
lower -1.2; fade -1.4; trim -0.9; wane -1.2;
"""

_GOOD = """
bull 1.6; bullish 2; bullishness 1.8; optimism 1.6; optimistic 1.6; optimist 1.4; confident 1.3; confidence 1.1; upbeat 1.5; hope 0.8;
hopeful 1; euphoria 1.5; enthusiasm 1.3; excited 1.3; strong 1.2; strength 1.2; robust 1.3; resilient 1.4; resilience 1.3; healthy 1.2;
record 1; ath 2; high 0.8; highs 1.2; profit 1.5; profitable 1.5; profitability 1.3; earn 0.9; reward 0.9; win 1.6; won 1.5; winner 1.6;
winning 1.5; victory 2; triumph 2; success 1.7; successful 1.7; successfully 1.5; succeed 1.6; approve 1.8; approval 1.8; approved 2;
greenlight 1.9; legalize 1.6; legalise 1.6; adopt 1.5; adoption 1.5; embrace 1.4; endorse 1.5; support 0.9; supportive 1.1; back 0.5;
partner 1; partnership 1.2; collaborate 0.9; collaboration 1; integrate 1; integration 1; launch 0.8; unveil 0.7; debut 0.7; upgrade 1.2;
innovation 1.1; innovative 1.1; breakthrough 1.9; milestone 1.4; accumulate 1.2; accumulation 1.2; buy 0.9; bought 0.9; purchase 0.8;
acquire 0.8; acquisition 0.7; invest 0.9; investment 0.7; inflow 1.5; funding 0.8; raise 0.7; raised 0.8; demand 0.8; list 0.6;
secure 0.8; secured 0.9; safe 0.9; settle 0.5; resolve 1; recoup 1.3; refund 0.9; reimburse 1; repay 0.8; relief 1.1; ease 0.8;
stabilize 0.9; stabilise 0.9; stable 0.5; clarity 1; favorable 1.3; favourable 1.3; positive 1.3; promising 1.4; opportunity 0.9;
undervalued 1.2; momentum 0.8; dovish 1.3; stimulus 1; halving 0.6; unlock 0.2; airdrop 0.6; milestone 1.4; popular 0.8; popularity 0.9;
attractive 1; benefit 1; improve 1.2; improvement 1.2; expansion 1.1; lead 0.5; leading 0.6; dominate 0.8; pioneer 0.9; prosper 1.6;
acquit 1.5; exonerate 1.6; dismiss 0.7; cleared 1; vindicate 1.6; rescue 0.9; bailout -0.4; overcome 1.2; tailwind 1.4; upside 1.3;
attract 0.9; oversubscribed 1.4; affirm 0.6; resume 0.8; reopen 0.9; restore 1; undervalue 1; welcome 0.9; friendly 0.8; growing 1.2;
"""

_BAD = """
bear -1.3; bearish -2; bearishness -1.8; pessimism -1.6; pessimistic -1.6; fear -1.6; fearful -1.6; fud -1.5; panic -2.3; worry -1.4;
worried -1.4; concern -1.1; anxiety -1.4; anxious -1.3; uncertain -1; uncertainty -1.1; doubt -1; skeptical -0.9; sceptical -0.9;
weak -1.2; weakness -1.3; fragile -1.2; risk -0.7; risky -1.2; danger -1.6; dangerous -1.7; threat -1.4; threaten -1.5; warn -1.3;
warning -1.3; caution -0.8; cautious -0.7; alarm -1.5; crisis -2.2; contagion -2.2; chaos -2; turmoil -1.9; trouble -1.5; troubled -1.6;
embattled -1.6; beleaguered -1.6; distress -1.7; insolvent -2.6; insolvency -2.6; bankrupt -2.8; bankruptcy -2.7; default -2.2;
liquidate -1.9; liquidation -1.9; delist -2; delisting -2; suspend -1.6; suspension -1.5; halt -1.5; freeze -1.5; froze -1.5;
frozen -1.5; pause -0.9; delay -1; postpone -1; cancel -1.2; withdraw -0.5; outflow -1.5; outage -1.6; glitch -1.2; bug -1.2;
vulnerability -1.5; vulnerable -1.4; flaw -1.3; exploit -2.3; exploited -2.4; exploiter -2; hack -2.5; hacker -2; breach -2.1;
attack -2; attacker -1.9; steal -2.3; stole -2.3; stolen -2.3; theft -2.3; heist -2.4; drain -2.1; phishing -2; malware -2;
ransomware -2; compromise -1.8; compromised -2; scam -2.4; scammer -2.2; fraud -2.5; fraudulent -2.5; fraudster -2.3; ponzi -2.6;
rugpull -2.8; rug -1.5; launder -2; laundering -2; manipulate -1.7; manipulation -1.8; insider -0.8; illegal -1.9; illicit -1.8;
unlawful -1.8; crime -1.7; criminal -1.8; arrest -1.9; jail -2; prison -2; sentence -1.5; sentenced -1.8; convict -1.7; convicted -1.8;
guilty -1.8; indict -2; indictment -2; charge -1.2; charged -1.6; accuse -1.7; allegation -1.5; allege -1.3; alleged -1.3; sue -1.7;
sued -1.8; lawsuit -1.7; litigation -1.3; subpoena -1.5; probe -1.4; investigate -1.4; investigation -1.4; scrutiny -1.2; crackdown -2;
clampdown -1.8; ban -2.1; prohibit -1.9; prohibition -1.7; restrict -1.4; restriction -1.4; sanction -1.6; penalty -1.5; fine -1.3; fined -1.7;
reject -1.7; rejection -1.6; deny -1.2; denied -1.4; refuse -1; oppose -1.1; block -1.1; blocked -1.2; seize -1.6; seizure -1.6; confiscate -1.7;
layoff -1.7; fire -1; fired -1.3; resign -1.1; exit -0.8; quit -1; shutdown -1.9; shutter -1.7; close -0.2; closure -1.2; abandon -1.5;
fail -1.8; failed -1.9; failure -1.9; miss -1; missing -1.2; depeg -2.4; depegged -2.4; unpeg -2.2; bubble -1.2; overvalued -1.3; inflation -0.6;
recession -1.8; stagflation -1.9; hawkish -1.3; tariff -1.1; war -1.5; conflict -1; tension -1; invasion -1.8; volatile -0.7; volatility -0.6;
sell -0.8; sold -0.7; seller -0.6; short -0.5; low -0.8; lows -1.2; worst -1.9; worse -1.5; bad -1.4; terrible -2; negative -1.3; poor -1.2;
pain -1.4; painful -1.5; suffer -1.7; hurt -1.5; damage -1.5; hit -0.8; struggle -1.4; dead -2; death -2; die -2; doom -2; gloom -1.6; gloomy -1.6;
dismal -1.7; disappoint -1.5; disappointing -1.5; backlash -1.4; criticism -1.1; criticize -1.1; slam -1.3; blast -1; controversy -1.2;
controversial -1; dispute -1; reversal -0.6; resistance -0.4; headwind -1.3; downside -1.2; pressure -0.8; burden -1; stress -1.1; squeeze -0.5;
fallout -1.6; wreck -1.9; implode -2.7; implosion -2.7; wipeout -2.5; victim -1.6; extortion -2; blackmail -1.9; terror -2; terrorism -2;
mislead -1.6; misleading -1.6; deceive -1.8; defraud -2.4; embezzle -2.4; embezzlement -2.4; violate -1.7; violation -1.6; noncompliance -1.4;
downgrade -1.6; slash -1.2; cutback -1.1; shortfall -1.3; deficit -1; debt -0.8; overheated -1; cripple -1.9; evade -1.4; evasion -1.6;
"""

PHRASES_TEXT = """
all-time high 2; all time high 2; record high 2; record highs 2; new high 1.6; new highs 1.6; multi-year high 1.8; yearly high 1.5; all-time low -2;
all time low -2; record low -2; new low -1.6; new lows -1.6; multi-year low -1.8; yearly low -1.5; short squeeze 1.5; long squeeze -1.5;
bull run 2.2; bull market 2; bull trap -1.6; bear market -1.8; bear trap 1.2; death cross -1.8; golden cross 1.8; rug pull -2.8;
pump and dump -2.2; sell off -2; sells off -2; selling pressure -1.4; buying pressure 1.4; sell pressure -1.3; buy pressure 1.3;
rate cut 1.3; rate cuts 1.3; rate hike -1.3; rate hikes -1.3; cuts rates 1.3; cut rates 1.3; hikes rates -1.3; raises rates -1.3;
raise rates -1.3; interest rate hike -1.3; soft landing 1.2; hard landing -1.5; shuts down -1.9; shut down -1.8; shutting down -1.9;
lays off -1.8; laid off -1.8; laying off -1.8; job cuts -1.6; steps down -1; stepping down -1; goes bankrupt -2.8; files for bankruptcy -2.8;
filed for bankruptcy -2.8; chapter 11 -2.3; chapter 7 -2.4; ponzi scheme -2.6; money laundering -2.1; wash trading -1.7; market manipulation -1.9;
class action -1.6; cease and desist -1.8; under fire -1.5; under pressure -1.3; at risk -1.3; in trouble -1.7; on the brink -1.8; runs out -1.3;
halts withdrawals -2.5; halted withdrawals -2.5; pauses withdrawals -2.3; paused withdrawals -2.3; suspends withdrawals -2.5;
suspended withdrawals -2.4; freezes withdrawals -2.5; freeze withdrawals -2.4; resumes withdrawals 1.8; resume withdrawals 1.6;
red flag -1.6; red flags -1.6; loses peg -2.5; lost its peg -2.5; loses its peg -2.5; regains peg 1.8; not guilty 1.5; pleads guilty -2;
pleaded guilty -2; found guilty -2.1; safe haven 1.3; store of value 0.9; higher low 1.2; higher lows 1.3; higher high 1.3; higher highs 1.4;
lower high -1.2; lower highs -1.3; lower low -1.3; lower lows -1.4; price target 0.4; to the moon 2; green light 1.8; gives nod 1.5;
profit taking -0.8; profit-taking -0.8; buy the dip 1.2; buying the dip 1.3; bought the dip 1.3; sell the news -1; death spiral -2.8; bank run -2.4;
flash crash -2.6; black swan -2.2; crypto winter -1.8; bottomed out 1.3; bottoming out 1.2; bottom is in 1.6; local top -1; topped out -1.3;
risk-off -1.2; risk off -1.2; risk-on 1.2; risk on 1.1; legal tender 1.4; strategic reserve 1.6; spot etf 0.8; etf inflows 1.9; etf outflows -1.8;
net inflows 1.7; net outflows -1.7; dropped charges 1.5; drops charges 1.5; drops lawsuit 1.6; drops case 1.5; drop charges 1.4; under investigation -1.7;
wins lawsuit 2; wins case 2; loses case -1.8; wins approval 2.2; gets approval 2; takes a hit -1.7; took a hit -1.7; in the red -1.5; in the green 1.4;
hits record 1.8; sets record 1.6; price discovery 1.2; breaks out 1.9; break out 1.7; breaks down -1.8; breaks above 1.6; breaks below -1.7;
breaks resistance 1.7; breaks support -1.7; loses support -1.6; holds support 1; falls below -1.8; fell below -1.8; drops below -1.8; slips below -1.6;
rises above 1.7; climbs above 1.7; jumps above 1.9; goes live 1; went live 1; sold out 0.8; double top -1.2; double bottom 1.2; fails to -1.2;
failed to -1.2; white hat 0.4; too big to fail -0.3; falling wedge 1.2; rising wedge -1.2; head and shoulders -1; dead cat bounce -1.6;
goes down -1.6; went down -1.5; the worst is over 1.6; worst is over 1.5; loses dollar peg -2.5; lost dollar peg -2.5; raises fears -1.6; sparks fears -1.6;
stokes fears -1.6; raises concerns -1.3; raises doubts -1.3; crosses above 1.3; crosses below -1.3; gains ground 1.4; loses ground -1.4; loses steam -1.4; running out of steam -1.4; gathers steam 1.3;
"""

_NEGATORS = """
not no never none neither nor without cannot can't won't isn't aren't wasn't weren't don't doesn't didn't
hasn't haven't hadn't wouldn't couldn't shouldn't cant wont isnt dont doesnt didnt denies deny denied denying
rejects refutes refute dismisses debunks avoid avoids avoided averts prevent prevents prevented nobody nothing
unlikely hardly barely
"""

NEGATORS = frozenset(_NEGATORS.split())
"""They turn what follows within three words, and weaken it: "not bullish" is no crash."""

_RELIEVERS = """
lift lifts lifted lifting end ends ended ending overturn overturns overturned remove removes removed return returns
returned shrug shrugs shrugged recover recovers recovered recoup recoups recouped refund refunds refunded reimburse
reimburses reimbursed repay repays repaid resolve resolves resolved settle settles settled fix fixes fixed
"""

RELIEVERS = frozenset(_RELIEVERS.split())
"""They undo the bad that they reach: a lifted ban, recovered losses, stolen funds returned."""

STRONGER = {
    "very": 1.3, "extremely": 1.5, "hugely": 1.4, "massive": 1.4, "massively": 1.4, "huge": 1.4, "major": 1.25, "sharply": 1.35,
    "sharp": 1.3, "steep": 1.3, "steeply": 1.35, "dramatic": 1.3, "dramatically": 1.35, "biggest": 1.3, "largest": 1.2,
    "significant": 1.2, "significantly": 1.25, "severe": 1.35, "severely": 1.35, "record": 1.2, "historic": 1.25, "heavy": 1.2,
    "heavily": 1.25, "deep": 1.2, "deeply": 1.25, "fully": 1.1, "super": 1.2, "ultra": 1.2, "highly": 1.25, "strongly": 1.25,
    "brutal": 1.4, "catastrophic": 1.5, "spectacular": 1.4, "parabolic": 1.3, "fresh": 1.1, "billion": 1.2, "billions": 1.25,
}  # fmt: skip

WEAKER = {
    "slightly": 0.6, "slight": 0.6, "somewhat": 0.7, "modest": 0.7, "modestly": 0.7, "minor": 0.6, "mild": 0.65, "mildly": 0.65,
    "marginally": 0.55, "briefly": 0.7, "small": 0.8, "partially": 0.75, "partly": 0.75, "may": 0.7, "might": 0.65, "could": 0.7,
    "possible": 0.75, "possibly": 0.7, "potential": 0.8, "potentially": 0.75, "likely": 0.85, "would": 0.8, "alleged": 0.9,
    "rumor": 0.7, "rumors": 0.7, "reportedly": 0.85, "seeks": 0.8, "plans": 0.85, "considers": 0.75, "mulls": 0.7, "former": 0.6,
}  # fmt: skip

_BURDENS = """
inflation unemployment loss losses hack hacks theft thefts scam scams fraud crime liquidation liquidations
outflow outflows debt deficit fear fears panic volatility yield yields dollar rate rates fee fees risk risks
tension tensions default defaults bankruptcy bankruptcies layoff layoffs tariff tariffs attack attacks exploit
exploits supply pressure selling doubt doubts concern concerns worry worries uncertainty jobless claims
difficulty cpi ppi dominance
"""

BURDENS = frozenset(_BURDENS.split())
"""Things whose rise is bad news and whose fall is good news."""


def _table(text: str) -> dict[str, float]:
    pairs = (entry.rsplit(" ", 1) for entry in text.replace("\n", " ").split(";") if entry.strip())
    return {word.strip(): float(tone) for word, tone in pairs}


MOVES: dict[str, float] = {**_table(_UP_VERBS), **_table(_DOWN_VERBS)}
"""Words of moving up and down, which a burden turns round."""

THINGS = frozenset(
    {"selloff", "sell-off", "correction", "pullback", "drawdown", "rout", "bloodbath", "downturn", "growth"}
)
"""Words of moving that name a thing: they move no burden ("sell-off fears" are no falling fears)."""

WORDS: dict[str, float] = {**_table(_GOOD), **_table(_BAD), **MOVES}
PHRASES: dict[tuple[str, ...], float] = {tuple(words.split()): tone for words, tone in _table(PHRASES_TEXT).items()}
LONGEST_PHRASE = max(map(len, PHRASES))
