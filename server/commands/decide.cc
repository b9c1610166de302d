// `rapport decide`: a plan for many customers under shared limits, as CSV: customer, arm, time, channel, propensity,
// reason. Reads the store (a server's checkpoint while one runs) and keeps nothing.
#include "base/file.h"
#include "base/text.h"
#include "data/io/byte_sink.h"
#include "engine/contact/batch.h"
#include "server/commands/command.h"
#include "server/commands/store_access.h"
#include "server/contact_settings_json.h"

namespace rapport {

namespace {

constexpr uint64_t kListBytesMax = uint64_t{1} << 30;
constexpr uint32_t kRowsAtOnce = 65'536;

struct DecideArguments {
  std::string folder, customers = "all", limits_file, out, from;
  std::vector<std::string> items, channels;
  BatchRequest request;
  bool json = false;
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

Result<std::shared_ptr<const ResponseSet>> ResponsesOf(const StoreSession& session) {
  const uint64_t generation = session.store().ActiveGeneration("response");
  if (generation == 0) return ResponseSet::Untrained();
  const Result<ModelRecord> record = session.store().GetModel(generation);
  if (!record.ok()) return record.status();
  Result<ResponseSet> set = ReadResponseSet(session.models_folder() + "/" + record->file);
  if (!set.ok()) return set.status();
  set->generation = generation;
  return std::shared_ptr<const ResponseSet>(std::make_shared<const ResponseSet>(set.Take()));
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

Status RunDecide(DecideArguments arguments, Terminal& terminal) {
  BatchRequest& request = arguments.request;
  request.now = terminal.clock.Now();
  if (!arguments.from.empty()) {
    const Result<Timestamp> from = ParseRfc3339(arguments.from);
    if (!from.ok()) return Status::InvalidArgument("--from: " + from.status().message());
    if (*from < request.now)
      return Status::InvalidArgument("--from lies in the past: leave it out to plan from now on");
    request.from = *from;
  }
  request.items = arguments.items;
  request.channels = arguments.channels;
  const Result<std::unique_ptr<StoreSession>> session =
      StoreSession::Open(arguments.folder, StorePurpose::kRead, ReadingStoreOptions());
  if (!session.ok()) return session.status();
  const Store& store = (*session)->store();
  Result<ContactSettings> settings = LoadContactSettings(store);
  if (!settings.ok()) return settings.status();
  if (!arguments.limits_file.empty()) {
    const Result<std::string> text = ReadFile(arguments.limits_file, kListBytesMax);
    if (!text.ok()) return text.status();
    const Status read = ReadLimits(*text, &*settings);
    if (!read.ok()) return Status(read.code(), arguments.limits_file + ": " + read.message());
    RAPPORT_RETURN_IF_ERROR(Validate(*settings));
  }
  Result<std::vector<CustomerRef>> customers =
      arguments.customers == "all" ? AllUsers(store) : ReadCustomers(arguments.customers);
  if (!customers.ok()) return customers.status();
  request.customers = customers.Take();
  const Result<std::shared_ptr<const ResponseSet>> responses = ResponsesOf(**session);
  if (!responses.ok()) return responses.status();
  const Result<std::unique_ptr<BatchDecision>> batch = DecideBatch(store, *settings, *responses, request);
  if (!batch.ok()) return batch.status();
  RAPPORT_RETURN_IF_ERROR(WritePlan(**batch, arguments.out));
  const BatchPlan& plan = (*batch)->plan;
  std::fprintf(terminal.out,
               "%llu of %u customers are written to, worth %.2f in all; at most %.2f could be reached (gap %.3f %%)\n",
               static_cast<unsigned long long>(plan.plan.sends), (*batch)->customers->size(), plan.plan.value,
               plan.prices.dual_bound, 100 * plan.gap());
  for (const LimitReport& line : plan.report) std::fprintf(terminal.out, "  %s\n", line.ToString().c_str());
  if (!(*batch)->unknown.empty()) {
    std::fprintf(terminal.error,
                 "rapport decide: %zu customers are unknown to the store and were left out, the first is %s\n",
                 (*batch)->unknown.size(), QuoteForMessage((*batch)->unknown.front()).c_str());
  }
  return Status::Ok();
}

}  // namespace

void AddDecideCommand(Commands& commands) {
  auto arguments = std::make_shared<DecideArguments>();
  CLI::App* command = commands.Add("decide", "Plans contacts for many customers under shared limits, as CSV",
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
  command->add_option("--out", arguments->out, "the plan: customer, arm, time, channel, propensity, reason")
      ->required();
  BatchOptions& options = arguments->request.options;
  command->add_option("--seed", options.seed, "of the order and the draws")->capture_default_str();
  command->add_option("--temperature", options.temperature, "of the choice, in money; 0: the best")
      ->capture_default_str();
  command->add_option("--exploration", options.exploration, "share of even chances")->check(CLI::Range(0.0, 1.0));
  command->add_option("--threads", options.threads, "0: all cores; the plan does not depend on it")
      ->check(CLI::Range(0, 1024));
}

}  // namespace rapport
