"""The joint decision in the pages of `make quality` (quality_report.py): judged in a simulated world whose truth is known."""

JOINT, GLOBAL, OBSERVER = "joint, learned", "global, learned", "observer who knows the population"
SAME_MODEL, RATES = "separate, same model", "separate, shrunken rates"
LINES = (("observer who knows the population", "#999999"), (JOINT, "#b5371f"), (GLOBAL, "#33658a"),
         (SAME_MODEL, "#6a9c78"), (RATES, "#c98b2b"), ("Mautic's rule", "#8c6bb1"), ("most engaged channel", "#444444"))


LOGS = (("uniform", "", "uniform draws"), ("model", ".own_contacts", "the model itself"))  # logging, end of a row's name, words


def joint_row(report, policy, dial, contacts=None, logging="uniform"):
    wanted = (policy, dial, contacts, logging)
    [row] = [row for row in report["rows"] if (row["policy"], row["dial"], row["contacts"], row["logging"]) == wanted]
    return row


def interval(value):
    return f"{value['mean']:.4f} [{value['lower']:.4f} {value['upper']:.4f}]"


def percent(value):
    return f"{100 * value['mean']:+.1f} % [{100 * value['lower']:+.1f} {100 * value['upper']:+.1f}]"


def targets(report):
    """The rows, once for each way of spending the earlier contacts: .own_contacts where the model spent them itself."""
    return [row for logging, end, _ in LOGS for row in targets_of(report, logging, end)]


def targets_of(report, logging, end):
    dials, rows = report["options"]["dials"], []

    def add(name, value, target, met):
        rows.append({"name": "contact.simulator." + name + end, "value": value, "target": target, "met": bool(met)})

    def gain(name, policy, dial, target, met, contacts=None):
        value = joint_row(report, policy, dial, contacts, logging)["gainOfJoint"]
        add(name, [round(value[k], 5) for k in ("mean", "lower", "upper")], target, met(value))

    gain("gain_dial_0", SAME_MODEL, 0, "0 within .02", lambda v: abs(v["mean"]) <= .02)
    for name, policy in (("", RATES), (".same_model", SAME_MODEL), (".mautic", "Mautic's rule"),
                         (".most_engaged_channel", "most engaged channel")):
        gain("gain_dial_0.5" + name, policy, .5, "at least .15", lambda v: v["mean"] >= .15)
    value = joint_row(report, JOINT, .5, 80, logging)["shareOfOracle"]
    add("share_of_oracle_80", round(value["mean"], 5), .9, value["mean"] >= .9)
    for contacts in (0, 5):
        dial = min(dials, key=lambda d: joint_row(report, GLOBAL, d, contacts, logging)["gainOfJoint"]["mean"])
        gain(f"global_at_{contacts}", GLOBAL, dial, "at least 0 at every dial", lambda v: v["mean"] >= 0, contacts)
    return rows


def page(report, table, plots):
    options, spending = report["options"], report["options"]["spending"]
    text = ("## The joint decision, in a world of known truth\n```\nbuild/release/bench/rapport_joint\n```\n"
            f"Worlds {', '.join(str(w) for w in options['worlds'])}, {options['customers']:,} customers each; one contact to each customer "
            f"within {options['budgetPerSend']} a send; true expected value per send, its share of the oracle's, and the joint decision's "
            "gain over each policy. Twice: the earlier contacts, from which every policy learns, spent by uniform draws, and by the model "
            f"itself ({spending['uniformWeeks']} weeks of uniform draws, then {spending['rounds']} rounds at temperature "
            f"{spending['temperature']}, exploration {spending['exploration']}).\n\n")
    return text + "".join(page_of(report, logging, end, words, table, plots) for logging, end, words in LOGS)


def page_of(report, logging, end, words, table, plots):
    options, text = report["options"], ""
    sections = [(dial, None) for dial in options["dials"]] + [(.5, contacts) for contacts in options["contacts"]]
    for dial, contacts in sections:
        rows = [row for row in report["rows"] if (row["dial"], row["contacts"], row["logging"]) == (dial, contacts, logging)]
        known = "all customers" if contacts is None else f"{contacts} contacts before"
        text += f"### Contacts spent by {words}, dial {dial}, {known}: {rows[0]['sends']:,} sends\n"
        text += table(["", "value", "share of the oracle", "joint's gain over it", "in the worst world", "spent"],
                      [[row["policy"], interval(row["value"]), interval(row["shareOfOracle"]), percent(row["gainOfJoint"]),
                        f"{100 * row['worstWorldGain']:+.1f} %", f"{row['spentPerSend']:.4f}"] for row in rows])
        text += "\n"
    for contacts in (None, 80):
        lines = [(label, color, [[dial, joint_row(report, label, dial, contacts, logging)["shareOfOracle"]] for dial in options["dials"]])
                 for label, color in LINES]
        known = "all customers" if contacts is None else f"{contacts} contacts before"
        name = "joint-decision" + ("" if contacts is None else f"-{contacts}") + end.replace(".", "-").replace("_", "-")
        plots.append((name, f"Share of the oracle's value over the interaction dial, {known}; contacts spent by {words}",
                      {"lines": lines}))
        text += f"![{known}](plots/{name}.svg)\n\n"
    return text
