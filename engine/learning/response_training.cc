#include "engine/learning/response_training.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "data/codec.h"
#include "engine/contact/contact_reader.h"
#include "engine/content/attributes.h"

namespace rapport {
namespace {

// What the log tells of one customer, linked identities together.
struct Heard {
  std::vector<ContactEntry> contacts;
  std::vector<HistoryEntry> history;
  std::vector<uint64_t> traits;
  std::string time_zone, country;
};
using Everybody = std::map<uint64_t, Heard>;  // by root, ascending: the same order on every run

bool IsSampled(CustomerId root, uint64_t every) {
  return every <= 1 || (root.value * 0x9e3779b97f4a7c15ull >> 32) % every == 0;
}

Result<Everybody> Read(const Store& store, const Snapshot& snapshot, const ResponseTrainOptions& options,
                       Timestamp as_of) {
  Everybody everybody;
  const uint64_t every = store.statistics().customers / std::max<size_t>(1, options.customers_max) + 1;
  CustomerId last, root;
  const auto visit = [&](const Event& event) {
    const bool contact = IsContactType(event.type);
    if ((!contact && !IsActivity(event.type)) || event.time > as_of) return true;
    if (event.customer != last) root = store.Root(last = event.customer, &snapshot);
    if (!IsSampled(root, every)) return true;
    Heard& heard = everybody[root.value];
    if (contact) heard.contacts.push_back(ContactEntryOf(event));
    HistoryEntry line;
    line.type = event.type;
    line.time = event.time;
    if (!contact) heard.history.push_back(line);
    return true;
  };
  RAPPORT_RETURN_IF_ERROR(store.ForEachEvent(visit, &snapshot));
  const auto profile = [&](const Profile& one) {
    const auto found = everybody.find(store.Root(one.id, &snapshot).value);
    if (found == everybody.end()) return true;
    Heard& heard = found->second;
    const std::vector<uint64_t> tokens = DescribeCustomer(one);
    heard.traits.insert(heard.traits.end(), tokens.begin(), tokens.end());
    if (heard.time_zone.empty()) heard.time_zone = one.time_zone;
    if (heard.country.empty()) heard.country = one.country;
    return true;
  };
  RAPPORT_RETURN_IF_ERROR(store.ForEachProfile(profile, &snapshot));
  for (auto& [id, heard] : everybody) {
    std::sort(heard.traits.begin(), heard.traits.end());
    heard.traits.erase(std::unique(heard.traits.begin(), heard.traits.end()), heard.traits.end());
    std::stable_sort(heard.contacts.begin(), heard.contacts.end(),
                     [](const ContactEntry& a, const ContactEntry& b) { return a.event < b.event; });
  }
  return everybody;
}

// The `most` keys that are counted most often, at least `least` times; ascending.
std::vector<uint64_t> Frequent(const std::unordered_map<uint64_t, uint64_t>& counts, uint64_t least, size_t most) {
  std::vector<std::pair<uint64_t, uint64_t>> kept;
  for (const auto& [key, count] : counts) {
    if (count >= least) kept.push_back({count, key});
  }
  std::sort(kept.begin(), kept.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  if (kept.size() > most) kept.resize(most);
  std::vector<uint64_t> keys;
  for (const auto& [count, key] : kept) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  return keys;
}

void AddName(std::vector<std::string>& names, const std::string& name) {
  const auto at = std::lower_bound(names.begin(), names.end(), name);
  if ((at == names.end() || *at != name) && names.size() < 250) names.insert(at, name);
}

std::string KindOf(const Catalog& catalog, ItemId item) {
  const Item* found = item ? catalog.Get(item) : nullptr;
  return found != nullptr && found->catalogued ? found->kind : "";
}

ResponseVocabulary Name(const Everybody& everybody, const std::vector<ContactLog>& logs, const Catalog& catalog,
                        const ResponseTrainOptions& options) {
  ResponseVocabulary names;
  std::unordered_map<uint64_t, uint64_t> contents, traits;
  std::map<std::string, uint64_t> countries;
  for (const auto& [id, heard] : everybody) {
    for (const uint64_t token : heard.traits) ++traits[token];
    ++countries[heard.country];
  }
  for (const ContactLog& log : logs) {
    for (const Contact& contact : log.contacts) {
      AddName(names.channels, contact.channel);
      AddName(names.places, contact.place);
      AddName(names.kinds, KindOf(catalog, contact.item));
      if (contact.item) ++contents[contact.item.value];
    }
  }
  for (const auto& [country, count] : countries) {
    if (count >= options.trait_customers_min) AddName(names.segments, country);
  }
  names.contents = Frequent(contents, options.content_sends_min, options.contents_max);
  names.traits = Frequent(traits, options.trait_customers_min, options.traits_max);
  return names;
}

ResponseShape ShapeOf(const ResponseVocabulary& names, const Catalog& catalog) {
  ResponseShape shape;
  shape.channels = static_cast<uint32_t>(names.channels.size());
  shape.places = static_cast<uint32_t>(names.places.size());
  shape.kinds = static_cast<uint32_t>(names.kinds.size());
  shape.segments = static_cast<uint32_t>(names.segments.size());
  shape.traits = static_cast<uint32_t>(names.traits.size());
  for (const uint64_t item : names.contents) shape.content_kind.push_back(names.Kind(KindOf(catalog, ItemId{item})));
  return shape;
}

void Judge(const ResponseReport& fit, GateMode gate, ResponseTrainReport* report) {
  if (fit.validation_trials < kResponseTrialsMin) {
    report->verdict = "only " + std::to_string(fit.validation_trials) + " contacts could be held out to judge by; " +
                      std::to_string(kResponseTrialsMin) + " are needed";
  } else if (fit.loss_personal > fit.loss_global) {
    report->verdict = "on the newest contacts the personal model loses more than everybody's curve";
  } else {
    report->accepted = true;
    report->verdict = "not worse than everybody's curve on the newest contacts";
  }
  if (!report->accepted && gate == GateMode::kReportOnly) {
    report->accepted = true;
    report->verdict += "; taken all the same, as asked";
  }
}

}  // namespace

Result<TrainedResponse> TrainResponse(const Store& store, const Snapshot& snapshot, const ContactLimits& limits,
                                      const ResponseTrainOptions& options, const Clock& clock) {
  const Timestamp as_of = clock.Now();
  Result<Everybody> everybody = Read(store, snapshot, options, as_of);
  if (!everybody.ok()) return everybody.status();
  TrainedResponse trained;
  ResponseTrainReport& report = trained.report;
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  std::vector<ContactLog> logs;
  for (const auto& [id, heard] : *everybody) {
    logs.push_back(ReadContactLog(heard.contacts));
    for (const Contact& contact : logs.back().contacts) {
      report.contacts += contact.planned ? 0 : 1;
      report.responses += contact.responded() ? 1 : 0;
    }
  }
  if (report.contacts == 0) {
    return Status::FailedPrecondition(
        "there are no contacts to learn from: send events like \"Email Sent\" and \"Email Link Clicked\" "
        "(docs/API.md)");
  }
  trained.set.vocabulary = Name(*everybody, logs, *catalog, options);
  std::vector<EvidenceBuffers> evidence;
  ZoneBook zones;
  size_t next = 0;
  for (const auto& [id, heard] : *everybody) {
    Timestamp first = as_of;
    for (const HistoryEntry& line : heard.history) first = std::min(first, line.time);
    for (const Contact& contact : logs[next].contacts) first = std::min(first, contact.time);
    const Result<LocalTime> local = zones.Read(ChooseZone(limits, heard.time_zone, heard.country).name, first, as_of);
    if (!local.ok()) return local.status();
    evidence.push_back(CollectEvidence(logs[next++], heard.history, heard.traits, heard.country, *local, as_of,
                                       trained.set.vocabulary, [&](ItemId item) { return KindOf(*catalog, item); }));
    report.visits += evidence.back().activity_hours.size();
  }
  std::vector<CustomerEvidence> views;
  for (const EvidenceBuffers& one : evidence) views.push_back(one.View());
  Result<ResponseModel> model = FitResponse(ShapeOf(trained.set.vocabulary, *catalog), views, options.response);
  if (!model.ok()) return model.status();
  report.customers = everybody->size();
  report.fit = model->report;
  trained.set.model = std::make_shared<const ResponseModel>(model.Take());
  Judge(report.fit, options.gate, &report);
  report.total_seconds = static_cast<double>(clock.Now().ms - as_of.ms) / 1000;
  return trained;
}

}  // namespace rapport
