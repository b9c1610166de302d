// `rapport simulate`: see simulate.h.
#include "server/commands/simulate.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "data/io/byte_sink.h"
#include "data/io/json_records.h"
#include "engine/learning/simulated_shop.h"

namespace rapport {
namespace {

using nlohmann::json;

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
};

Status WriteItems(const SimulatedShop& shop, const std::filesystem::path& folder, Written* written) {
  LineFile file;
  RAPPORT_RETURN_IF_ERROR(file.Open(folder / "items.jsonl"));
  for (const SimulatedItem& item : shop.items) RAPPORT_RETURN_IF_ERROR(file.Add(ItemToJson(item.item)));
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

// In the order of time over all customers, as they would have arrived; ties by customer. Memory: all events.
Status WriteEvents(const SimulatedShop& shop, const std::filesystem::path& folder, Written* written) {
  std::vector<AppendEvent> events;
  for (size_t u = 0; u < shop.customers.size(); ++u) {
    std::vector<AppendEvent> of_customer = SimulateCustomer(shop, u);
    std::move(of_customer.begin(), of_customer.end(), std::back_inserter(events));
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const AppendEvent& a, const AppendEvent& b) { return a.event.time < b.event.time; });
  LineFile file;
  RAPPORT_RETURN_IF_ERROR(file.Open(folder / "events.jsonl"));
  for (const AppendEvent& event : events) RAPPORT_RETURN_IF_ERROR(file.Add(TrackCall(event)));
  written->events = file.lines();
  return file.Commit();
}

Result<Written> WriteShop(const SimulateArguments& arguments) {
  const Result<SimulatedShopOptions> options = OptionsFrom(arguments);
  if (!options.ok()) return options.status();
  const Result<SimulatedShop> shop = MakeSimulatedShop(*options);
  if (!shop.ok()) return shop.status();
  const std::filesystem::path folder(arguments.out);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return Status::Unavailable("cannot make the folder " + QuoteForMessage(arguments.out) + ": " + error.message());
  }
  Written written;
  RAPPORT_RETURN_IF_ERROR(WriteItems(*shop, folder, &written));
  RAPPORT_RETURN_IF_ERROR(WriteProfiles(*shop, folder, &written));
  RAPPORT_RETURN_IF_ERROR(WriteEvents(*shop, folder, &written));
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
    out << json{{"items", written->items}, {"profiles", written->profiles}, {"events", written->events}}.dump() << "\n";
  } else {
    out << "wrote " << written->items << " items, " << written->profiles << " profiles and " << written->events
        << " events to " << arguments.out << "\n";
  }
  return 0;
}

}  // namespace rapport
