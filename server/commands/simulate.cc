// `rapport simulate`: see simulate.h.
#include "server/commands/simulate.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "data/io/byte_sink.h"
#include "data/io/json_records.h"
#include "engine/learning/contact_logging.h"
#include "engine/learning/simulated_contacts.h"
#include "engine/learning/simulated_shop.h"
#include "server/commands/simulate_contacts.h"

namespace rapport {
namespace {

using nlohmann::json;

// A contact may be answered, an order refunded, some days after the shop's last.
constexpr int64_t kDaysBeyondMax = 60;

Result<SimulatedShopOptions> OptionsFrom(const SimulateArguments& arguments) {
  SimulatedShopOptions options;
  options.customers = arguments.customers;
  options.items = arguments.items;
  options.days = arguments.days;
  options.seed = arguments.seed;
  if (arguments.out.empty()) return Status::InvalidArgument("--out is missing: name the folder to write to");
  if (!arguments.start.empty()) {
    const Result<Timestamp> start = ParseRfc3339(arguments.start);
    if (!start.ok()) return Status::InvalidArgument("--start: " + start.status().message());
    options.start = *start;
  }
  const Timestamp end{options.start.ms + (static_cast<int64_t>(options.days) + kDaysBeyondMax) * kDayMs};
  if (options.start < kTimestampMin || end > kTimestampMax) {
    return Status::InvalidArgument("--start: the simulated days must lie within 1900..2199, as import wants it");
  }
  return options;
}

json LineToJson(const NewLine& line) {
  json object{{"product_id", line.item}, {"quantity", line.quantity}};
  if (line.price) object["price"] = FormatDecimal(*line.price);
  return object;
}

// The track call that a shop's backend would have sent.
json TrackCall(const AppendEvent& made) {
  const Event& event = made.event;
  json object{{"type", "track"},
              {"event", event.name},
              {"messageId", event.message_id},
              {"timestamp", FormatRfc3339(event.time)},
              {"channel", event.channel}};
  SetCustomer(made.customer, &object);
  json properties = json::object();
  if (event.type == EventType::kOrdered || event.type == EventType::kRefunded) {
    double total = 0;
    for (const NewLine& line : made.lines) {
      properties["products"].push_back(LineToJson(line));
      total += line.price ? line.price->ToDouble() * static_cast<double>(line.quantity) : 0;
    }
    properties["order_id"] = event.order_id;
    properties["total"] = static_cast<double>(static_cast<int64_t>(total * 100 + 0.5)) / 100;
  } else {
    properties = LineToJson(made.lines.front());
  }
  object["properties"] = std::move(properties);
  return object;
}

// A file of JSON lines. One owner.
class LineFile {
 public:
  Status Open(const std::filesystem::path& path) {
    Result<std::unique_ptr<ByteSink>> sink = OpenByteSink(path.string());
    if (!sink.ok()) return sink.status();
    sink_ = sink.Take();
    return Status::Ok();
  }
  Status Add(const json& object) {
    ++lines_;
    return sink_->Append(object.dump() + "\n");
  }
  Status Commit() { return sink_->Commit(); }
  uint64_t lines() const { return lines_; }

 private:
  std::unique_ptr<ByteSink> sink_;
  uint64_t lines_ = 0;
};

struct Written {
  uint64_t items = 0, profiles = 0, events = 0;
  std::optional<uint64_t> contacts;
};

// What is written: the shop, and the contacts where there are any.
struct Simulated {
  SimulatedShop shop;
  std::optional<ContactWorld> contacts;
};

Status WriteItems(const Simulated& simulated, const std::filesystem::path& folder, Written* written) {
  LineFile file;
  RAPPORT_RETURN_IF_ERROR(file.Open(folder / "items.jsonl"));
  for (const SimulatedItem& item : simulated.shop.items) RAPPORT_RETURN_IF_ERROR(file.Add(ItemToJson(item.item)));
  if (simulated.contacts) {
    for (const SimulatedContent& content : simulated.contacts->contents) {
      RAPPORT_RETURN_IF_ERROR(file.Add(ItemToJson(content.item.item)));
    }
  }
  written->items = file.lines();
  return file.Commit();
}

Status WriteProfiles(const SimulatedShop& shop, const std::filesystem::path& folder, Written* written) {
  LineFile file;
  RAPPORT_RETURN_IF_ERROR(file.Open(folder / "profiles.jsonl"));
  for (const SimulatedCustomer& customer : shop.customers) {
    RAPPORT_RETURN_IF_ERROR(file.Add(ProfileToJson(customer.profile)));
  }
  written->profiles = file.lines();
  return file.Commit();
}

// The customers' contacts as calls, and the truth of each into its file where one is asked for.
Result<std::vector<std::pair<Timestamp, json>>> MakeContacts(const Simulated& simulated, const std::string& truth_path,
                                                             Written* written) {
  std::vector<std::pair<Timestamp, json>> calls;
  if (!simulated.contacts) return calls;
  LineFile truth;
  if (!truth_path.empty()) RAPPORT_RETURN_IF_ERROR(truth.Open(truth_path));
  KnownVisits visits;  // a policy that learns reads them
  if (simulated.contacts->options.policy == ContactPolicy::kModel) visits = ReadVisits(simulated.shop, 0);
  const auto histories = LogContacts(*simulated.contacts, simulated.shop, visits, {}, 0);
  if (!histories.ok()) return histories.status();
  uint64_t contacts = 0;
  for (size_t u = 0; u < simulated.shop.customers.size(); ++u) {
    const ContactHistory& history = (*histories)[u];
    contacts += history.contacts.size();
    auto of_customer = ContactCalls(*simulated.contacts, simulated.shop, u, history);
    std::move(of_customer.begin(), of_customer.end(), std::back_inserter(calls));
    if (truth_path.empty()) continue;
    for (const json& line : ContactTruth(simulated.shop, u, history)) RAPPORT_RETURN_IF_ERROR(truth.Add(line));
  }
  if (!truth_path.empty()) RAPPORT_RETURN_IF_ERROR(truth.Commit());
  std::stable_sort(calls.begin(), calls.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  written->contacts = contacts;
  return calls;
}

// In the order of time over all customers, as they would have arrived; ties by customer, contacts after the rest.
// Memory: all events.
Status WriteEvents(const Simulated& simulated, const std::vector<std::pair<Timestamp, json>>& contacts,
                   const std::filesystem::path& folder, Written* written) {
  const SimulatedShop& shop = simulated.shop;
  std::vector<AppendEvent> events;
  for (size_t u = 0; u < shop.customers.size(); ++u) {
    std::vector<AppendEvent> of_customer = SimulateCustomer(shop, u);
    std::move(of_customer.begin(), of_customer.end(), std::back_inserter(events));
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const AppendEvent& a, const AppendEvent& b) { return a.event.time < b.event.time; });
  LineFile file;
  RAPPORT_RETURN_IF_ERROR(file.Open(folder / "events.jsonl"));
  auto contact = contacts.begin();
  for (const AppendEvent& event : events) {
    for (; contact != contacts.end() && contact->first < event.event.time; ++contact) {
      RAPPORT_RETURN_IF_ERROR(file.Add(contact->second));
    }
    RAPPORT_RETURN_IF_ERROR(file.Add(TrackCall(event)));
  }
  for (; contact != contacts.end(); ++contact) RAPPORT_RETURN_IF_ERROR(file.Add(contact->second));
  written->events = file.lines();
  return file.Commit();
}

Result<Simulated> MakeSimulated(const SimulateArguments& arguments) {
  const Result<SimulatedShopOptions> options = OptionsFrom(arguments);
  if (!options.ok()) return options.status();
  if (arguments.contacts == 0 && !arguments.truth.empty()) {
    return Status::InvalidArgument("--truth is about contacts: give --contacts as well");
  }
  Result<SimulatedShop> shop = MakeSimulatedShop(*options);
  if (!shop.ok()) return shop.status();
  Simulated simulated{shop.Take(), std::nullopt};
  if (arguments.contacts == 0) return simulated;
  const Result<ContactPolicy> policy = ContactPolicyFromName(arguments.contact_policy);
  if (!policy.ok()) return policy.status();
  SimulatedContactOptions contacts;
  contacts.dial = arguments.dial;
  contacts.contacts = {arguments.contacts};
  contacts.policy = *policy;
  Result<ContactWorld> world = MakeContactWorld(contacts, &simulated.shop);
  if (!world.ok()) return world.status();
  simulated.contacts = world.Take();
  return simulated;
}

Result<Written> WriteShop(const SimulateArguments& arguments) {
  const Result<Simulated> simulated = MakeSimulated(arguments);
  if (!simulated.ok()) return simulated.status();
  const std::filesystem::path folder(arguments.out);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return Status::Unavailable("cannot make the folder " + QuoteForMessage(arguments.out) + ": " + error.message());
  }
  Written written;
  RAPPORT_RETURN_IF_ERROR(WriteItems(*simulated, folder, &written));
  RAPPORT_RETURN_IF_ERROR(WriteProfiles(simulated->shop, folder, &written));
  const auto contacts = MakeContacts(*simulated, arguments.truth, &written);
  if (!contacts.ok()) return contacts.status();
  RAPPORT_RETURN_IF_ERROR(WriteEvents(*simulated, *contacts, folder, &written));
  return written;
}

}  // namespace

int RunSimulate(const SimulateArguments& arguments, std::ostream& out, std::ostream& err) {
  const Result<Written> written = WriteShop(arguments);
  if (!written.ok()) {
    err << "rapport simulate: " << written.status().message() << "\n";
    return written.status().code() == StatusCode::kInvalidArgument ? 2 : 1;
  }
  if (arguments.json) {
    json summary{{"items", written->items}, {"profiles", written->profiles}, {"events", written->events}};
    if (written->contacts) summary["contacts"] = *written->contacts;
    out << summary.dump() << "\n";
  } else {
    out << "wrote " << written->items << " items, " << written->profiles << " profiles and " << written->events
        << " events";
    if (written->contacts) out << " (" << *written->contacts << " contacts)";
    out << " to " << arguments.out << "\n";
  }
  return 0;
}

}  // namespace rapport
