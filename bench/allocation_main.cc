// A batch of decisions for a million customers, from the store to the written plan (engine/contact/allocator.h):
//   rapport_allocation [--customers 1000000] [--data FOLDER] [--out FOLDER] [--seed 1] [--temperature 0]
//                      [--exploration 0] [--threads 0]
// Fills a store with made-up customers (traits, zones, consent, some contacts and what became of them; a FOLDER filled
// by an earlier run is used again), fits the response model on the first 20,000 of them, and then, on the clock: reads
// every customer from the store and folds in, prices, draws, writes the plan as CSV. 50 contents x 168 hours x 5
// channels, once under 10 limits and once with a capacity per channel and hour (840). Each plan is checked before its
// time is told: every limit is counted again from the CSV. One JSON line per plan:
//   {"limits", "customers", "seconds", "readSeconds", "priceAndDrawSeconds", "writeSeconds", "gap", "limitsExceeded",
//    "sends", "value", "bound", "cpuSeconds"}
// Exit code 1 when a plan is wrong.
#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/parallel.h"
#include "base/random.h"
#include "base/temp_folder.h"
#include "data/io/byte_sink.h"
#include "data/store.h"
#include "engine/contact/allocator.h"

namespace rapport {
namespace {

using nlohmann::ordered_json;

constexpr Timestamp kPlanFrom{1'730'419'200'000};  // 2024-11-01T00:00:00Z
constexpr uint32_t kContents = 50, kKinds = 5, kTrained = 20'000;
constexpr const char* kChannels[] = {"email", "sms", "push", "message", "call"};
constexpr const char* kZones[] = {"Europe/Zurich", "Europe/Zurich", "Europe/Zurich",
                                  "Europe/London", "Asia/Shanghai", "America/New_York"};

struct Arguments {
  uint32_t customers = 1'000'000;
  std::string data, out;
  uint64_t seed = 1;
  double temperature = 0, exploration = 0;
  int threads = 0;
};

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
double CpuNow() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::string ContentName(uint32_t i) { return "offer-" + std::to_string(i); }

// ---- a shop ----

// Stands for the content model's score of (customer, content), -1 to 1: what a decision takes from the ranking.
float AffinityOf(uint64_t customer, uint32_t content) {
  uint64_t state = customer * 1'000 + content;
  return static_cast<float>(SplitMix64(state) >> 40) * 0x1p-23f - 1;
}

// What the made-up customers answer to; only the store's filling knows it.
double TrueLogit(uint32_t customer, uint32_t content, uint32_t channel, size_t hour) {
  Random taste = Random(customer).Fork(7);
  const double level = 0.8 * taste.Normal(), phase = 24 * taste.Uniform();
  const double of_hour = std::cos(6.283185307179586 * (static_cast<double>(hour % 24) - phase) / 24);
  static constexpr double kLevels[] = {-3.4, -3.0, -3.6, -2.9, -1.8};
  return kLevels[channel] + level + 0.8 * of_hour + 0.6 * AffinityOf(customer, content) + 0.3 * std::sin(1.7 * content);
}

void AddContacts(uint32_t customer, Random& random, std::vector<Operation>* operations) {
  const CustomerRef ref{CustomerNamespace::kUser, "c" + std::to_string(customer)};
  const uint64_t contacts = random.Below(5);
  for (uint64_t j = 0; j < contacts; ++j) {
    const auto channel = static_cast<uint32_t>(random.Below(4));
    const auto content = static_cast<uint32_t>(random.Below(kContents));
    AppendEvent sent;
    sent.customer = ref;
    sent.event.type = EventType::kSent;
    sent.event.name = "Contact Sent";
    sent.event.channel = kChannels[channel];
    sent.event.order_id = "d" + std::to_string(customer) + "-" + std::to_string(j);
    sent.event.message_id = sent.event.order_id + "s";
    sent.event.source = "bench";
    sent.event.contact.purpose = "marketing";
    sent.event.time = {kPlanFrom.ms - kHourMs - static_cast<int64_t>(random.Below(120 * 24 * 60)) * kMinuteMs};
    sent.event.received_at = kPlanFrom;
    sent.lines = {{ContentName(content), 1, std::nullopt}};
    operations->push_back(sent);
    const double logit = TrueLogit(customer, content, channel, HourOfWeek(sent.event.time));
    if (random.Uniform() >= 1 / (1 + std::exp(-logit))) continue;
    AppendEvent clicked = sent;
    clicked.event.type = EventType::kLinkClicked;
    clicked.event.name = "Link Clicked";
    clicked.event.message_id = sent.event.order_id + "c";
    clicked.event.time.ms += 20 * kMinuteMs;
    operations->push_back(clicked);
  }
}

void AddCustomer(uint32_t customer, std::vector<Operation>* operations) {
  Random random = Random(20'24).Fork(customer);
  const CustomerRef ref{CustomerNamespace::kUser, "c" + std::to_string(customer)};
  UpdateProfile profile;
  profile.customer = ref;
  profile.time = {kPlanFrom.ms - 200 * kDayMs};
  profile.time_zone = kZones[random.Below(std::size(kZones))];
  profile.traits["email"] = "c" + std::to_string(customer) + "@example.com";
  if (random.Uniform() < 0.7) profile.traits["phone"] = "+4179" + std::to_string(1'000'000 + customer);
  if (random.Uniform() < 0.4) profile.traits["pushToken"] = "t" + std::to_string(customer);
  profile.traits["tier"] = std::string(random.Below(4) == 0 ? "gold" : "blue");
  operations->push_back(profile);
  if (random.Uniform() < 0.9) {
    operations->push_back(RecordConsent{ref, {"*", "marketing", true, profile.time, "form", ""}});
    if (random.Uniform() < 0.1) {
      operations->push_back(
          RecordConsent{ref, {kChannels[random.Below(4)], "marketing", false, kPlanFrom, "form", ""}});
    }
  }
  AddContacts(customer, random, operations);
}

Status FillStore(Store& store, uint32_t customers) {
  std::vector<Operation> operations;
  for (uint32_t i = 0; i < kContents; ++i) {
    PutItem put;
    put.item.external_id = ContentName(i);
    put.item.kind = "offer" + std::to_string(i % kKinds);
    put.item.title = "Offer " + std::to_string(i);
    put.item.updated_at = kPlanFrom;
    operations.push_back(put);
  }
  const double started = Now();
  for (uint32_t u = 0; u <= customers; ++u) {
    if (u < customers) AddCustomer(u, &operations);
    if (operations.size() < 8'000 && u < customers) continue;
    const Result<std::vector<OperationResult>> done = store.ApplyAndWait(std::move(operations));
    if (!done.ok()) return done.status();
    operations.clear();
  }
  std::fprintf(stderr, "filled with %u customers in %.0f s\n", customers, Now() - started);
  return Status::Ok();
}

ContactSettings Settings() {
  ContactSettings settings;
  for (ChannelSettings& channel : settings.channels) channel.messaging_window_hours = 0;
  return settings;
}

// ---- what is known of a customer ----

struct Names {
  std::map<uint64_t, uint32_t> contents;  // by ItemId
  std::map<std::string, uint8_t> channels;
};

// Trials as the response model takes them.
std::vector<ResponseTrial> TrialsOf(uint32_t customer, const ContactLog& log, const LocalTime& local,
                                    const Names& names) {
  std::vector<ResponseTrial> trials;
  float recent = 0;
  int64_t before_ms = 0;
  for (const Contact& contact : log.contacts) {
    const auto content = names.contents.find(contact.item.value);
    const auto channel = names.channels.find(contact.channel);
    if (contact.planned || channel == names.channels.end()) continue;
    recent *= static_cast<float>(std::exp2(-static_cast<double>(contact.time.ms - before_ms) / (7.0 * kDayMs)));
    before_ms = contact.time.ms;
    ResponseTrial trial;
    trial.content = content == names.contents.end() ? kNoContent : content->second;
    trial.hour = static_cast<uint16_t>(local.HourOfWeekAt(contact.time));
    trial.channel = channel->second;
    trial.kind = content == names.contents.end() ? 0 : static_cast<uint8_t>(content->second % kKinds);
    trial.responded = contact.responded();
    trial.unsubscribed = contact.unsubscribed;
    trial.recent_sends = recent;
    if (trial.content != kNoContent) trial.affinity = AffinityOf(customer, trial.content);
    trial.age_days = static_cast<float>(kPlanFrom.ms - contact.time.ms) / static_cast<float>(kDayMs);
    trials.push_back(trial);
    recent += 1;
  }
  return trials;
}

uint32_t NumberOf(const Profile& profile) {
  return static_cast<uint32_t>(std::strtoul(profile.ref.external_id.c_str() + 1, nullptr, 10));
}

float RecentOf(const std::vector<ResponseTrial>& trials) {
  float recent = 0;
  for (const ResponseTrial& trial : trials) recent += std::exp2(-trial.age_days / 7);
  return recent;
}

Result<ContactCustomer> ReadCustomer(const Store& store, const Profile& profile, const Snapshot* snapshot) {
  ContactCustomer customer;
  customer.root = profile.id;
  customer.traits = profile.traits;
  customer.address_changed = profile.told_at;
  customer.ledger = store.Consents(profile.id, snapshot);
  const Result<std::vector<ContactEntry>> entries = store.ReadContacts(profile.id, snapshot);
  if (!entries.ok()) return entries.status();
  customer.log = ReadContactLog(*entries);
  return customer;
}

// Profiles of the store in blocks of at most `block`; each is read through by `visit` on all threads.
Status ForBlocks(const Store& store, const Snapshot* snapshot, size_t most, int threads,
                 const std::function<Status(uint32_t index, const Profile& profile)>& visit) {
  std::vector<Profile> block;
  uint32_t first = 0;
  Status failed;
  std::mutex mutex;
  const auto run = [&] {
    ParallelFor(block.size(), 64, threads, [&](size_t begin, size_t end, size_t) {
      for (size_t j = begin; j < end; ++j) {
        const Status status = visit(first + static_cast<uint32_t>(j), block[j]);
        if (status.ok()) continue;
        std::lock_guard hold(mutex);
        failed = status;
      }
    });
    first += static_cast<uint32_t>(block.size());
    block.clear();
    return failed.ok();
  };
  RAPPORT_RETURN_IF_ERROR(store.ForEachProfile(
      [&](const Profile& profile) {
        block.push_back(profile);
        const bool is_enough = first + block.size() >= most;
        if (block.size() == 16'384 || is_enough) return run() && !is_enough;
        return true;
      },
      snapshot));
  run();
  return failed;
}

Result<ResponseModel> Train(const Store& store, const Names& names, int threads) {
  std::vector<std::vector<ResponseTrial>> trials(kTrained);
  ZoneBook book;
  const Status read = ForBlocks(store, nullptr, kTrained, threads, [&](uint32_t index, const Profile& profile) {
    const Result<LocalTime> local = book.Read(profile.time_zone, {kPlanFrom.ms - 200 * kDayMs}, kPlanFrom);
    const Result<ContactCustomer> customer = ReadCustomer(store, profile, nullptr);
    if (!local.ok() || !customer.ok()) return local.ok() ? customer.status() : local.status();
    trials[index] = TrialsOf(NumberOf(profile), customer->log, *local, names);
    return Status::Ok();
  });
  if (!read.ok()) return read;
  std::vector<CustomerEvidence> evidence(kTrained);
  for (size_t u = 0; u < kTrained; ++u) evidence[u].trials = trials[u];
  ResponseShape shape;
  shape.channels = std::size(kChannels);
  shape.kinds = kKinds;
  for (uint32_t i = 0; i < kContents; ++i) shape.content_kind.push_back(static_cast<uint8_t>(i % kKinds));
  ResponseOptions options;
  options.threads = threads;
  return FitResponse(shape, evidence, options);
}

Status ReadAll(const Store& store, const Names& names, int threads, PlanCustomers* customers) {
  const std::unique_ptr<Snapshot> snapshot = store.GetSnapshot();
  const ResponseModel& model = customers->frame().model;
  ZoneBook book;
  std::mutex mutex;
  std::map<std::string, LocalTime> clocks;
  return ForBlocks(store, snapshot.get(), customers->size(), threads, [&](uint32_t index, const Profile& profile) {
    const LocalTime* local = nullptr;
    {
      std::lock_guard hold(mutex);
      auto found = clocks.find(profile.time_zone);
      if (found == clocks.end()) {
        Result<LocalTime> opened = book.Read(profile.time_zone, {kPlanFrom.ms - 200 * kDayMs}, kPlanFrom);
        if (!opened.ok()) return opened.status();
        found = clocks.emplace(profile.time_zone, opened.Take()).first;
      }
      local = &found->second;
    }
    const Result<uint32_t> zone = customers->Zone(profile.time_zone);
    if (!zone.ok()) return zone.status();
    const Result<ContactCustomer> customer = ReadCustomer(store, profile, snapshot.get());
    if (!customer.ok()) return customer.status();
    const std::vector<ResponseTrial> trials = TrialsOf(NumberOf(profile), customer->log, *local, names);
    CustomerEvidence evidence;
    evidence.trials = trials;
    const CustomerResponse response = model.FoldIn(evidence);
    float affinity[kContents];
    for (uint32_t i = 0; i < kContents; ++i) affinity[i] = AffinityOf(NumberOf(profile), i);
    customers->Set(index, {profile.ref.external_id, *zone, &*customer, &response, RecentOf(trials), false, affinity});
    return Status::Ok();
  });
}

// ---- limits ----

BatchLimit LimitOf(std::string name, double amount, BatchLimit::Unit unit, std::vector<std::string> channels,
                   std::vector<std::string> contents = {}) {
  BatchLimit limit;
  limit.name = std::move(name);
  limit.amount = std::floor(amount);
  limit.unit = unit;
  limit.channels = std::move(channels);
  limit.contents = std::move(contents);
  if (unit == BatchLimit::Unit::kMinutes) limit.minutes = {{"call", 6}};
  return limit;
}

std::vector<BatchLimit> TenLimits(double customers) {
  using Unit = BatchLimit::Unit;
  return {LimitOf("money", 0.02 * customers, Unit::kMoney, {}),
          LimitOf("money for sms", 0.004 * customers, Unit::kMoney, {"sms"}),
          LimitOf("money for messages", 0.003 * customers, Unit::kMoney, {"message"}),
          LimitOf("e-mails", 0.25 * customers, Unit::kSends, {"email"}),
          LimitOf("push sends", 0.15 * customers, Unit::kSends, {"push"}),
          LimitOf("messages and sms", 0.2 * customers, Unit::kSends, {"sms", "message"}),
          LimitOf("agents' minutes", 0.03 * customers, Unit::kMinutes, {"call"}),
          LimitOf("stock of offer-0", 0.01 * customers, Unit::kSends, {}, {ContentName(0)}),
          LimitOf("stock of offer-7", 0.02 * customers, Unit::kSends, {}, {ContentName(7)}),
          LimitOf("stock of offer-21", 0.005 * customers, Unit::kSends, {}, {ContentName(21)})};
}

std::vector<BatchLimit> HourlyLimits(double customers) {
  static constexpr double kShares[] = {0.0018, 0.0007, 0.0008, 0.0009, 0.00006};
  std::vector<BatchLimit> limits;
  for (size_t c = 0; c < std::size(kChannels); ++c) {
    limits.push_back(LimitOf(std::string(kChannels[c]) + " an hour", std::max(1.0, kShares[c] * customers),
                             BatchLimit::Unit::kSends, {kChannels[c]}));
    limits.back().per_hour = true;
  }
  return limits;
}

// ---- the plan, counted again from what was written ----

struct Recount {
  uint64_t rows = 0, sends = 0;
  size_t exceeded = 0;
  bool sound = true;  // each customer once, known names, hours of the plan, propensities in (0, 1]
};

std::vector<std::string> Fields(const std::string& line) {
  std::vector<std::string> fields(1);
  for (char c : line) {
    if (c == ',') {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

Recount CountAgain(const std::string& path, const std::vector<BatchLimit>& limits, const ContactSettings& settings) {
  std::vector<std::vector<double>> used;
  for (const BatchLimit& limit : limits) used.emplace_back(limit.per_hour ? kSlots : 1, 0.0);
  Recount recount;
  std::set<std::string> seen;
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  recount.sound = line + "\n" == kPlanCsvHead;
  while (std::getline(file, line)) {
    const std::vector<std::string> fields = Fields(line);
    ++recount.rows;
    if (fields.size() != 7 || !seen.insert(fields[0]).second) return {recount.rows, 0, 1, false};
    const double propensity = std::strtod(fields[4].c_str(), nullptr);
    recount.sound &= propensity > 0 && propensity <= 1;
    if (fields[1].empty()) continue;
    ++recount.sends;
    const ChannelSettings* channel = settings.FindChannel(fields[3]);
    const Result<Timestamp> at = ParseRfc3339(fields[2]);
    if (channel == nullptr || !at.ok() || *at < kPlanFrom) return {recount.rows, recount.sends, 1, false};
    const auto slot = static_cast<size_t>((at->ms - kPlanFrom.ms) / kHourMs);
    if (slot >= kSlots) return {recount.rows, recount.sends, 1, false};
    const auto names = [](const std::vector<std::string>& all, const std::string& one) {
      return all.empty() || std::find(all.begin(), all.end(), one) != all.end();
    };
    for (size_t k = 0; k < limits.size(); ++k) {
      if (!names(limits[k].channels, fields[3]) || !names(limits[k].contents, fields[1])) continue;
      double of_send = 1;
      if (limits[k].unit == BatchLimit::Unit::kMoney) of_send = channel->cost;
      if (limits[k].unit == BatchLimit::Unit::kMinutes) of_send = limits[k].minutes.at("call");
      used[k][limits[k].per_hour ? slot : 0] += of_send;
    }
  }
  for (size_t k = 0; k < limits.size(); ++k) {
    for (double amount : used[k]) recount.exceeded += amount > limits[k].amount * (1 + 1e-9) ? 1 : 0;
  }
  return recount;
}

Status WritePlan(const PlanCustomers& customers, const Plan& plan, const std::string& path) {
  Result<std::unique_ptr<ByteSink>> sink = OpenByteSink(path);
  if (!sink.ok()) return sink.status();
  RAPPORT_RETURN_IF_ERROR((*sink)->Append(kPlanCsvHead));
  constexpr uint32_t kRows = 65'536;
  std::vector<std::string> parts((customers.size() + kRows - 1) / kRows);
  ParallelFor(customers.size(), kRows, 0, [&](size_t begin, size_t end, size_t block) {
    AppendPlanCsv(customers, plan, static_cast<uint32_t>(begin), static_cast<uint32_t>(end), &parts[block]);
  });
  for (const std::string& part : parts) RAPPORT_RETURN_IF_ERROR((*sink)->Append(part));
  return (*sink)->Commit();
}

// Tells one plan; false when it is wrong.
bool RunPlan(const Arguments& arguments, const PlanCustomers& customers, const std::vector<BatchLimit>& limits,
             double read_seconds, double read_cpu_seconds, const std::string& out) {
  BatchOptions options;
  options.seed = arguments.seed;
  options.temperature = arguments.temperature;
  options.exploration = arguments.exploration;
  options.threads = arguments.threads;
  const double started = Now(), cpu_started = CpuNow();
  const Result<BatchPlan> batch = PlanBatch(customers, limits, options);
  if (!batch.ok()) {
    std::fprintf(stderr, "%s\n", batch.status().ToString().c_str());
    return false;
  }
  const double planned = Now();
  const size_t count = batch->limits.size();
  const std::string path = out + "/plan_" + std::to_string(count) + ".csv";
  const Status written = WritePlan(customers, batch->plan, path);
  const double done = Now(), cpu_done = CpuNow();
  const Recount recount = CountAgain(path, limits, customers.frame().settings);
  const bool is_right = written.ok() && recount.sound && recount.rows == customers.size() &&
                        recount.sends == batch->plan.sends && recount.exceeded == 0 &&
                        batch->plan.value <= batch->prices.dual_bound;
  for (const LimitReport& line : batch->report) std::fprintf(stderr, "  %s\n", line.ToString().c_str());
  std::cout << ordered_json{{"limits", count},
                            {"customers", customers.size()},
                            {"seconds", read_seconds + done - started},
                            {"readSeconds", read_seconds},
                            {"priceAndDrawSeconds", planned - started},
                            {"writeSeconds", done - planned},
                            {"cpuSeconds", read_cpu_seconds + cpu_done - cpu_started},
                            {"gap", batch->gap()},
                            {"limitsExceeded", recount.exceeded},
                            {"sends", batch->plan.sends},
                            {"value", batch->plan.value},
                            {"expectedValue", batch->plan.expected_value},
                            {"bound", batch->prices.dual_bound},
                            {"fullPasses", batch->prices.full_passes},
                            {"right", is_right}}
            << std::endl;
  return is_right;
}

Status Run(const Arguments& arguments, bool* is_right) {
  TempFolder temporary;
  const std::string data = arguments.data.empty() ? temporary.path() + "/store" : arguments.data;
  const std::string out = arguments.out.empty() ? temporary.path() : arguments.out;
  std::filesystem::create_directories(out);
  Result<std::unique_ptr<Store>> store = Store::Open(data, StoreOptions{});
  if (!store.ok()) return store.status();
  if ((*store)->statistics().customers == 0) RAPPORT_RETURN_IF_ERROR(FillStore(**store, arguments.customers));
  if ((*store)->statistics().customers != arguments.customers || arguments.customers < kTrained) {
    return Status::InvalidArgument(
        "the store must have the customers asked for, and at least 20,000: name another --data");
  }
  const ContactSettings settings = Settings();
  Names names;
  std::vector<PlanChannel> channels;
  for (uint8_t c = 0; c < std::size(kChannels); ++c) {
    names.channels[kChannels[c]] = c;
    channels.push_back({static_cast<uint32_t>(settings.FindChannel(kChannels[c]) - settings.channels.data()), c});
  }
  std::vector<PlanContent> contents;
  for (uint32_t i = 0; i < kContents; ++i) {
    const ItemId item = (*store)->catalog()->Find(ContentName(i))->id;
    names.contents[item.value] = i;
    Random margin = Random(5).Fork(i);
    contents.push_back({item, ContentName(i), i, static_cast<uint8_t>(i % kKinds), 5 + margin.Exponential(10), ""});
  }
  const double train_started = Now();
  const Result<ResponseModel> model = Train(**store, names, arguments.threads);
  if (!model.ok()) return model.status();
  std::fprintf(stderr, "model fitted on %u customers in %.0f s\n", kTrained, Now() - train_started);

  const double started = Now(), cpu_started = CpuNow();
  const PlanFrame frame{settings, *model, kPlanFrom, "marketing", channels, contents, true};
  RAPPORT_RETURN_IF_ERROR(frame.Check());
  PlanCustomers customers(frame, arguments.customers);
  RAPPORT_RETURN_IF_ERROR(ReadAll(**store, names, arguments.threads, &customers));
  const double read_seconds = Now() - started, read_cpu_seconds = CpuNow() - cpu_started;
  const auto count = static_cast<double>(arguments.customers);
  *is_right = RunPlan(arguments, customers, TenLimits(count), read_seconds, read_cpu_seconds, out);
  *is_right &= RunPlan(arguments, customers, HourlyLimits(count), read_seconds, read_cpu_seconds, out);
  return Status::Ok();
}

}  // namespace
}  // namespace rapport

int main(int count, char** values) {
  rapport::Arguments arguments;
  CLI::App app("A batch of decisions for many customers, from the store to the written plan");
  app.add_option("--customers", arguments.customers, "how many");
  app.add_option("--data", arguments.data, "the store's folder; filled when it is new; empty: a temporary one");
  app.add_option("--out", arguments.out, "where the plans are written; empty: a temporary folder");
  app.add_option("--seed", arguments.seed, "of the sample, the order and the draws");
  app.add_option("--temperature", arguments.temperature, "of the choice, in money");
  app.add_option("--exploration", arguments.exploration, "share of even chances");
  app.add_option("--threads", arguments.threads, "0: all cores");
  CLI11_PARSE(app, count, values);
  bool is_right = false;
  const rapport::Status status = rapport::Run(arguments, &is_right);
  if (!status.ok()) std::fprintf(stderr, "rapport_allocation: %s\n", status.ToString().c_str());
  return status.ok() && is_right ? 0 : 1;
}
