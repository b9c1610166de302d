#include "data/io/exporter.h"

#include <algorithm>
#include <limits>

#include "data/io/csv.h"
#include "data/io/json_records.h"
#include "data/io/json_text.h"
#include "data/io/row_mapper.h"
#include "data/io/segment_json.h"

namespace rapport {
namespace {

using nlohmann::json;

constexpr uint64_t kRowsBetweenProgress = 4096;

// One pass: counts, tells progress, and carries the first error out of the store's callbacks.
class Pass {
 public:
  Pass(ByteSink& sink, const ExportProgressCallback& progress, std::optional<uint64_t> total)
      : sink_(sink), progress_(progress), total_(total) {}

  // For the store's callback: false stops the scan.
  bool Row(Result<std::string> text) {
    if (!text.ok()) return Stop(text.status());
    if (Status status = sink_.Append(*text); !status.ok()) return Stop(std::move(status));
    ++counts_.rows;
    if (progress_ && counts_.rows % kRowsBetweenProgress == 0) progress_({counts_.rows, total_});
    return true;
  }
  bool Skip() {
    ++counts_.skipped;
    return true;
  }
  bool Stop(Status status) {
    status_ = std::move(status);
    return false;
  }
  Result<ExportCounts> Finish(const Status& scanned) const {
    if (!status_.ok()) return status_;
    if (!scanned.ok()) return scanned;
    return counts_;
  }

 private:
  ByteSink& sink_;
  const ExportProgressCallback progress_;
  const std::optional<uint64_t> total_;
  ExportCounts counts_;
  Status status_;
};

// Events come by customer, so the last name is nearly always the next one's.
class CustomerNames {
 public:
  CustomerNames(const Store& store, const Snapshot* snapshot) : store_(store), snapshot_(snapshot) {}
  Result<CustomerRef> Find(CustomerId id) {
    if (id == last_id_) return last_;
    const Result<Profile> profile = store_.GetProfile(id, snapshot_);
    if (!profile.ok()) return profile.status();
    last_id_ = id;
    last_ = profile->ref;
    return last_;
  }

 private:
  const Store& store_;
  const Snapshot* snapshot_;
  CustomerId last_id_;
  CustomerRef last_;
};

Result<AppendEvent> NameEvent(const Event& event, CustomerNames& names, const Catalog& catalog) {
  const Result<CustomerRef> customer = names.Find(event.customer);
  if (!customer.ok()) return customer.status();
  return ToAppendEvent(event, *customer, catalog);
}

Result<std::string> EventLine(const Event& event, CustomerNames& names, const Catalog& catalog) {
  const Result<AppendEvent> named = NameEvent(event, names, catalog);
  if (!named.ok()) return named.status();
  const Result<json> object = EventToJson(*named);
  if (!object.ok()) return object.status();
  return DumpJson(*object) + "\n";
}

// The customer that this one is a part of, by its name.
Result<std::optional<CustomerRef>> PartOf(const Store& store, CustomerId customer, const Snapshot* snapshot) {
  const CustomerId root = store.Root(customer, snapshot);
  if (root == customer) return std::optional<CustomerRef>();
  const Result<Profile> profile = store.GetProfile(root, snapshot);
  if (!profile.ok()) return profile.status();
  return std::optional<CustomerRef>(profile->ref);
}

Result<json> WholeProfile(const Store& store, const Profile& profile, const Snapshot* snapshot) {
  const Result<std::optional<CustomerRef>> part_of = PartOf(store, profile.id, snapshot);
  if (!part_of.ok()) return part_of.status();
  return ProfileToJson(profile, store.Consents(profile.id, snapshot), *part_of);
}

Result<json> DecisionToJson(const Decision& decision, const CustomerRef& customer) {
  json object{{"decisionId", decision.id}, {"time", FormatRfc3339(decision.time)}, {"generation", decision.generation}};
  SetCustomer(customer, &object);
  if (decision.body.empty()) return object;
  Result<json> body = ParseJson(decision.body);
  if (!body.ok()) return Status::DataLoss("a decision's body is not JSON");
  object["decision"] = body.Take();
  return object;
}

}  // namespace

Result<AppendEvent> ToAppendEvent(const Event& event, const CustomerRef& customer, const Catalog& catalog) {
  AppendEvent named;
  named.customer = customer;
  named.event = event;
  named.event.lines.clear();
  for (const ItemLine& line : event.lines) {
    const Item* item = catalog.Get(line.item);
    if (item == nullptr) return Status::DataLoss("an event names an item that the catalogue does not know");
    named.lines.push_back({item->external_id, line.quantity, line.price});
  }
  return named;
}

Result<ExportCounts> ExportEventsJson(const Store& store, ByteSink& sink, const ExportProgressCallback& progress) {
  const std::unique_ptr<Snapshot> snapshot = store.GetSnapshot();
  const std::shared_ptr<const Catalog> catalog = store.catalog();  // as new as the snapshot, or newer
  CustomerNames names(store, snapshot.get());
  Pass pass(sink, progress, store.statistics().events);
  return pass.Finish(store.ForEachEvent([&](const Event& event) { return pass.Row(EventLine(event, names, *catalog)); },
                                        snapshot.get()));
}

Result<ExportCounts> ExportEventsCsv(const Store& store, Mapping& mapping, ByteSink& sink,
                                     const ExportProgressCallback& progress) {
  if (!mapping.event) return Status::InvalidArgument("the mapping has no \"event\", so it cannot write events");
  const std::vector<std::string_view> header(mapping.columns.begin(), mapping.columns.end());
  Result<RowMapper> mapper = RowMapper::Create(mapping, header);
  if (!mapper.ok()) return mapper.status();
  std::string line;
  AppendCsvRow(header, mapping.separator, &line);
  RAPPORT_RETURN_IF_ERROR(sink.Append(line));
  const std::unique_ptr<Snapshot> snapshot = store.GetSnapshot();
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  CustomerNames names(store, snapshot.get());
  Pass pass(sink, progress, store.statistics().events);
  const auto visit = [&](const Event& event) {
    const Result<AppendEvent> named = NameEvent(event, names, *catalog);
    if (!named.ok()) return pass.Stop(named.status());
    const Result<std::vector<std::string>> row = RowFromEvent(*mapper, *named);
    if (row.status().code() == StatusCode::kFailedPrecondition) return pass.Skip();
    if (!row.ok()) return pass.Stop(row.status());
    line.clear();
    AppendCsvRow({row->begin(), row->end()}, mapping.separator, &line);
    return pass.Row(line);
  };
  return pass.Finish(store.ForEachEvent(visit, snapshot.get()));
}

Result<ExportCounts> ExportItems(const Store& store, ByteSink& sink, const ExportProgressCallback& progress) {
  const std::unique_ptr<Snapshot> snapshot = store.GetSnapshot();
  Pass pass(sink, progress, store.statistics().items);
  const auto visit = [&](const Item& item) { return !item.catalogued || pass.Row(DumpJson(ItemToJson(item)) + "\n"); };
  return pass.Finish(store.ForEachItem(visit, snapshot.get()));
}

Result<ExportCounts> ExportProfiles(const Store& store, ByteSink& sink, const ExportProgressCallback& progress) {
  const std::unique_ptr<Snapshot> snapshot = store.GetSnapshot();
  Pass pass(sink, progress, store.statistics().customers);
  const auto visit = [&](const Profile& profile) {
    const Result<json> object = WholeProfile(store, profile, snapshot.get());
    return object.ok() ? pass.Row(DumpJson(*object) + "\n") : pass.Stop(object.status());
  };
  return pass.Finish(store.ForEachProfile(visit, snapshot.get()));
}

Result<ExportCounts> ExportDecisions(const Store& store, ByteSink& sink, const ExportProgressCallback& progress) {
  const std::unique_ptr<Snapshot> snapshot = store.GetSnapshot();
  CustomerNames names(store, snapshot.get());
  Pass pass(sink, progress, std::nullopt);
  const auto visit = [&](const Decision& decision) {
    const Result<CustomerRef> customer = names.Find(decision.customer);
    if (!customer.ok()) return pass.Stop(customer.status());
    const Result<json> object = DecisionToJson(decision, *customer);
    return object.ok() ? pass.Row(DumpJson(*object) + "\n") : pass.Stop(object.status());
  };
  return pass.Finish(store.ForEachDecision(visit, snapshot.get()));
}

// {"profiles":[...],"decisions":[...],"events":[...]}, an element per line.
Result<ExportCounts> ExportCustomer(const Store& store, const CustomerRef& customer, ByteSink& sink) {
  const std::unique_ptr<Snapshot> snapshot = store.GetSnapshot();
  const std::optional<CustomerId> found = store.FindCustomer(customer, snapshot.get());
  if (!found) return Status::NotFound("no customer " + QuoteForMessage(customer.external_id) + " in this store");
  const CustomerId root = store.Root(*found, snapshot.get());
  const std::vector<CustomerId> members = store.Members(root, snapshot.get());
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  CustomerNames names(store, snapshot.get());
  Pass pass(sink, {}, std::nullopt);
  const char* separator = "";
  const auto element = [&](const Result<json>& object) {
    if (!object.ok()) return pass.Stop(object.status());
    const std::string text = std::string(separator) + DumpJson(*object);
    separator = ",\n";
    return pass.Row(text);
  };
  const auto open = [&](const char* text) {
    separator = "";
    return sink.Append(text);
  };
  RAPPORT_RETURN_IF_ERROR(open("{\"profiles\":[\n"));
  for (const CustomerId member : members) {
    const Result<Profile> profile = store.GetProfile(member, snapshot.get());
    if (!profile.ok()) return profile.status();
    if (!element(WholeProfile(store, *profile, snapshot.get()))) return pass.Finish(Status::Ok());
  }
  RAPPORT_RETURN_IF_ERROR(open("],\n\"decisions\":[\n"));
  const Status decisions = store.ForEachDecision(
      [&](const Decision& decision) {
        if (std::find(members.begin(), members.end(), decision.customer) == members.end()) return true;
        const Result<CustomerRef> name = names.Find(decision.customer);
        return name.ok() ? element(DecisionToJson(decision, *name)) : pass.Stop(name.status());
      },
      snapshot.get());
  if (const Result<ExportCounts> so_far = pass.Finish(decisions); !so_far.ok()) return so_far;
  RAPPORT_RETURN_IF_ERROR(open("],\n\"events\":[\n"));
  const Result<std::vector<Event>> events = store.ReadEvents(root, std::numeric_limits<size_t>::max(), snapshot.get());
  if (!events.ok()) return events.status();
  for (const Event& event : *events) {
    const Result<AppendEvent> named = NameEvent(event, names, *catalog);
    if (!element(named.ok() ? EventToJson(*named) : Result<json>(named.status()))) return pass.Finish(Status::Ok());
  }
  RAPPORT_RETURN_IF_ERROR(sink.Append("]}\n"));
  return pass.Finish(Status::Ok());
}

}  // namespace rapport
