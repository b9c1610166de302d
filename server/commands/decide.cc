// `rapport decide`: decisions for many customers under shared limits, kept in the store, and the plan as CSV: customer,
// itemId, at, channel, propensity, reason, decisionId. While a server holds the store, its route POST
// /v1/decisions/batch does the work. With --dry-run nothing is kept: the plan is made on the store, or on the server's
// checkpoint, and only written.
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "data/io/byte_sink.h"
#include "server/batch_record_json.h"
#include "server/commands/contact_engine.h"
#include "server/commands/store_access.h"
#include "server/contact_settings_json.h"

namespace rapport {

namespace {

constexpr uint64_t kListBytesMax = uint64_t{1} << 30;
constexpr uint32_t kRowsAtOnce = 65'536;
constexpr int kLookMs = 200;  // at a server's batch

struct DecideArguments {
  std::string folder, customers = "all", limits_file, out, from;
  std::vector<std::string> items, channels;
  BatchRequest request;
  std::string name;
  bool dry_run = false;
};

// One user id a line; empty lines are passed over.
Result<std::vector<CustomerRef>> ReadCustomers(const std::string& path) {
  const Result<std::string> text = ReadFile(path, kListBytesMax);
  if (!text.ok()) return text.status();
  std::vector<CustomerRef> customers;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) customers.push_back({CustomerNamespace::kUser, std::move(line)});
  }
  return customers;
}

Status WritePlan(const BatchDecision& batch, const std::string& path) {
  Result<std::unique_ptr<ByteSink>> sink = OpenByteSink(path);
  if (!sink.ok()) return sink.status();
  RAPPORT_RETURN_IF_ERROR((*sink)->Append(kPlanCsvHead));
  for (uint32_t begin = 0; begin < batch.customers->size(); begin += kRowsAtOnce) {
    std::string rows;
    AppendPlanCsv(*batch.customers, batch.plan.plan, begin, std::min(begin + kRowsAtOnce, batch.customers->size()),
                  &rows);
    RAPPORT_RETURN_IF_ERROR((*sink)->Append(rows));
  }
  return (*sink)->Commit();
}

void PrintSummary(uint64_t sends, uint64_t customers, double value, double bound, double gap,
                  const std::vector<LimitReport>& limits, Terminal& terminal) {
  std::fprintf(
      terminal.out,
      "%llu of %llu customers are written to, worth %.2f in all; at most %.2f could be reached (gap %.3f %%)\n",
      static_cast<unsigned long long>(sends), static_cast<unsigned long long>(customers), value, bound, 100 * gap);
  for (const LimitReport& line : limits) std::fprintf(terminal.out, "  %s\n", line.ToString().c_str());
}

void PrintRecord(const BatchRecord& record, Terminal& terminal) {
  std::fprintf(terminal.out, "batch %s: ", record.name.c_str());
  PrintSummary(record.sends, record.decided, record.value, record.bound, record.gap(), record.limits, terminal);
  for (const auto& [reason, count] : record.nothing) {
    std::fprintf(terminal.out, "  nothing: %s %llu\n", reason.c_str(), static_cast<unsigned long long>(count));
  }
  if (record.unknown > 0) {
    std::fprintf(terminal.error, "rapport decide: %llu customers are unknown to the store and were left out\n",
                 static_cast<unsigned long long>(record.unknown));
  }
}

// Limits of a file over those of the store.
Status UseLimitsFile(const std::string& path, const Store& store, ContactSettings* settings) {
  if (path.empty()) return Status::Ok();
  const Result<std::string> text = ReadFile(path, kListBytesMax);
  if (!text.ok()) return text.status();
  const Status read = ReadLimits(*text, settings);
  if (!read.ok()) return Status(read.code(), path + ": " + read.message());
  RAPPORT_RETURN_IF_ERROR(Validate(*settings));
  return CheckStockItems(*settings, *store.catalog());
}

Status PlanOnly(const DecideArguments& arguments, Terminal& terminal) {
  const Result<std::unique_ptr<StoreSession>> session =
      StoreSession::Open(arguments.folder, StorePurpose::kRead, ReadingStoreOptions());
  if (!session.ok()) return session.status();
  Store& store = (*session)->store();
  Result<ContactEngine> contact = OpenContactEngine(store, "decide", terminal);
  if (!contact.ok()) return contact.status();
  RAPPORT_RETURN_IF_ERROR(UseLimitsFile(arguments.limits_file, store, &contact->settings));
  const Result<std::unique_ptr<BatchDecision>> batch = contact->engine->PlanBatch(
      arguments.request, std::make_shared<const ContactSettings>(std::move(contact->settings)));
  if (!batch.ok()) return batch.status();
  RAPPORT_RETURN_IF_ERROR(WritePlan(**batch, arguments.out));
  const BatchPlan& plan = (*batch)->plan;
  PrintSummary(plan.plan.sends, (*batch)->customers->size(), plan.plan.value, plan.prices.dual_bound, plan.gap(),
               plan.report, terminal);
  if (!(*batch)->unknown.empty()) {
    std::fprintf(terminal.error,
                 "rapport decide: %zu customers are unknown to the store and were left out, the first is %s\n",
                 (*batch)->unknown.size(), QuoteForMessage((*batch)->unknown.front()).c_str());
  }
  return Status::Ok();
}

// The kept plan, page by page; `page` gives the lines of one.
Status WritePages(const BatchRecord& record, ByteSink& sink,
                  const std::function<Result<std::string>(uint64_t page)>& page) {
  RAPPORT_RETURN_IF_ERROR(sink.Append(kPlanCsvHead));
  for (uint64_t number = 0; number < record.pages; ++number) {
    const Result<std::string> lines = page(number);
    if (!lines.ok()) return lines.status();
    RAPPORT_RETURN_IF_ERROR(sink.Append(*lines));
  }
  return sink.Commit();
}

Status KeepHere(const DecideArguments& arguments, Store& store, ByteSink& sink, Terminal& terminal) {
  Result<ContactEngine> contact = OpenContactEngine(store, "decide", terminal);
  if (!contact.ok()) return contact.status();
  RAPPORT_RETURN_IF_ERROR(UseLimitsFile(arguments.limits_file, store, &contact->settings));
  BatchKeeping keeping;
  UseJson(&keeping);
  keeping.name = arguments.name;
  keeping.settings = std::make_shared<const ContactSettings>(std::move(contact->settings));
  RAPPORT_RETURN_IF_ERROR(contact->engine->CheckBatch(arguments.request, keeping));
  const Result<BatchRecord> record = contact->engine->DecideBatch(arguments.request, keeping);
  if (!record.ok()) return record.status();
  RAPPORT_RETURN_IF_ERROR(WritePages(*record, sink, [&](uint64_t page) -> Result<std::string> {
    const Result<std::vector<PlanLine>> lines = ReadPlanPage(store, record->name, page);
    if (!lines.ok()) return lines.status();
    return PlanPageToCsv(*lines);
  }));
  PrintRecord(*record, terminal);
  return Status::Ok();
}

Result<std::string> BodyOf(const DecideArguments& arguments) {
  const BatchRequest& request = arguments.request;
  nlohmann::json body{{"name", arguments.name},
                      {"items", request.items},
                      {"channels", request.channels},
                      {"purpose", request.purpose},
                      {"contentModel", request.content_model},
                      {"seed", request.options.seed},
                      {"temperature", request.options.temperature},
                      {"exploration", request.options.exploration},
                      {"customers", "all"}};
  if (!request.everybody) {
    body["customers"] = nlohmann::json::array();
    for (const CustomerRef& ref : request.customers) body["customers"].push_back(ref.external_id);
  }
  if (request.from) body["from"] = FormatRfc3339(*request.from);
  if (!arguments.limits_file.empty()) {
    const Result<std::string> text = ReadFile(arguments.limits_file, kListBytesMax);
    if (!text.ok()) return text.status();
    body["limits"] = nlohmann::json::parse(*text, nullptr, false);
    if (body["limits"].is_discarded()) return Status::InvalidArgument(arguments.limits_file + " is not JSON");
  }
  return body.dump();
}

Status KeepThroughServer(const DecideArguments& arguments, const HttpClient& server, ByteSink& sink,
                         Terminal& terminal) {
  const Result<std::string> body = BodyOf(arguments);
  if (!body.ok()) return body.status();
  const Result<Response> started = server.Call(Method::kPost, "/v1/decisions/batch", "application/json", *body);
  if (!started.ok()) return started.status();
  const std::string path = "/v1/decisions/batch/" + arguments.name;
  BatchRecord record;
  do {
    if (!record.name.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(kLookMs));
    const Result<Response> seen = server.Call(Method::kGet, path);
    if (!seen.ok()) return seen.status();
    Result<BatchRecord> read = ReadBatchRecordJson(seen->body);
    if (!read.ok()) return read.status();
    record = read.Take();
  } while (record.state == BatchState::kRunning);
  if (record.state == BatchState::kFailed) return Status::Unavailable(record.problem);
  RAPPORT_RETURN_IF_ERROR(WritePages(record, sink, [&](uint64_t page) -> Result<std::string> {
    const Result<Response> got = server.Call(Method::kGet, path + "/plan?format=csv&page=" + std::to_string(page));
    if (!got.ok()) return got.status();
    return got->body.substr(std::min(got->body.size(), std::size(kPlanCsvHead) - 1));
  }));
  PrintRecord(record, terminal);
  return Status::Ok();
}

Status RunDecide(DecideArguments arguments, Terminal& terminal) {
  BatchRequest& request = arguments.request;
  request.now = terminal.clock.Now();
  if (!arguments.from.empty()) {
    const Result<Timestamp> from = ParseRfc3339(arguments.from);
    if (!from.ok()) return Status::InvalidArgument("--from: " + from.status().message());
    if (*from < request.now && arguments.name.empty())  // a name may go on with what was begun then
      return Status::InvalidArgument("--from lies in the past: leave it out to plan from now on");
    request.from = *from;
  }
  request.items = arguments.items;
  request.channels = arguments.channels;
  request.everybody = arguments.customers == "all";
  if (!request.everybody) {
    Result<std::vector<CustomerRef>> customers = ReadCustomers(arguments.customers);
    if (!customers.ok()) return customers.status();
    request.customers = customers.Take();
  }
  Terminal told = terminal;
  if (arguments.out == "-") told.out = terminal.error;  // the plan alone
  if (arguments.dry_run) return PlanOnly(arguments, told);
  const bool made_name = arguments.name.empty();
  if (made_name) arguments.name = "b-" + std::to_string(request.now.ms);
  RAPPORT_RETURN_IF_ERROR(CheckBatchName(arguments.name));
  const Result<std::unique_ptr<StoreSession>> session =
      StoreSession::Open(arguments.folder, StorePurpose::kWrite, ReadingStoreOptions());
  if (!session.ok()) return session.status();
  // Where the plan cannot be written nothing is decided: customers would count as written to, and nobody knew.
  const Result<std::unique_ptr<ByteSink>> sink = OpenByteSink(arguments.out);
  if (!sink.ok()) return sink.status();
  HttpClient* server = (*session)->server();
  const Status kept = server != nullptr ? KeepThroughServer(arguments, *server, **sink, told)
                                        : KeepHere(arguments, *(*session)->local(), **sink, told);
  if (!made_name || kept.ok() || kept.code() == StatusCode::kInvalidArgument) return kept;
  return Status(kept.code(), kept.message() + "; the same command with --name " + arguments.name +
                                 " goes on with what is kept, if anything is");
}

}  // namespace

void AddDecideCommand(Commands& commands) {
  auto arguments = std::make_shared<DecideArguments>();
  CLI::App* command = commands.Add(
      "decide", "Decides on contacts for many customers under shared limits, keeps that, writes the plan as CSV",
      "rapport decide --data shop --items tea,pot --limits limits.json --out plan.csv",
      [arguments](Terminal& terminal) { return RunDecide(*arguments, terminal); });
  command->add_option("--data", arguments->folder, "the store's folder")->required();
  command->add_option("--customers", arguments->customers, "all users, or a file with one user id a line")
      ->capture_default_str();
  command->add_option("--items", arguments->items, "contents to choose from")->delimiter(',')->required();
  command->add_option("--channels", arguments->channels, "instead of all that are enabled")->delimiter(',');
  command->add_option("--purpose", arguments->request.purpose, "service needs no consent")->capture_default_str();
  command->add_option("--from", arguments->from, "first hour of the week that is planned, RFC 3339; absent: now");
  command->add_option("--limits", arguments->limits_file, "JSON like GET /v1/limits, instead of the stored limits")
      ->check(CLI::ExistingFile);
  command->add_option("--name", arguments->name, "of the batch: the same name again goes on with one that was cut off");
  command->add_flag("--dry-run", arguments->dry_run, "keeps nothing: no decision, no planned contact; only the plan");
  command
      ->add_option("--out", arguments->out,
                   "the plan: customer, itemId, at, channel, propensity, reason, decisionId; - is standard output")
      ->required();
  command->add_flag("!--no-content-model", arguments->request.content_model,
                    "leave out what the content model thinks of each content for each customer");
  BatchOptions& options = arguments->request.options;
  command->add_option("--seed", options.seed, "of the order and the draws")->check(Seed())->capture_default_str();
  command->add_option("--temperature", options.temperature, "of the choice, in money; 0: the best")
      ->check(NumberWithin(0, 1e9))
      ->capture_default_str();
  command->add_option("--exploration", options.exploration, "share of even chances")->check(NumberWithin(0, 1));
  command->add_option("--threads", options.threads, "0: all cores; the plan does not depend on it")
      ->check(CLI::Range(0, 1024));
}

}  // namespace rapport
