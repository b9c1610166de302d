#include "server/batch_record_json.h"

#include <nlohmann/json.hpp>

#include "server/endpoints/decision_json.h"
#include "server/endpoints/json_writer.h"

namespace rapport {
namespace {

using Json = nlohmann::json;

template <typename T>
void Read(const Json& json, const char* key, T* out) {
  const auto found = json.find(key);
  if (found != json.end()) *out = found->get<T>();
}

void ReadTime(const Json& json, const char* key, Timestamp* out) {
  std::string text;
  Read(json, key, &text);
  const Result<Timestamp> time = ParseRfc3339(text);
  if (time.ok()) *out = *time;
}

LimitReport ReadLimit(const Json& json) {
  LimitReport limit;
  Read(json, "name", &limit.name);
  Read(json, "amount", &limit.amount);
  Read(json, "used", &limit.used);
  Read(json, "price", &limit.price);
  Read(json, "tenthMoreADay", &limit.tenth_more_a_day);
  Read(json, "hours", &limit.hours);
  Read(json, "hoursPriced", &limit.hours_priced);
  return limit;
}

void WriteCounts(JsonWriter& out, const std::map<std::string, uint64_t>& counts) {
  out.BeginObject();
  for (const auto& [name, count] : counts) out.Key(name).Unsigned(count);
  out.EndObject();
}

void AppendCsvField(const std::string& text, std::string* out) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    *out += text;
    return;
  }
  *out += '"';
  for (const char c : text) {
    if (c == '"') *out += '"';
    *out += c;
  }
  *out += '"';
}

std::string NumberText(double value) { return JsonWriter(32).Number(value).Take(); }

Result<PlanLine> LineOf(const Store& store, const Decision& decision) {
  const Json body = Json::parse(decision.body, nullptr, false);
  if (!body.is_object()) return Status::DataLoss("decision " + decision.id + " is not what was written");
  const Result<Profile> profile = store.GetProfile(decision.customer);
  if (!profile.ok()) return profile.status();
  PlanLine line;
  line.customer = profile->ref.external_id;
  line.decision = decision.id;
  line.value = body.value("value", 0.0);
  line.propensity = body.value("propensity", 0.0);
  line.reason = body.value("batchReason", "");
  if (body.value("action", "") != "send") return line;
  line.item = body.value("itemId", "");
  line.channel = body.value("channel", "");
  line.time = body.value("at", "");
  return line;
}

}  // namespace

const char* BatchStateName(BatchState state) {
  switch (state) {
    case BatchState::kRunning: return "running";
    case BatchState::kDone: return "done";
    case BatchState::kFailed: return "failed";
  }
  return "failed";
}

std::string BatchRecordToJson(const BatchRecord& record) {
  JsonWriter out(2048);
  out.BeginObject().Key("id").String(record.name).Key("state").String(BatchStateName(record.state));
  if (!record.problem.empty()) out.Key("problem").String(record.problem);
  out.Key("request").String(record.request);
  out.Key("startedAt").Time(record.started_at).Key("changedAt").Time(record.changed_at);
  out.Key("window").BeginObject().Key("from").Time(record.from).Key("until").Time(record.until).EndObject();
  out.Key("customers").Unsigned(record.customers).Key("unknown").Unsigned(record.unknown);
  out.Key("decided").Unsigned(record.decided).Key("sends").Unsigned(record.sends);
  out.Key("pages").Unsigned(record.pages).Key("value").Number(record.value);
  out.Key("plannedValue").Number(record.planned_value).Key("bound").Number(record.bound);
  out.Key("gap").Number(record.gap());
  WriteCounts(out.Key("sendsByChannel"), record.sends_by_channel);
  WriteCounts(out.Key("sendsByItem"), record.sends_by_item);
  WriteCounts(out.Key("nothing"), record.nothing);
  out.Key("limits").BeginArray();
  for (const LimitReport& limit : record.limits) {
    out.BeginObject().Key("name").String(limit.name).Key("amount").Number(limit.amount);
    out.Key("used").Number(limit.used).Key("price").Number(limit.price);
    out.Key("tenthMoreADay").Number(limit.tenth_more_a_day);
    if (limit.hours > 0) out.Key("hours").Unsigned(limit.hours).Key("hoursPriced").Unsigned(limit.hours_priced);
    out.EndObject();
  }
  return out.EndArray().EndObject().Take();
}

Result<BatchRecord> ReadBatchRecordJson(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Status::DataLoss("the record of a batch is not what was written");
  BatchRecord record;
  try {
    std::string state;
    Read(json, "state", &state);
    record.state = state == "done" ? BatchState::kDone : state == "failed" ? BatchState::kFailed : BatchState::kRunning;
    Read(json, "id", &record.name);
    Read(json, "problem", &record.problem);
    Read(json, "request", &record.request);
    ReadTime(json, "startedAt", &record.started_at);
    ReadTime(json, "changedAt", &record.changed_at);
    ReadTime(json.at("window"), "from", &record.from);
    ReadTime(json.at("window"), "until", &record.until);
    Read(json, "customers", &record.customers);
    Read(json, "unknown", &record.unknown);
    Read(json, "decided", &record.decided);
    Read(json, "sends", &record.sends);
    Read(json, "pages", &record.pages);
    Read(json, "value", &record.value);
    Read(json, "plannedValue", &record.planned_value);
    Read(json, "bound", &record.bound);
    Read(json, "sendsByChannel", &record.sends_by_channel);
    Read(json, "sendsByItem", &record.sends_by_item);
    Read(json, "nothing", &record.nothing);
    for (const Json& limit : json.at("limits")) record.limits.push_back(ReadLimit(limit));
  } catch (const Json::exception& error) {
    return Status::DataLoss(std::string("the record of a batch is not what was written: ") + error.what());
  }
  return record;
}

void UseJson(BatchKeeping* keeping) {
  keeping->format = [](const DecisionResponse& decision) { return DecisionToJson(decision, Shortlist::kTold); };
  keeping->write_record = BatchRecordToJson;
  keeping->read_record = ReadBatchRecordJson;
}

Result<std::vector<PlanLine>> ReadPlanPage(const Store& store, const std::string& batch, uint64_t page) {
  const std::optional<std::string> ids = store.GetSetting(BatchPageSetting(batch, page));
  std::vector<PlanLine> lines;
  if (!ids) return lines;
  for (size_t begin = 0; begin < ids->size();) {
    const size_t end = std::min(ids->find('\n', begin), ids->size());
    const Result<Decision> decision = store.GetDecision(ids->substr(begin, end - begin));
    begin = end + 1;
    if (!decision.ok() && decision.status().code() == StatusCode::kNotFound) continue;
    if (!decision.ok()) return decision.status();
    Result<PlanLine> line = LineOf(store, *decision);
    if (!line.ok()) return line.status();
    lines.push_back(line.Take());
  }
  return lines;
}

std::string PlanPageToCsv(const std::vector<PlanLine>& lines) {
  std::string out;
  for (const PlanLine& line : lines) {
    for (const std::string* field : {&line.customer, &line.item, &line.time, &line.channel}) {
      AppendCsvField(*field, &out);
      out += ',';
    }
    out += NumberText(line.propensity) + "," + line.reason + "," + line.decision + "\n";
  }
  return out;
}

std::string PlanPageToJsonLines(const std::vector<PlanLine>& lines) {
  std::string all;
  for (const PlanLine& line : lines) {
    JsonWriter out;
    out.BeginObject().Key("customer").String(line.customer).Key("decisionId").String(line.decision);
    out.Key("action").String(line.item.empty() ? "nothing" : "send");
    if (!line.item.empty()) out.Key("itemId").String(line.item).Key("channel").String(line.channel);
    if (!line.item.empty()) out.Key("at").String(line.time);
    out.Key("value").Number(line.value).Key("propensity").Number(line.propensity);
    out.Key("reason").String(line.reason).EndObject();
    all += out.Take() + "\n";
  }
  return all;
}

}  // namespace rapport
