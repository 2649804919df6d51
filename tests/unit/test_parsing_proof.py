"""Prices under words that are not known get their parts where their order around the entry leaves one reading; else none."""

from __future__ import annotations

import pytest

from modules.domain.parses import Kind
from modules.signals.parsing import parse

PROVEN = [
    ("GOLD BUY NOW 2641.5 / 2638\nINVALID BELOW 2633\n2645 ▸ 2649 ▸ 2655", "LONG", "2641.5 2638", "2645 2649 2655", "2633"),
    ("SILVER SELL NOW 31.20 / 31.35\nINVALID ABOVE 31.60\n31.00 ▸ 30.80", "SHORT", "31.20 31.35", "31.00 30.80", "31.60"),
    ("short eth 3412, out 3466, paying me at 3370 then 3325 then 3250", "SHORT", "3412", "3370 3325 3250", "3466"),
    ("BTC-USDT-SWAP\ndir=short\nin  66,900\nout 66,350 / 65,700\ncut 67,480", "SHORT", "66900", "66350 65700", "67480"),
    ("OP-USDT-SWAP\ndir=long\nin 1.912\nout 1.95 / 2.01\ncut 1.86", "LONG", "1.912", "1.95 2.01", "1.86"),
    ("LDO long\nCMP 1.642\nDCA 1.560\nTake: 1.720 → 1.810\nBail: 1.395", "LONG", "1.642 1.560", "1.720 1.810", "1.395"),
    ("> pair .. TIA/USDT\n> side .. short\n> fill .. 8.940\n> risk .. 9.260\n> bank .. 8.700, 8.410", "SHORT", "8.940", "8.700 8.410", "9.260"),
    ("BCH\nLONG\n462\n455\n———\n474\n488\n———\nSL 441", "LONG", "462 455", "474 488", "441"),
    ("BTC long 64200 → 65000 66000 68500 ✂️ 63000", "LONG", "64200", "65000 66000 68500", "63000"),
    ("SHORT ~ ICP ~ in 12.46 ~ out 12.10 ~ 11.65 ~ protect 12.92 ~ 4x", "SHORT", "12.46", "12.10 11.65", "12.92"),
    ("Buy ROSE from 0.0842 to 0.0825. Take profit from 0.0865, then 0.0893. Stop out at 0.0799.", "LONG", "0.0842 0.0825", "0.0865 0.0893", "0.0799"),
    ("SNX/USDT — sell stop below 1.540, initial stop 1.612, cover 1.480 / 1.395", "SHORT", "1.540", "1.480 1.395", "1.612"),
    ("SHIB/USDT long 👉 0.00001842 👉 0.00001890 👉 0.00001965, stop ✋ 0.00001771", "LONG", "0.00001842", "0.00001890 0.00001965", "0.00001771"),
    ("Risk first:\n  SL 3.118\nReward second:\n  2.870 / 2.760\nEntry last:\n  sell FXS/USDT 3.005", "SHORT", "3.005", "2.870 2.760", "3.118"),
    ("Compra $NEAR entre 4,85 e 4,70\nAlvo 1 ➜ 5,20\nAlvo 2 ➜ 5,75\nSaída se perder 4,38", "LONG", "4.85 4.70", "5.20 5.75", "4.38"),
    ("Par → SEI/USDT\nLado → LARGO\nEntrada → 0,4480\nSalidas → 0,4590 ; 0,4710\nPérdida máxima → 0,4330", "LONG", "0.4480", "0.4590 0.4710", "0.4330"),
    ("GBPJPY продаж 191.20 / стоп 191.85 / профіт 190.50 / профіт 189.60", "SHORT", "191.20", "190.50 189.60", "191.85"),
    ("Asset: AVAX/USDT SHORT\nGet in: 31.20 - 31.60\nGet out: 30.10, 29.00\nBail out: 32.80", "SHORT", "31.20 31.60", "30.10 29.00", "32.80"),
    ("LINK long. Load 14.20, unload 15.00 / 15.80, abort 13.40", "LONG", "14.20", "15.00 15.80", "13.40"),
    ("Acheter SOL à 142, sortir à 150 puis 158, invalidation sous 136", "LONG", "142", "150 158", "136"),
    ("TON/USDT шорт от 5.40, фикс 5.20 / 5.00, выход если выше 5.65", "SHORT", "5.40", "5.20 5.00", "5.65"),
    ("BTC — Kauf bei 64.200, Verkauf bei 65.500 und 67.000, Notausgang 62.900", "LONG", "64200", "65500 67000", "62900"),
    ("WIF/USDT long\nin ➜ 2.10\ntp ➜ 2.20, 2.35\nout ➜ 1.98", "LONG", "2.10", "2.20 2.35", "1.98"),
    ("Compro SOL a 142, vendo a 150 e 158, esco sotto 136", "LONG", "142", "150 158", "136"),
    ("BNB 多单\n进场 598-600\n目标 610 620\n防守 589", "LONG", "598 600", "610 620", "589"),
    ("Eth: buy the dip zone 3300-3350, exits 3450, 3550, danger below 3240", "LONG", "3300 3350", "3450 3550", "3240"),
    ("ATOM/USDT SHORT\nlevel in: 8.20\nlevel out: 7.90 / 7.60\nlevel wrong: 8.55", "SHORT", "8.20", "7.90 7.60", "8.55"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "side", "entries", "targets", "stop"), PROVEN)
def test_order_of_the_prices_tells_their_parts(text: str, side: str, entries: str, targets: str, stop: str) -> None:
    got = parse(text)
    assert got.kind is Kind.ENTRY, got.reason
    told = (str(got.side), " ".join(map(str, got.entries)), " ".join(map(str, got.targets)), str(got.stop_loss))
    assert told == (side, entries, targets, stop)


KEPT = [
    ("BUY XMR/USDT at 158.20 or 155.00 ... sell some 164.00, more 171.50, rest 182.00 ... stop 149.80", "158.20 155.00", "164.00 171.50 182.00"),
    ("EURJPY venta en 164.20, tope de pérdida 164.75, beneficio 163.60 y 162.90", "164.20", "163.60 162.90"),
    ("Koin: SUI\nPosisi: LONG\nMasuk: 1.852 s/d 1.820\nJual 1: 1.905\nJual 2: 1.970\nCut loss: 1.765", "1.852 1.820", "1.905 1.970"),
    ("Buying CRV/USDT at 0.692, with a second order at 0.655.\nTake profits: 0.745, 0.812.\nStop-loss: 0.618.", "0.692 0.655", "0.745 0.812"),
    ("SOL long entry 141 tp 148, 155 sl 135, breakout 150", "141", "148 155"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "entries", "targets"), KEPT)
def test_price_left_over_goes_on_the_list_it_follows(text: str, entries: str, targets: str) -> None:
    got = parse(text)
    assert got.kind is Kind.ENTRY, got.reason
    assert (" ".join(map(str, got.entries)), " ".join(map(str, got.targets))) == (entries, targets)


@pytest.mark.parametrize(
    "text",
    [
        "#GALA/USDT — long\nBuy: 0.02240$\nSell:\n0.02285$ (+2%)\n0.02352$ (+5%)\nStop: 0.02128$ (-5%)",
        "#ADA/USDT long\nBuy: 0.500 USDT\nSell:\n0.510 USDT (+2%)\n0.525 USDT (+5%)\nStop: 0.475 USDT",
    ],
)
def test_gain_that_is_the_distance_of_its_target_is_planned(text: str) -> None:
    got = parse(text)
    assert (got.kind, len(got.targets)) == (Kind.ENTRY, 2)


@pytest.mark.parametrize(
    "text",
    [
        "BTC long from 64200, resistance 65000 and 66000, support 63000",
        "#ETH short at 3412, liquidation 3466, 3370 then 3325 are the lows",
        "BTC LONG 64200, now 65100, yesterday's low 63000",
        "Long BTC 64200? or wait for 63000 and then 65000, 66000",
        "Gold buy zone, we bounced 2641 2645 2650, dipped 2633",
        "I bought SOL at 141, sold at 148 and 150, cut was 135",
        "short eth 3412 to 3370, 3325 printed, out 3466",
        "BTC long 64200, liq 61000, 65000, 66000",
        "Holding long BTC from 64200. 65000 and 66000 hit. Out below 63000",
        "BTC long from 64200, 65000 and 66000. Stop 63000",
        "What a week! ETH short 3412 paid 3370, 3325, 3250. cut 3466 never in danger",
        "Premium members got this: SOL LONG 141 -> 148 -> 155 -> 162, SL 135. Join now",
        "BTC dominance 54.2, long 55, 56, 58 cut 53",
        "Result: AVAX short 31.2 → 30.1 → 29.0 🛑 32.8",
        "@mike long ETH 3400 out 3300 bank 3500 3600 looks good to me",
        "Signals from another channel: SELL EURUSD 1.0850 cut 1.0885 bank 1.0810",
        "Weekly results\nSOL long 141 bank 148 155 cut 135\nnext week more",
        "BTC long/short ratio 1.2, price 64200, 65000 66000, 63000",
        "ADA buy wall 0.448, sell walls 0.459 0.471, gap 0.433",
        "Recap: SHORT ICP in 12.46 out 12.10, 11.65, protect 12.92",
        "Yesterday SHORT ICP in 12.46, bank 12.10, 11.65, bail 12.92",
        "BTC long 64200 bail 63000 and ETH long 3400 bail 3300",
        "if BTC long 64200 then 65000 66000, bail 63000",
        "BTC long 64200 bank 65000 66000, +4% made, bail 63000",
        "BTC long 64200, 66000 65000 67000, bail 63000",
        "BTC long 64200, bank 65000 66000, bail 63000 or 62000",
    ],
)
def test_nothing_is_proven_of_talk_levels_and_the_past(text: str) -> None:
    assert parse(text).kind is not Kind.ENTRY


def test_way_out_among_other_prices_closes_nothing() -> None:
    assert parse("SOL long 141 bank 148 155 cut 135\nresult next week").update is None
    assert parse("SOL: we are out at 135").update == "close"
    assert parse("SOL: cut now").update == "close"
