#include "server/endpoints/decision_json.h"

#include "server/endpoints/json_writer.h"

namespace rapport {
namespace {

// Below this the customer's own habit says next to nothing (logits).
constexpr double kTellingLogit = 0.1;

constexpr const char* kWeekdays[7] = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};

// "2026-11-23T09:00:00", the customer's wall clock.
std::string WallText(Timestamp time, int64_t offset_ms) {
  std::string text = FormatRfc3339({time.ms + offset_ms});
  text.pop_back();  // the Z: it is no UTC
  return text;
}

const char* WhyNothing(const DecisionResponse& decision) {
  if (!decision.batch.empty()) {
    if (decision.batch_reason == "limits") return "limits";
    if (decision.batch_reason == "nothing-worth") return "not-worth-it";
    return decision.batch_reason == "best" || decision.batch_reason == "explored" ? "by-chance" : "no-arm";
  }
  if (decision.contents.empty()) return "no-content";
  if (decision.outcome.feasible == 0) return "no-arm";
  return decision.outcome.shortlist.front().content == kNothing ? "not-worth-it" : "by-chance";
}

void WriteArm(JsonWriter& out, const DecisionResponse& decision, const DecisionArm& arm) {
  const ContactSettings& settings = *decision.settings;
  out.Key("action").String(arm.content == kNothing ? "nothing" : "send");
  if (arm.content != kNothing) {
    const DecisionContent& content = decision.contents[arm.content];
    out.Key("itemId").String(content.external_id).Key("channel").String(settings.channels[arm.channel].name);
    if (arm.place != kNoPlaceArm) out.Key("place").String(settings.places[arm.place].name);
    out.Key("at").Time(arm.at).Key("probability").Number(arm.probability);
    out.Key("unsubscribeProbability").Number(arm.unsubscribe).Key("cost").Number(arm.cost);
    out.Key("margin").Number(arm.margin);
    if (!decision.batch.empty()) out.Key("limitsPrice").Number(arm.limits_price);
  }
  out.Key("value").Number(arm.value).Key("propensity").Number(arm.propensity);
}

// Why this hour, this channel, this content.
void WriteReasons(JsonWriter& out, const DecisionResponse& decision) {
  const DecisionArm& arm = decision.outcome.chosen;
  out.Key("reasons").BeginObject();
  const bool own_hour = decision.own_hour > kTellingLogit;
  out.Key("time").String(own_hour ? "own-habit" : arm.hour == decision.usual_hour ? "usual-hour" : "first-good-hour");
  bool only_one = true;
  for (const DecisionArm& other : decision.outcome.shortlist) {
    only_one &= other.content == kNothing || other.channel == arm.channel;
  }
  out.Key("channel").String(decision.own_channel > kTellingLogit ? "own-habit"
                            : only_one                           ? "only-channel"
                                                                 : "usual-channel");
  out.Key("contentLevel").String(LevelName(decision.contents[arm.content].level)).Key("content").BeginArray();
  for (const Reason& reason : decision.contents[arm.content].reasons) {
    out.BeginObject().Key("because").String(BecauseName(reason.because));
    if (!reason.item.empty()) out.Key("itemId").String(reason.item);
    if (!reason.title.empty()) out.Key("title").String(reason.title);
    out.EndObject();
  }
  out.EndArray();
  out.Key("ownHour").Number(decision.own_hour).Key("ownChannel").Number(decision.own_channel);
  out.Key("ownKind").Number(decision.own_kind).EndObject();
}

void WriteRemoved(JsonWriter& out, const DecisionResponse& decision) {
  out.Key("removed").BeginArray();
  for (const RemovedArms& removed : decision.outcome.removed) {
    out.BeginObject().Key("reason").String(ContactRefusalName(removed.refusal));
    out.Key("channel").String(decision.settings->channels[removed.channel].name);
    out.Key("arms").Unsigned(removed.arms).EndObject();
  }
  out.EndArray().Key("refusedItems").BeginArray();
  for (const RankResponse::Refused& item : decision.refused_items) {
    out.BeginObject().Key("itemId").String(item.external_id).Key("reason").String(item.reason).EndObject();
  }
  for (const std::string& id : decision.unknown_items) {
    out.BeginObject().Key("itemId").String(id).Key("reason").String("unknown item").EndObject();
  }
  out.EndArray();
}

}  // namespace

std::string DecisionToJson(const DecisionResponse& decision, Shortlist shortlist) {
  const DecisionArm& arm = decision.outcome.chosen;
  JsonWriter out(4096);
  out.BeginObject().Key("decisionId").String(decision.id).Key("time").Time(decision.time);
  WriteArm(out, decision, arm);
  if (arm.content == kNothing) {
    out.Key("because").String(WhyNothing(decision));
  } else {
    const DecisionContent& content = decision.contents[arm.content];
    out.Key("title").String(content.title).Key("kind").String(content.kind);
    if (!content.language.empty()) out.Key("language").String(content.language);
    out.Key("localTime").String(WallText(arm.at, decision.zone_offset_ms));
    out.Key("weekday").String(kWeekdays[arm.hour / 24 % 7]);
    WriteReasons(out, decision);
  }
  out.Key("purpose").String(decision.purpose).Key("timezone").String(decision.zone.name);
  out.Key("timezoneFrom").String(ZoneSourceName(decision.zone.source));
  out.Key("window").BeginObject().Key("from").Time(decision.from).Key("until").Time(decision.until).EndObject();
  out.Key("personal").Bool(decision.personal).Key("contactsKnown").Unsigned(decision.contacts_known);
  out.Key("feasibleArms").Unsigned(decision.outcome.feasible);
  WriteRemoved(out, decision);
  out.Key("contentGeneration").Unsigned(decision.content_generation);
  out.Key("responseGeneration").Unsigned(decision.response_generation);
  out.Key("settingsVersion").Unsigned(decision.settings_version);
  out.Key("seed").String(std::to_string(decision.seed));  // 64 bits: more than a JSON number holds everywhere
  if (!decision.batch.empty()) {
    out.Key("batch").String(decision.batch).Key("batchReason").String(decision.batch_reason);
    out.Key("draw").Number(decision.batch_draw);
  }
  if (decision.dry_run) out.Key("dryRun").Bool(true);
  if (shortlist == Shortlist::kTold) {
    out.Key("shortlist").BeginArray();
    for (const DecisionArm& one : decision.outcome.shortlist) {
      WriteArm(out.BeginObject(), decision, one);
      out.EndObject();
    }
    out.EndArray();
  }
  return out.EndObject().Take();
}

}  // namespace rapport
