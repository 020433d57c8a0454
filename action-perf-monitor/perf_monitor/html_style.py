"""The look of the HTML report: one style sheet, light and dark by the reader's setting, one column on a phone."""

STYLE = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#16202c;--soft:#5b6775;--rule:#e3e7ec;--grid:#e9ecf0;
--s0:#2563eb;--s1:#d9660a;--s2:#0d8a6a;--s3:#a21caf;--good:#0d7a4f;--warn:#b45309;--bad:#c0262d;--note:#2458b8;
--b0:#dbe6fb;--b1:#e8ebef;--bar:#2563eb26}
@media(prefers-color-scheme:dark){:root{--page:#0e131a;--card:#171e27;--ink:#e7ecf2;--soft:#98a5b3;--rule:#27313d;
--grid:#232c37;--s0:#6aa5ff;--s1:#ffa352;--s2:#3fcf9f;--s3:#e07bf0;--good:#46cf95;--warn:#f5b04a;--bad:#ff7b7b;
--note:#7fb0ff;--b0:#20375c;--b1:#2a333f;--bar:#6aa5ff30}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans","Liberation Sans",sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1160px;margin:0 auto;padding:32px 24px 48px}
h1{font-size:28px;line-height:1.2;margin:2px 0 6px;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:17px;margin:36px 0 12px}
h3{font-size:14px;margin:0;font-weight:600}
.eyebrow{color:var(--soft);font-size:12px;letter-spacing:.08em;text-transform:uppercase;margin:0}
.facts{color:var(--soft);margin:0;font-size:13.5px;overflow-wrap:anywhere}
.facts span+span::before{content:"·";margin:0 .5em;opacity:.6}
.verdict{margin:20px 0 0;padding:14px 18px;border-radius:10px;background:var(--card);border:1px solid var(--rule);
border-left:5px solid var(--note);font-size:17px;font-weight:600}
.verdict.good{border-left-color:var(--good)}.verdict.warning{border-left-color:var(--warn)}
.notes{margin:12px 0 0;padding:0;list-style:none;color:var(--warn);font-size:14px}
.tiles{display:grid;grid-template-columns:repeat(6,1fr);gap:12px;margin:16px 0 0;padding:0}
.tiles div{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:12px 14px;min-width:0}
.tiles dt{color:var(--soft);font-size:12.5px}
.tiles dd{margin:2px 0 0;font-size:21px;font-weight:650;letter-spacing:-.01em;font-variant-numeric:tabular-nums;
white-space:nowrap}
.tiles dd+dd{font-size:12.5px;font-weight:400;color:var(--soft);letter-spacing:0;white-space:normal}
.insights{display:grid;grid-template-columns:1fr 1fr;gap:10px 12px;margin:0;padding:0;list-style:none}
.insights li{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:12px 14px 12px 40px;
position:relative;overflow-wrap:anywhere}
.insights li::before{content:"";position:absolute;left:16px;top:19px;width:10px;height:10px;border-radius:50%;
background:var(--note)}
.insights .good::before{background:var(--good)}
.insights .warning::before{background:var(--warn);border-radius:2px;transform:rotate(45deg)}
.insights li:last-child:nth-child(odd){grid-column:1/-1}
.insights b{display:block}.insights span{color:var(--soft);font-size:14px}
.charts{display:grid;grid-template-columns:1fr 1fr;gap:12px}
.chart{margin:0;background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:14px 18px 12px 14px;
min-width:0}
.chart:first-child,.chart:last-child:nth-child(even){grid-column:1/-1}
figcaption{display:flex;flex-wrap:wrap;justify-content:space-between;gap:2px 16px;margin-bottom:12px}
.unit{color:var(--soft);font-weight:400;font-size:13px}
figcaption ul{display:flex;flex-wrap:wrap;gap:2px 14px;list-style:none;margin:0;padding:0;font-size:12.5px;
color:var(--soft)}
figcaption i{display:inline-block;width:14px;height:3px;border-radius:2px;margin-right:6px;vertical-align:middle;
background:currentColor}
i.mark{height:0;border-top:2px dashed var(--soft);background:none;border-radius:0}
.plot{position:relative;padding-left:42px}
.plot svg{display:block;width:100%;height:150px;overflow:visible}
.chart:first-child svg{height:190px}
.y{position:absolute;left:0;top:0;width:34px;height:150px}
.chart:first-child .y{height:190px}
.y span{position:absolute;right:0;transform:translateY(50%);line-height:1}
.x{position:relative;height:18px;margin-top:5px}
.x span{position:absolute;transform:translateX(-50%);white-space:nowrap;line-height:18px}
.x .end{transform:translateX(-100%)}
.x,.y{font-size:11.5px;color:var(--soft);font-variant-numeric:tabular-nums}
.bands{position:relative;height:22px;margin-top:4px;border-radius:4px;overflow:hidden}
.bands span{position:absolute;top:0;bottom:0;padding:0 6px;font-size:11.5px;line-height:22px;overflow:hidden;
text-overflow:ellipsis;white-space:nowrap;border-right:1px solid var(--card)}
.b0{background:var(--b0)}.b1{background:var(--b1)}
.s0{color:var(--s0)}.s1{color:var(--s1)}.s2{color:var(--s2)}.s3{color:var(--s3)}
path{fill:none;vector-effect:non-scaling-stroke}
.grid{stroke:var(--grid);stroke-width:1}
path.mark{stroke:var(--soft);stroke-width:1.5;stroke-dasharray:5 4}
.line{stroke:currentColor;stroke-width:1.75;stroke-linejoin:round;stroke-linecap:round}
path.band{fill:currentColor;fill-opacity:.17;stroke:currentColor;stroke-width:1;stroke-opacity:.5}
.area{fill:currentColor;opacity:.1}
.tip{fill:transparent}.tip:hover{fill:var(--soft);opacity:.14}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--rule);border-radius:10px}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:7px 14px;text-align:right;white-space:nowrap;border-top:1px solid var(--rule)}
thead th{border-top:0;color:var(--soft);font-weight:500;font-size:12.5px}
th:first-child,td:first-child,.left{text-align:left}
tbody th{font-weight:500}
td.name{font-family:ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace;font-size:13px;max-width:26em;
overflow:hidden;text-overflow:ellipsis}
td.bar{background:linear-gradient(var(--bar),var(--bar)) no-repeat 0 50%/var(--part) 22px}
.strong{font-weight:650}.concerning{color:var(--warn)}.critical{color:var(--bad);font-weight:650}
td.left:last-child,th.left:last-child{width:75%}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:0 12px}.pair>*{min-width:0}
footer{margin-top:36px;color:var(--soft);font-size:13px;overflow-wrap:anywhere}
@media(max-width:900px){.tiles{grid-template-columns:repeat(3,1fr)}.pair{grid-template-columns:1fr}}
@media(max-width:640px){main{padding:20px 14px 32px}h1{font-size:23px}.verdict{font-size:15.5px;padding:12px 14px}
.charts,.insights{grid-template-columns:minmax(0,1fr)}
.tiles{grid-template-columns:1fr 1fr;gap:8px}.tiles dd{font-size:18px}
.chart{padding:12px 14px 10px 10px}.plot{padding-left:36px}.y{width:29px}th,td{padding:7px 9px}table{font-size:13px}
.x span:nth-child(even){display:none}}
@media print{body{background:#fff}.chart,.insights li,.tiles div{break-inside:avoid}}
"""
