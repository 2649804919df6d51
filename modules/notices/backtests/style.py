"""The look of a backtest's page: light, dark, and on paper."""

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--back:light-dark(#f6f7f9,#0e1217);--card:light-dark(#fff,#161b22);--ink:light-dark(#1b2430,#d7dde5);
--faint:light-dark(#5b6675,#8b96a5);--line:light-dark(#dfe4ea,#262e39);--gain:light-dark(#0f8a5f,#2ebd85);--loss:light-dark(#d03b46,#f6566b);
--market:light-dark(#7a6bd8,#a99bff);--warn:light-dark(#fff4dc,#33290f);--warn-edge:light-dark(#e0a92e,#b98a1f)}
:root:has(#light:checked){color-scheme:light}:root:has(#dark:checked){color-scheme:dark}
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1060px;margin:0 auto;padding:28px 20px 60px}h1{font-size:26px;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:17px;margin:0 0 12px}h3{font-size:14px;margin:18px 0 6px;color:var(--faint);font-weight:600}
.sub{color:var(--faint);margin:0 0 20px;overflow-wrap:anywhere}.shade{float:right;color:var(--faint);font-size:13px;display:flex;gap:10px}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin:0 0 18px;break-inside:avoid}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(172px,1fr));gap:12px;margin:0 0 18px}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
.card b{display:block;font-size:21px;font-variant-numeric:tabular-nums;line-height:1.25}.card span{color:var(--faint);font-size:13px}
.good{color:var(--gain)}.bad{color:var(--loss)}
.warnings{background:var(--warn);border-color:var(--warn-edge)}.warnings ul{margin:0;padding-left:20px}.warnings code{color:var(--faint)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
th,td{padding:5px 9px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}th{color:var(--faint);font-weight:600}
th:first-child,td:first-child{text-align:left}td.words,th.words{text-align:left}td.words{white-space:normal;color:var(--faint)}
.heat td{text-align:center;border:1px solid var(--card);min-width:52px}.heat td.year{text-align:left;font-weight:600}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(430px,1fr));gap:6px 28px}
details summary{cursor:pointer;color:var(--faint)}ol{margin:6px 0 0;padding-left:22px;color:var(--faint)}
.drawing{display:block;width:100%;height:auto}.drawing .label{fill:var(--faint);font-size:11px}.drawing .key{font-size:12px;font-weight:600}
.grid{stroke:var(--line);stroke-width:1}.gain-line,.loss-line,.market{fill:none;stroke-width:1.6;stroke-linejoin:round}
.gain-line{stroke:var(--gain)}.loss-line{stroke:var(--loss)}.market{stroke:var(--market);stroke-dasharray:5 4;stroke-width:1.3}
.gain-area,.band{fill:var(--gain);opacity:.13}.loss-area{fill:var(--loss);opacity:.22}
.gain-text{fill:var(--gain)}.loss-text{fill:var(--loss)}.market-text{fill:var(--market)}
.up{stroke:var(--gain);fill:var(--gain);opacity:.55;stroke-width:.9}.down{stroke:var(--loss);fill:var(--loss);opacity:.55;stroke-width:.9}
.won line{stroke:var(--gain)}.lost line{stroke:var(--loss)}.won line,.lost line{stroke-width:1.3;stroke-dasharray:3 2}
.won path,.won circle{fill:var(--gain)}.lost path,.lost circle{fill:var(--loss)}.won path,.lost path,.won circle,.lost circle{stroke:var(--card);stroke-width:.8}
.gain-bar{fill:var(--gain)}.loss-bar{fill:var(--loss)}.zero-bar{fill:var(--faint)}.gain-bar,.loss-bar,.zero-bar{opacity:.8}
.mean{stroke:var(--ink);stroke-dasharray:4 3}
footer{color:var(--faint);font-size:13px;overflow-wrap:anywhere}
@media (max-width:600px){.two{grid-template-columns:1fr}main{padding:16px 10px 40px}section{padding:14px 12px}.shade{float:none;margin-bottom:8px}}
@media print{body{print-color-adjust:exact;-webkit-print-color-adjust:exact}:root,:root:has(#dark:checked){color-scheme:light}body{font-size:11px;background:#fff}main{max-width:none;padding:0}.shade{display:none}
section,.card{border-color:#ccc}table{font-size:10px}th,td,.heat td{padding:3px 4px;min-width:0}.wide{overflow:visible}details{display:none}}
"""
