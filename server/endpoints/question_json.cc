// See question_json.h.
#include "server/endpoints/question_json.h"

#include "base/limits.h"

namespace rapport {
namespace {

constexpr size_t kReturnFieldsMax = 64;

Result<RepeatPolicy> RepeatPolicyFromName(const std::string& name) {
  if (name == "allow") return RepeatPolicy::kAllow;
  if (name == "exclude-owned") return RepeatPolicy::kExcludeOwned;
  if (name == "exclude-ordered") return RepeatPolicy::kExcludeOrdered;
  if (name == "only-ordered") return RepeatPolicy::kOnlyOrdered;
  return Status::InvalidArgument("repeat must be allow, exclude-owned, exclude-ordered or only-ordered, not " +
                                 QuoteForMessage(name));
}

void ReadBoosts(JsonFields& fields, std::vector<Boost>* boosts) {
  const std::vector<const Json*> entries = fields.Objects("boost", limits::kBoostsMax);
  for (size_t i = 0; i < entries.size(); ++i) {
    JsonFields entry(*entries[i], fields.Place("boost", i));
    Boost boost;
    boost.filter = entry.RequiredText("filter", limits::kFilterBytesMax);
    const std::optional<double> factor = entry.Number("factor", 0, 100);
    if (factor && *factor <= 0) entry.FailField("factor", "must be above 0: use exclude or filter to hide items");
    boost.factor = factor.value_or(1.0);
    fields.Fail(entry.Finish());
    boosts->push_back(std::move(boost));
  }
}

void ReadPins(JsonFields& fields, std::vector<Pin>* pins) {
  const std::vector<const Json*> entries = fields.Objects("pin", limits::kPinsMax);
  for (size_t i = 0; i < entries.size(); ++i) {
    JsonFields entry(*entries[i], fields.Place("pin", i));
    Pin pin;
    pin.item = entry.RequiredId("itemId");
    pin.position = entry.Count("position", 1, limits::kRecommendationCountMax).value_or(1);
    fields.Fail(entry.Finish());
    pins->push_back(std::move(pin));
  }
}

}  // namespace

Result<std::optional<CustomerRef>> CustomerOfBody(const Request& request, JsonFields& fields, const Store& store) {
  CustomerNames names;
  if (const Json* customer = fields.Find("customer")) {
    Result<CustomerNames> named = CustomerNamesFromJson(*customer, "customer.");
    if (!named.ok()) return named.status();
    names = named.Take();
  }
  return CustomerToServe(request, names, store);
}

void ReadWhatToShow(JsonFields& fields, RecommendRequest* request) {
  request->scenario = fields.Text("scenario", limits::kShortTextBytesMax).value_or("home");
  request->kind = fields.Text("kind", limits::kShortTextBytesMax);
  request->seed_items = fields.Ids("seedItems", limits::kSeedItemsMax);
  request->filter = fields.Text("filter", limits::kFilterBytesMax).value_or("");
  ReadBoosts(fields, &request->boosts);
  request->exclude = fields.Ids("exclude", limits::kExcludeMax);
  if (const std::optional<std::string> repeat = fields.Text("repeat", limits::kShortTextBytesMax)) {
    const Result<RepeatPolicy> policy = RepeatPolicyFromName(*repeat);
    if (policy.ok()) request->repeat = *policy;
    fields.Fail(policy.status());
  }
  request->explain = fields.Flag("explain").value_or(false);
}

void ReadLayout(JsonFields& fields, RecommendRequest* request) {
  request->count = fields.Count("count", 1, limits::kRecommendationCountMax).value_or(0);
  ReadPins(fields, &request->pins);
  request->diversity = fields.Number("diversity", 0, 1);
}

std::vector<std::string> ReadReturn(JsonFields& fields) {
  std::vector<std::string> names = fields.Texts("return", kReturnFieldsMax, limits::kShortTextBytesMax);
  fields.Fail(CheckItemFields(names));
  return names;
}

std::string NoteOfReturn(const std::vector<std::string>& return_fields) {
  return return_fields.empty() ? std::string() : Json(return_fields).dump();
}

std::vector<std::string> ReturnOfNote(const std::string& note) {
  const Json names = Json::parse(note, nullptr, false);
  return names.is_array() ? names.get<std::vector<std::string>>() : std::vector<std::string>();
}

}  // namespace rapport
