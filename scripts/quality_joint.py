"""The joint decision in the pages of `make quality` (quality_report.py): judged in a simulated world whose truth is known."""

JOINT, GLOBAL, OBSERVER = "joint, learned", "global, learned", "observer who knows the population"
SAME_MODEL, RATES = "separate, same model", "separate, shrunken rates"
LINES = (("observer who knows the population", "#999999"), (JOINT, "#b5371f"), (GLOBAL, "#33658a"),
         (SAME_MODEL, "#6a9c78"), (RATES, "#c98b2b"), ("Mautic's rule", "#8c6bb1"), ("most engaged channel", "#444444"))


def joint_row(report, policy, dial, contacts=None):
    [row] = [row for row in report["rows"] if row["policy"] == policy and row["dial"] == dial and row["contacts"] == contacts]
    return row


def interval(value):
    return f"{value['mean']:.4f} [{value['lower']:.4f} {value['upper']:.4f}]"


def percent(value):
    return f"{100 * value['mean']:+.1f} % [{100 * value['lower']:+.1f} {100 * value['upper']:+.1f}]"


def targets(report):
    dials, rows = report["options"]["dials"], []

    def add(name, value, target, met):
        rows.append({"name": "contact.simulator." + name, "value": value, "target": target, "met": bool(met)})

    def gain(name, policy, dial, target, met, contacts=None):
        value = joint_row(report, policy, dial, contacts)["gainOfJoint"]
        add(name, [round(value[k], 5) for k in ("mean", "lower", "upper")], target, met(value))

    def share(name, dial):
        value = joint_row(report, JOINT, dial, 80)["shareOfOracle"]
        add(name, round(value["mean"], 5), .9, value["mean"] >= .9)

    gain("gain_dial_0", SAME_MODEL, 0, "0 within .02", lambda v: abs(v["mean"]) <= .02)
    for name, policy in (("", RATES), (".same_model", SAME_MODEL), (".mautic", "Mautic's rule"),
                         (".most_engaged_channel", "most engaged channel")):
        gain("gain_dial_0.5" + name, policy, .5, "at least .15", lambda v: v["mean"] >= .15)
    share("share_of_oracle_80", .5)
    for contacts in (0, 5):
        dial = min(dials, key=lambda d: joint_row(report, GLOBAL, d, contacts)["gainOfJoint"]["mean"])
        gain(f"global_at_{contacts}", GLOBAL, dial, "at least 0 at every dial", lambda v: v["mean"] >= 0, contacts)
    return rows


def page(report, table, plots):
    options = report["options"]
    text = ("## The joint decision, in a world of known truth\n```\nbuild/release/bench/rapport_joint\n```\n"
            f"Worlds {', '.join(str(w) for w in options['worlds'])}, {options['customers']:,} customers each; one contact to each customer "
            f"within {options['budgetPerSend']} a send; true expected value per send, its share of the oracle's, and the joint decision's "
            "gain over each policy.\n\n")
    sections = [(dial, None) for dial in options["dials"]] + [(.5, contacts) for contacts in options["contacts"]]
    for dial, contacts in sections:
        rows = [row for row in report["rows"] if row["dial"] == dial and row["contacts"] == contacts]
        known = "all customers" if contacts is None else f"{contacts} contacts before"
        text += f"### Dial {dial}, {known}: {rows[0]['sends']:,} sends\n"
        text += table(["", "value", "share of the oracle", "joint's gain over it", "in the worst world", "spent"],
                      [[row["policy"], interval(row["value"]), interval(row["shareOfOracle"]), percent(row["gainOfJoint"]),
                        f"{100 * row['worstWorldGain']:+.1f} %", f"{row['spentPerSend']:.4f}"] for row in rows])
        text += "\n"
    for contacts in (None, 80):
        lines = [(label, color, [[dial, joint_row(report, label, dial, contacts)["shareOfOracle"]] for dial in options["dials"]])
                 for label, color in LINES]
        known = "all customers" if contacts is None else f"{contacts} contacts before"
        name = "joint-decision" + ("" if contacts is None else f"-{contacts}")
        plots.append((name, f"Share of the oracle's value over the interaction dial, {known}", {"lines": lines}))
        text += f"![{known}](plots/{name}.svg)\n\n"
    return text
