#include "server/train_report_json.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace rapport {

namespace {

using Json = nlohmann::ordered_json;

Json IntervalJson(const Interval& interval) {
  return {{"mean", interval.mean}, {"lower", interval.lower}, {"upper", interval.upper}};
}

// Not in the report that the registry keeps: that is written before there is a generation, and says nothing of what
// became of it. So it says nothing instead of 0 and false.
Json RegistrationJson(uint64_t generation, bool activated) {
  if (generation == 0) return Json::object();
  return {{"generation", generation}, {"activated", activated}};
}

}  // namespace

std::string TrainReportToJson(const TrainReport& report) {
  Json judged = Json::array();
  for (const JudgedModel& model : report.judged) {
    judged.push_back({{"name", model.name},
                      {"ndcg10", IntervalJson(model.ndcg10)},
                      {"recall20", IntervalJson(model.recall20)},
                      {"coverage20", model.coverage20}});
  }
  Json json = RegistrationJson(report.generation, report.activated);
  json.update({{"accepted", report.accepted},
               {"verdict", report.verdict},
               {"foreignFactors", report.foreign},
               {"customers", report.customers},
               {"items", report.items},
               {"interactions", report.interactions},
               {"events", report.events},
               {"judgedCustomers", report.judged_customers},
               {"splitAt", FormatRfc3339(report.split_at)},
               {"trainedUntil", FormatRfc3339(report.trained_until)},
               {"judged", std::move(judged)},
               {"fitSeconds", report.fit_seconds},
               {"totalSeconds", report.total_seconds},
               {"file", report.file}});
  if (report.drift) json["drift"] = Json::parse(DriftReportToJson(*report.drift));
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string ResponseReportToJson(const ResponseTrainReport& report) {
  const ResponseReport& fit = report.fit;
  Json json = RegistrationJson(report.generation, report.activated);
  json.update({{"model", "response"},
               {"accepted", report.accepted},
               {"verdict", report.verdict},
               {"customers", report.customers},
               {"contacts", report.contacts},
               {"responses", report.responses},
               {"visits", report.visits},
               {"heldOutContacts", fit.validation_trials},
               {"logLossEverybody", fit.loss_global},
               {"logLossPersonal", fit.loss_personal},
               {"gainLower", fit.gain_lower},
               {"traitGainLower", fit.trait_gain_lower},
               {"threeWayGainLower", fit.three_way_gain_lower},
               {"traitsTogetherGainLower", fit.together_gain_lower},
               {"gainByContactsKnown", fit.stratum_gain},
               {"contactsByContactsKnown", fit.stratum_trials},
               {"totalSeconds", report.total_seconds},
               {"file", report.file}});
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string ResponseReportToText(const ResponseTrainReport& report) {
  char text[512];
  std::snprintf(text, sizeof text,
                "%llu customers: %llu contacts, %llu answered; %llu visits\n"
                "held out: %llu contacts, log loss %.5f with everybody's curve, %.5f with the customer's own\n"
                "%s: ",
                static_cast<unsigned long long>(report.customers), static_cast<unsigned long long>(report.contacts),
                static_cast<unsigned long long>(report.responses), static_cast<unsigned long long>(report.visits),
                static_cast<unsigned long long>(report.fit.validation_trials), report.fit.loss_global,
                report.fit.loss_personal, report.accepted ? "accepted" : "refused");
  return text + report.verdict + "\n";
}

std::string DriftReportToJson(const DriftReport& report) {
  const auto divergence = [](const Divergence& one) {
    return Json{{"bits", one.value}, {"byChance", one.expected}, {"drifted", one.drifted()}};
  };
  Json json{{"judged", report.judged},
            {"drifted", report.drifted},
            {"words", report.words},
            {"trainedUntil", FormatRfc3339(report.trained_until)},
            {"linesSince", report.lines_since},
            {"linesBefore", report.lines_before}};
  if (report.judged) {
    json["items"] = divergence(report.items);
    json["types"] = divergence(report.types);
    json["factorlessShare"] = report.factorless_share;
    json["newCustomersShare"] = report.new_customers_share;
    json["newCustomersShareBefore"] = report.new_customers_share_before;
  }
  if (report.judged_customers > 0) {
    json["judgedCustomers"] = report.judged_customers;
    json["ndcg10"] = IntervalJson(report.ndcg10);
  }
  if (report.overlap20) json["overlap20"] = IntervalJson(*report.overlap20);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string TrainReportToText(const TrainReport& report) {
  char line[256];
  std::string out;
  std::snprintf(line, sizeof(line),
                "learned from %llu customers, %llu items, %llu interactions in %.1f s (fit %.1f s)\n",
                static_cast<unsigned long long>(report.customers), static_cast<unsigned long long>(report.items),
                static_cast<unsigned long long>(report.interactions), report.total_seconds, report.fit_seconds);
  out += line;
  const bool judged = report.judged_customers > 0;
  if (!report.judged.empty() && !judged) {
    out += "judged on nobody: no customer from before " + FormatRfc3339(report.split_at) + " chose anything after it\n";
  }
  if (judged) {
    std::snprintf(line, sizeof(line), "judged on %llu customers after %s\n",
                  static_cast<unsigned long long>(report.judged_customers), FormatRfc3339(report.split_at).c_str());
    out += line;
    std::snprintf(line, sizeof(line), "  %-24s %-26s %-26s %s\n", "model", "NDCG@10 (95 %)", "recall@20 (95 %)",
                  "coverage@20");
    out += line;
  }
  for (const JudgedModel& model : judged ? report.judged : std::vector<JudgedModel>{}) {
    std::snprintf(line, sizeof(line), "  %-24s %.4f (%.4f - %.4f)   %.4f (%.4f - %.4f)   %.3f\n", model.name.c_str(),
                  model.ndcg10.mean, model.ndcg10.lower, model.ndcg10.upper, model.recall20.mean, model.recall20.lower,
                  model.recall20.upper, model.coverage20);
    out += line;
  }
  if (report.drift) out += FormatDrift(*report.drift);
  out += (report.accepted ? "accepted: " : "refused: ") + report.verdict + "\n";
  return out;
}

}  // namespace rapport
