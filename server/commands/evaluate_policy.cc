#include "server/commands/evaluate_policy.h"

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "engine/contact/contact_log.h"

namespace rapport {
namespace {

using Json = nlohmann::json;

std::string TextOf(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

bool SameArm(const Json& a, const Json& b) {
  if (TextOf(a, "action") != TextOf(b, "action")) return false;
  return TextOf(a, "action") == "nothing" ||
         (TextOf(a, "itemId") == TextOf(b, "itemId") && TextOf(a, "channel") == TextOf(b, "channel") &&
          TextOf(a, "place") == TextOf(b, "place") && TextOf(a, "at") == TextOf(b, "at"));
}

// Names of channels as numbers, in the order in which they are met.
class ChannelNumbers {
 public:
  uint32_t Of(const std::string& name) {
    return numbers_.try_emplace(name, static_cast<uint32_t>(numbers_.size())).first->second;
  }
  const uint32_t* Find(const std::string& name) const {
    const auto found = numbers_.find(name);
    return found == numbers_.end() ? nullptr : &found->second;
  }

 private:
  std::map<std::string, uint32_t> numbers_;
};

// False for a body that is not what a decision writes.
bool ReadDecision(const Json& body, ChannelNumbers& channels, LoggedDecision* decision) {
  const auto shortlist = body.find("shortlist");
  if (!body.is_object() || shortlist == body.end() || !shortlist->is_array() || shortlist->empty()) return false;
  bool found = false;
  for (const Json& one : *shortlist) {
    if (!one.is_object() || !one.contains("value") || !one.contains("propensity") || !one["value"].is_number() ||
        !one["propensity"].is_number()) {
      return false;
    }
    LoggedArm arm;
    arm.value = one["value"].get<double>();
    arm.propensity = one["propensity"].get<double>();
    if (TextOf(one, "action") == "send") arm.channel = channels.Of(TextOf(one, "channel"));
    if (!found && SameArm(one, body)) {
      decision->chosen = static_cast<uint32_t>(decision->shortlist.size());
      found = true;
    }
    decision->shortlist.push_back(arm);
  }
  return found;
}

double RewardOf(const Json& body, const ContactLog& log, const std::string& id, double lifetime_value) {
  if (TextOf(body, "action") != "send") return 0;
  for (const Contact& contact : log.contacts) {
    if (contact.id != id || contact.planned) continue;
    const double left = contact.unsubscribed || contact.marked_as_spam ? lifetime_value : 0;
    return (contact.responded() ? body.value("margin", 0.0) : 0) - body.value("cost", 0.0) - left;
  }
  return 0;  // decided on, never sent
}

struct Kept {
  std::vector<LoggedDecision> decisions;
  ChannelNumbers channels;
  uint64_t unreadable = 0;
};

Result<Kept> ReadKept(const Store& store, double lifetime_value) {
  Kept kept;
  std::map<uint64_t, ContactLog> logs;  // of the customers met so far
  Status failed;
  const auto visit = [&](const Decision& record) {
    const Json body = Json::parse(record.body, nullptr, false);
    LoggedDecision decision;
    if (body.is_discarded() || !ReadDecision(body, kept.channels, &decision)) {
      ++kept.unreadable;
      return true;
    }
    const CustomerId root = store.Root(record.customer);
    decision.customer = static_cast<uint32_t>(root.value);
    decision.time = record.time;
    auto log = logs.find(root.value);
    if (log == logs.end()) {
      const Result<std::vector<ContactEntry>> entries = store.ReadContacts(root);
      if (!entries.ok()) failed = entries.status();
      if (!entries.ok()) return false;
      log = logs.emplace(root.value, ReadContactLog(*entries)).first;
    }
    decision.reward = RewardOf(body, log->second, record.id, lifetime_value);
    kept.decisions.push_back(std::move(decision));
    return true;
  };
  RAPPORT_RETURN_IF_ERROR(store.ForEachDecision(visit));
  RAPPORT_RETURN_IF_ERROR(failed);
  return kept;
}

Result<PolicySpec> SpecOf(const EvaluatePolicyArguments& arguments, const ChannelNumbers& channels) {
  PolicySpec spec;
  spec.temperature = arguments.temperature;
  spec.exploration = arguments.exploration;
  const size_t colon = arguments.policy.find(':');
  const std::optional<PolicyKind> kind = PolicyKindFromName(arguments.policy.substr(0, colon));
  if (!kind) {
    return Status::InvalidArgument("--policy must be logged, uniform, greedy, softmax, nothing or channel:NAME");
  }
  spec.kind = *kind;
  if (*kind != PolicyKind::kChannel) return spec;
  const std::string name = colon == std::string::npos ? "" : arguments.policy.substr(colon + 1);
  const uint32_t* channel = channels.Find(name);
  if (channel == nullptr) {
    return Status::InvalidArgument("--policy channel:NAME: no kept decision has the channel '" + name + "'");
  }
  spec.channel = *channel;
  return spec;
}

std::string IntervalText(const ValueInterval& value) {
  char text[96];
  std::snprintf(text, sizeof text, "%9.4f [%9.4f %9.4f]", value.value, value.lower, value.upper);
  return text;
}

Json IntervalJson(const ValueInterval& value) {
  return {{"value", value.value}, {"lower", value.lower}, {"upper", value.upper}};
}

}  // namespace

Status RunEvaluatePolicy(const EvaluatePolicyArguments& arguments, const Store& store, std::ostream& out) {
  PolicyEvaluationOptions options;
  options.seed = arguments.seed;
  for (const auto& [text, time] : {std::pair{&arguments.from, &options.from}, {&arguments.until, &options.until}}) {
    if (text->empty()) continue;
    const Result<Timestamp> parsed = ParseRfc3339(*text);
    if (!parsed.ok()) return parsed.status();
    *time = *parsed;
  }
  const Result<Kept> kept = ReadKept(store, arguments.lifetime_value);
  if (!kept.ok()) return kept.status();
  if (kept->decisions.empty()) {
    return Status::FailedPrecondition("no decision is kept: ask POST /v1/decisions first, without dryRun");
  }
  const Result<PolicySpec> spec = SpecOf(arguments, kept->channels);
  if (!spec.ok()) return spec.status();
  const Result<OffPolicyReport> report = EvaluatePolicy(kept->decisions, *spec, options);
  if (!report.ok()) return report.status();
  if (arguments.json) {
    Json estimates = Json::object();
    for (size_t e = 0; e < kOffPolicyEstimators; ++e) {
      const OffPolicyEstimate& one = report->estimates[e];
      if (one.computed)
        estimates[OffPolicyEstimatorName(static_cast<OffPolicyEstimator>(e))] = {{"value", IntervalJson(one.value)},
                                                                                 {"gain", IntervalJson(one.gain)}};
    }
    out << Json{{"policy", arguments.policy},
                {"decisions", report->decisions},
                {"customers", report->customers},
                {"unreadable", kept->unreadable},
                {"effectiveDecisions", report->effective_decisions},
                {"largestWeight", report->weight_largest},
                {"logged", IntervalJson(report->logged)},
                {"estimates", estimates}}
               .dump(2)
        << "\n";
    return Status::Ok();
  }
  out << report->decisions << " decisions about " << report->customers << " customers; as effective as "
      << static_cast<uint64_t>(report->effective_decisions) << " of the policy's own\n"
      << "money per decision, 95 % intervals by customer; shared limits make customers interfere, and are not in it\n"
      << "  as it was   " << IntervalText(report->logged) << "\n";
  for (size_t e = 0; e < kOffPolicyEstimators; ++e) {
    const OffPolicyEstimate& one = report->estimates[e];
    if (!one.computed) continue;
    char name[16];
    std::snprintf(name, sizeof name, "  %-11s ", OffPolicyEstimatorName(static_cast<OffPolicyEstimator>(e)));
    out << name << IntervalText(one.value) << "   gain " << IntervalText(one.gain) << "\n";
  }
  return Status::Ok();
}

}  // namespace rapport
