"""Timing in the pages of `make quality` (quality_report.py): when customers are here, and answers in date order."""

NAMES = {"everybody's curve": "global", "segment's curve": "segment", "personal histogram": "histogram",
         "shrunk rate": "shrunk_rate", "Mautic's rule": "mautic"}
STRATUM_LOSS_AT_MOST = .002  # bits, upper end of the interval


def rounded(interval):
    return [round(interval[k], 5) for k in ("mean", "lower", "upper")]


def shown(interval):
    return f"{interval['mean']:+.4f} [{interval['lower']:+.4f} {interval['upper']:+.4f}]"


def activity_targets(key, evaluation, add):
    for row in evaluation["rows"][:-1]:
        for measure, gain in (("bits", row["gain"]), ("hit3", row["hitGain"])):
            add(f"contact.activity.{key}.vs_{NAMES[row['model']]}.{measure}", rounded(gain), "lower bound above 0",
                gain["lower"] > 0)
    for one in evaluation["strata"]:
        if one["visits"]:
            loss = -one["gain"]["lower"]
            name = one["knownVisits"].replace("-", "_").replace("+", "_more")
            add(f"contact.activity.{key}.stratum_{name}.loss_upper", round(max(loss, -9), 5),
                f"at most {STRATUM_LOSS_AT_MOST}", loss <= STRATUM_LOSS_AT_MOST)
    gain = evaluation["shuffledGain"]
    add(f"contact.activity.{key}.shuffled", rounded(gain), "0 within", gain["lower"] <= 0 <= gain["upper"])


def activity_page(title, evaluation, table):
    text = (f"### {title}: when customers are here\n```\n{evaluation['command']}\n```\n{evaluation['visitsKnown']:,} visits known, "
            f"{evaluation['visitsJudged']:,} from {evaluation['cut'][:10]} on judged, of {evaluation['customers']:,} customers.\n\n")
    text += table(["", "bits a visit", "top-3-hours hit", "bits the activity head saves", "hits it adds", "settings"],
                  [[row["model"], f"{row['bits']:.4f}", f"{row['hit3']:.4f}",
                    *(("", "") if row is evaluation["rows"][-1] else (shown(row["gain"]), shown(row["hitGain"]))),
                    row["settings"]] for row in evaluation["rows"]]) + "\n"
    text += table(["visits known", "customers", "visits", "bits saved against everybody's curve"],
                  [[one["knownVisits"], f"{one['customers']:,}", f"{one['visits']:,}", shown(one["gain"])]
                   for one in evaluation["strata"]])
    return text + f"\nHours shuffled: {shown(evaluation['shuffledGain'])}.\n\n"


def bank_targets(evaluation, add):
    """Against the rival whose ridge is tuned as the log goes by, in both designs."""
    for row in evaluation["models"]:
        if not row["settings"].startswith("ridge by"):
            continue
        suffix = "_with_bins" if "bins" in row["model"] else ""
        for measure, gain in (("log_loss", row["lossGain"]), ("auc", row["aucGain"])):
            add(f"contact.bank.{measure}{suffix}", rounded(gain), "lower bound above 0", gain["lower"] > 0)


def bank_page(evaluation, table):
    text = (f"## UCI Bank Marketing: answers in date order\n```\n{evaluation['command']}\n```\n{evaluation['rows']:,} calls in blocks of 1,000, "
            "each predicted before it is learned from; `duration` is left out.\n\n")
    text += table(["", "settings", "log loss", "AUC", "AUC within blocks", "log loss the response head saves", "AUC it adds"],
                  [[row["model"], row["settings"], f"{row['logLoss']:.5f}", f"{row['auc']:.4f}", f"{row['blockAuc']:.4f}",
                    *(("", "") if row is evaluation["models"][-1] else (shown(row["lossGain"]), shown(row["aucGain"])))]
                   for row in evaluation["models"]]) + "\n"
    text += table(["tenth by prediction", "predicted", "observed", "calls"],
                  [[str(i + 1), f"{one['predicted']:.4f}", f"{one['observed']:.4f}", f"{one['rows']:,}"]
                   for i, one in enumerate(evaluation["calibration"])])
    return text + "\n"


def activity_section(measured, add, table):
    """The section's text; `add(name, value, target, met)` takes the targets."""
    text = "## Timing\n"
    for title, evaluation in measured.items():
        activity_targets(title.lower().replace(" ", "_"), evaluation, add)
        text += activity_page(title, evaluation, table)
    return text


def bank_section(measured, add, table):
    """As activity_section."""
    bank_targets(measured, add)
    return bank_page(measured, table)
