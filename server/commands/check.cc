// `rapport check`: reads everything that is kept and says what is wrong. Changes nothing, but with --rebuild. Of a
// backup it first reads the checksums of all its files.
#include <nlohmann/json.hpp>

#include "base/crypto.h"
#include "base/file.h"
#include "engine/contact/response_set.h"
#include "models/content_model.h"
#include "server/backup.h"
#include "server/commands/command.h"
#include "server/commands/store_access.h"

namespace rapport {

namespace {

constexpr size_t kProblemsShownMax = 100;
constexpr uint64_t kModelFileBytesMax = uint64_t{4} << 30;

struct CheckOptions {
  std::string folder;
  bool rebuild = false, json = false;
};

// What was found, bounded.
struct Findings {
  uint64_t customers = 0, items = 0, events = 0, links = 0, decisions = 0, models = 0, problems = 0;
  std::vector<std::string> first_problems;

  void Problem(std::string what) {
    ++problems;
    if (first_problems.size() < kProblemsShownMax) first_problems.push_back(std::move(what));
  }
  void Kept(const Status& status, const char* what) {
    if (!status.ok()) Problem(std::string(what) + ": " + status.message());
  }
};

void CheckCustomers(const Store& store, Findings& found) {
  const StoreStatistics given = store.statistics();
  found.Kept(store.ForEachProfile([&](const Profile& profile) {
    ++found.customers;
    const std::string name = "customer " + std::to_string(profile.id.value);
    if (!profile.id || profile.id.value > given.customers) found.Problem(name + " has an id that was never given out");
    if (store.FindCustomer(profile.ref) != profile.id) found.Problem(name + " is not found by its own name");
    return true;
  }),
             "profiles");
  found.Kept(store.ForEachLink([&](const Link& link) {
    ++found.links;
    if (link.child.value > given.customers || link.parent.value > given.customers || link.child == link.parent) {
      found.Problem("the link of customer " + std::to_string(link.child.value) + " leads nowhere");
    }
    return true;
  }),
             "links");
}

void CheckEvents(const Store& store, Findings& found) {
  const StoreStatistics given = store.statistics();
  EventId last;
  CustomerId customer;
  found.Kept(store.ForEachEvent([&](const Event& event) {
    ++found.events;
    const std::string name = "event " + std::to_string(event.id.value);
    if (event.customer == customer && event.id <= last) found.Problem(name + " is out of order");
    customer = event.customer;
    last = event.id;
    if (!event.id || event.id.value > given.events) found.Problem(name + " has an id that was never given out");
    if (!event.customer || event.customer.value > given.customers) found.Problem(name + " belongs to nobody");
    for (const ItemLine& line : event.lines) {
      if (!line.item || line.item.value > given.items) found.Problem(name + " names an item that is not there");
    }
    return true;
  }),
             "events");
}

void CheckContacts(const Store& store, Findings& found) {
  const StoreStatistics given = store.statistics();
  found.Kept(store.ForEachContact([&](const ContactEntry& entry) {
    if (!entry.event || entry.event.value > given.events) {
      found.Problem("a contact's event " + std::to_string(entry.event.value) + " has an id that was never given out");
    }
    return true;
  }),
             "contacts");
}

void CheckRest(const Store& store, Findings& found) {
  found.Kept(store.ForEachItem([&](const Item& item) {
    ++found.items;
    const Item* in_memory = store.catalog()->Find(item.external_id);
    if (in_memory == nullptr || in_memory->id != item.id) {
      found.Problem("item " + std::to_string(item.id.value) + " is not found by its own name");
    }
    return true;
  }),
             "items");
  found.Kept(store.ForEachDecision([&](const Decision&) { return ++found.decisions > 0; }), "decisions");
  found.Kept(store.VerifyChecksums(), "the tables");
  found.Kept(store.Health(), "the disk");
}

void CheckModels(const Store& store, const std::string& models_folder, Findings& found) {
  for (const ModelRecord& record : store.Models()) {
    if (record.state == ModelState::kRemoved) continue;
    ++found.models;
    const std::string name = "generation " + std::to_string(record.generation);
    const Result<std::string> bytes = ReadFile(models_folder + "/" + record.file, kModelFileBytesMax);
    if (!bytes.ok()) {
      found.Problem(name + ": " + bytes.status().message());
      continue;
    }
    if (Sha256(*bytes) != record.sha256) found.Problem(name + ": its file is not the one that was registered");
    const bool of_responses = record.kind == "response";
    found.Kept(
        of_responses ? ParseResponseSet(*bytes, record.file).status() : ParseContentModel(*bytes, record.file).status(),
        name.c_str());
  }
}

void Tell(const CheckOptions& options, const Findings& found, Terminal& terminal) {
  if (options.json) {
    const nlohmann::ordered_json json{{"customers", found.customers}, {"items", found.items},
                                      {"events", found.events},       {"links", found.links},
                                      {"decisions", found.decisions}, {"models", found.models},
                                      {"problems", found.problems},   {"firstProblems", found.first_problems}};
    std::fprintf(terminal.out, "%s\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return;
  }
  const auto number = [](uint64_t n) { return static_cast<unsigned long long>(n); };
  std::fprintf(terminal.out,
               "%llu customers, %llu items, %llu events, %llu links, %llu decisions, %llu models: %llu problems\n",
               number(found.customers), number(found.items), number(found.events), number(found.links),
               number(found.decisions), number(found.models), number(found.problems));
  for (const std::string& problem : found.first_problems) std::fprintf(terminal.out, "  %s\n", problem.c_str());
}

Status CheckAll(const CheckOptions& options, const Store& store, const std::string& models_folder, Terminal& terminal) {
  Findings found;
  CheckCustomers(store, found);
  CheckEvents(store, found);
  CheckContacts(store, found);
  CheckRest(store, found);
  CheckModels(store, models_folder, found);
  Tell(options, found, terminal);
  if (found.problems == 0) return Status::Ok();
  return Status::DataLoss(std::to_string(found.problems) + " problems in " + options.folder +
                          ": restore a backup, or try --rebuild when they are about names or item sets");
}

// Opened as a reader, so that nothing in it changes.
Status CheckBackup(const CheckOptions& options, Terminal& terminal) {
  if (options.rebuild)
    return Status::InvalidArgument("--rebuild writes, and a backup stays as it is: restore it first");
  const Result<VerifiedBackup> verified = VerifyBackup(options.folder);
  if (!verified.ok()) return verified.status();
  const Result<std::unique_ptr<Store>> store =
      Store::Open(options.folder, ReadingStoreOptions(), StoreAccess::kReadOnly);
  if (!store.ok()) return store.status();
  return CheckAll(options, **store, (*store)->models_folder(), terminal);
}

// A store of an older format that cannot be brought forward: a reader may still say what is wrong with it.
Status CheckUnopened(const CheckOptions& options, const Status& why, Terminal& terminal) {
  if (why.code() != StatusCode::kDataLoss) return why;
  const Result<std::unique_ptr<Store>> store =
      Store::Open(options.folder, ReadingStoreOptions(), StoreAccess::kReadOnly);
  if (!store.ok()) return why;
  std::fprintf(terminal.error, "rapport check: %s\n", why.message().c_str());
  return CheckAll(options, **store, (*store)->models_folder(), terminal);
}

Status RunCheck(const CheckOptions& options, Terminal& terminal) {
  if (IsBackup(options.folder)) return CheckBackup(options, terminal);
  StoreOptions opening = ReadingStoreOptions();
  opening.rebuild_derived = options.rebuild;
  Result<std::unique_ptr<StoreSession>> session = StoreSession::Open(options.folder, StorePurpose::kRead, opening);
  if (!session.ok()) return CheckUnopened(options, session.status(), terminal);
  if (options.rebuild) {
    Store* store = (*session)->local();
    if (store == nullptr) return Status::FailedPrecondition("--rebuild writes: stop the server first");
    RAPPORT_RETURN_IF_ERROR(store->RebuildDerived());
    std::fputs("rapport check: rebuilt what is derived from the events\n", terminal.error);
  }
  return CheckAll(options, (*session)->store(), (*session)->models_folder(), terminal);
}

}  // namespace

void AddCheckCommand(Commands& commands) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App* command =
      commands.Add("check", "Reads everything that is kept and says what is wrong", "rapport check --data shop",
                   [options](Terminal& terminal) { return RunCheck(*options, terminal); });
  command->add_option("--data", options->folder, "the store's folder, or a backup")->required();
  command->add_flag("--rebuild", options->rebuild, "first rewrite what is derived from the events");
  command->add_flag("--json", options->json, "for machines");
}

}  // namespace rapport
