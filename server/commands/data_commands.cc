// The options of `rapport import`, `export`, `simulate` and `evaluate`; what they do is in the files of those names.
#include <iostream>

#include "data/bulk_writer.h"
#include "server/commands/command.h"
#include "server/commands/evaluate.h"
#include "server/commands/evaluate_policy.h"
#include "server/commands/export.h"
#include "server/commands/import.h"
#include "server/commands/simulate.h"
#include "server/commands/store_access.h"
#include "server/config.h"
#include "server/contact_settings_json.h"

namespace rapport {

namespace {

// A log in order of time names other customers all the time: each that is forgotten costs look-ups. 300 bytes each.
constexpr size_t kKnownCustomersMax = 1'000'000;

// --csv and --jsonl exclude each other; neither: by the file's name.
struct FormatFlags {
  bool csv = false, json_lines = false;
  FileFormat format() const {
    if (csv) return FileFormat::kCsv;
    return json_lines ? FileFormat::kJsonLines : FileFormat::kByName;
  }
};

void AddFormatOptions(CLI::App* command, FormatFlags& flags, std::string& mapping) {
  CLI::Option* csv = command->add_flag("--csv", flags.csv, "CSV, whatever the file's name says; needs --map");
  command->add_flag("--jsonl", flags.json_lines, "JSON lines, whatever the file's name says")->excludes(csv);
  command->add_option("--map", mapping, "how columns become events: a JSON file, see mappings/")
      ->check(CLI::ExistingFile);
}

// "-" or a file that is there.
std::string CheckInput(const std::string& name) { return name == "-" ? std::string() : CLI::ExistingFile(name); }

// The channels of the store, or of the server that holds it.
Result<ContactSettings> SettingsOf(StoreSession& session) {
  if (Store* store = session.local()) return LoadContactSettings(*store);
  const Result<Response> told = session.server()->Call(Method::kGet, "/v1/channels");
  if (!told.ok()) return told.status();
  ContactSettings settings;
  RAPPORT_RETURN_IF_ERROR(ReadChannels(told->body, &settings));
  return settings;
}

}  // namespace

void AddImportCommand(Commands& commands) {
  struct Options {
    std::string folder;
    FormatFlags flags;
    ImportArguments arguments;
  };
  auto options = std::make_shared<Options>();
  const auto run = [options](Terminal& terminal) -> CommandResult {
    StoreOptions opening;
    opening.known_customers_max = kKnownCustomersMax;
    Result<std::unique_ptr<StoreSession>> session = StoreSession::Open(options->folder, StorePurpose::kWrite, opening);
    if (!session.ok()) return session.status();
    options->arguments.format = options->flags.format();
    options->arguments.show_progress = terminal.error_is_terminal;
    const Result<ContactSettings> settings = SettingsOf(**session);
    if (!settings.ok()) return settings.status();
    if (Store* store = (*session)->local()) {
      BulkWriter bulk(*store);
      return RunImport(options->arguments, *settings, bulk, terminal.clock, std::cout, std::cerr);
    }
    return RunImport(options->arguments, *settings, (*session)->sink(), terminal.clock, std::cout, std::cerr);
  };
  CLI::App* command =
      commands.Add("import", "Reads files into the store; a row that is wrong is kept in a rejects file",
                   "rapport import events --data shop orders.jsonl.zst", run);
  ImportArguments& arguments = options->arguments;
  command->add_option("KIND", arguments.kind, "events, items or profiles")
      ->required()
      ->check(CLI::IsMember({"events", "items", "profiles"}));
  command->add_option("FILE", arguments.files, "files, also .xz .gz .zst .bz2; - is standard input")
      ->required()
      ->check(CLI::Validator(CheckInput, "FILE or -"));
  command->add_option("--data", options->folder, "the store's folder; made when it is not there")->required();
  AddFormatOptions(command, options->flags, arguments.mapping);
  command->add_option("--rejects", arguments.rejects, "where rejected rows go");
  command->add_option("--source", arguments.source, "name space of message ids of lines that do not say theirs")
      ->capture_default_str();
  command->add_flag("--json", arguments.json, "the summary for machines");
}

void AddExportCommand(Commands& commands) {
  struct Options {
    std::string folder;
    FormatFlags flags;
    ExportArguments arguments;
  };
  auto options = std::make_shared<Options>();
  const auto run = [options](Terminal& terminal) -> CommandResult {
    ExportArguments& arguments = options->arguments;
    if (arguments.kind == "customer" && arguments.customer.empty()) {
      return Status::InvalidArgument("name the customer: rapport export customer ID --data ...");
    }
    Result<std::unique_ptr<StoreSession>> session =
        StoreSession::Open(options->folder, StorePurpose::kRead, ReadingStoreOptions());
    if (!session.ok()) return session.status();
    arguments.format = options->flags.format();
    arguments.show_progress = terminal.error_is_terminal;
    return RunExport(arguments, (*session)->store(), terminal.clock, std::cout, std::cerr);
  };
  CLI::App* command = commands.Add("export", "Writes what is kept as files that import reads",
                                   "rapport export events --data shop --out events.jsonl.zst", run);
  ExportArguments& arguments = options->arguments;
  command->add_option("KIND", arguments.kind, "events, items, profiles, decisions or customer")
      ->required()
      ->check(CLI::IsMember({"events", "items", "profiles", "decisions", "customer"}));
  command->add_option("ID", arguments.customer, "of a customer");
  command->add_flag("--anonymous", arguments.anonymous, "the customer's id is an anonymous one");
  command->add_option("--data", options->folder, "the store's folder")->required();
  command
      ->add_option("--out", arguments.out, "the file, packed by its ending (.xz .gz .zst .bz2); - is standard output")
      ->required();
  AddFormatOptions(command, options->flags, arguments.mapping);
  command->add_flag("--json", arguments.json, "the summary for machines");
}

void AddSimulateCommand(Commands& commands) {
  auto arguments = std::make_shared<SimulateArguments>();
  CLI::App* command =
      commands.Add("simulate", "Writes a simulated shop as files that import reads; same seed, same bytes",
                   "rapport simulate --customers 2000 --items 1000 --days 120 --seed 1 --out shop",
                   [arguments](Terminal&) -> CommandResult { return RunSimulate(*arguments, std::cout, std::cerr); });
  command->add_option("--customers", arguments->customers, "how many")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  command->add_option("--items", arguments->items, "how many")->check(CLI::Range(1, 10'000'000))->capture_default_str();
  command->add_option("--days", arguments->days, "how long")->check(CLI::Range(1, 3650))->capture_default_str();
  command->add_option("--seed", arguments->seed, "another seed, another shop")->check(Seed())->capture_default_str();
  command->add_option("--start", arguments->start, "first day, RFC 3339 or a date");
  command->add_option("--contacts", arguments->contacts, "sent to each customer, with answers; 0: none")
      ->check(CLI::Range(0, 365'000))
      ->capture_default_str();
  command->add_option("--dial", arguments->dial, "how strongly content, hour and channel interact, 0 to 1")
      ->check(NumberWithin(0, 1))
      ->capture_default_str();
  command
      ->add_option("--contact-policy", arguments->contact_policy,
                   "how the shop chose what it sent: uniform, habit, model (by what it has learned, in rounds)")
      ->check(CLI::IsMember({"uniform", "habit", "model"}))
      ->capture_default_str();
  command->add_option("--truth", arguments->truth, "a file for the contacts' true probabilities; never import it");
  command->add_option("--out", arguments->out, "a folder, made when it is not there")->required();
  command->add_flag("--json", arguments->json, "the summary for machines");
}

namespace {

constexpr double kDaysMin = 0.01, kDaysMax = 36500;

void AddPolicyOptions(CLI::App& command, EvaluatePolicyArguments& policy) {
  command.add_option("--policy", policy.policy,
                     "what another policy would have earned on the kept decisions between --split and --until: logged, "
                     "uniform, greedy, softmax, nothing, channel:NAME");
  command.add_option("--temperature", policy.temperature, "of --policy softmax, in money")
      ->check(NumberWithin(1e-9, 1e9));
  command.add_option("--exploration", policy.exploration, "of --policy softmax")->check(NumberWithin(0, 1));
  command.add_option("--lifetime-value", policy.lifetime_value, "lost with a customer who leaves, for --policy")
      ->check(NumberWithin(0, 1e12));
}

// A setting that is not given keeps its default.
void AddRivalOptions(CLI::App& command, EvaluateArguments& a) {
  const auto days = NumberWithin(kDaysMin, kDaysMax), weight = NumberWithin(1e-9, 1e9);
  command.add_option("--factors", a.factors, "of iALS")->check(CLI::Range(1, 1024));
  command.add_option("--epochs", a.epochs, "of iALS")->check(CLI::Range(1, 1000));
  command.add_option("--solver", a.solver, "of iALS")
      ->check(CLI::IsMember({"auto", "exact", "conjugate-gradient", "blocks"}))
      ->capture_default_str();
  command.add_option("--start", a.start, "of iALS")
      ->check(CLI::IsMember({"random", "spectral"}))
      ->capture_default_str();
  command.add_option("--unobserved-weight", a.unobserved_weight, "of iALS")->check(weight);
  command.add_option("--regularization", a.regularization, "of iALS")->check(weight);
  command.add_option("--half-life-days", a.half_life_days, "of the history, for iALS")->check(days);
  command.add_option("--neighbour-half-life-days", a.neighbour_half_life_days, "of the history, for item kNN")
      ->check(days);
  command.add_option("--recent-half-life-days", a.recent_half_life_days, "of recent popularity")->check(days);
  command.add_option("--mix-share", a.mix_share, "of iALS in the mixes")->check(NumberWithin(0, 1));
}

// What is learned before it, what is judged in it.
void AddWindowOptions(CLI::App& command, EvaluateArguments& a) {
  command.add_option("--split", a.split, "first instant that is judged, RFC 3339 or a date");
  command.add_option("--until", a.until, "first instant that is not");
  command.add_option("--holdout-days", a.holdout_days, "where --split is not given")
      ->check(NumberWithin(kDaysMin, kDaysMax))
      ->capture_default_str();
  command.add_option("--parts", a.parts, "of the window, each judged by models fitted on all before it")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command.add_option("--tune", a.tuning_runs, "settings drawn for each rival on the days before the split; 0: none")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command.add_option("--tune-days", a.tuning_days, "how many days those are")
      ->check(NumberWithin(kDaysMin, kDaysMax))
      ->capture_default_str();
}

// Whose events are read, and who is judged.
void AddSubjectOptions(CLI::App& command, EvaluateArguments& a) {
  command.add_flag("--known-only", a.known_only, "leave anonymous customers out");
  command.add_option("--mask-share", a.mask_share, "share of items or customers without their past, for a cold task")
      ->check(NumberWithin(0.001, 0.999));
  command.add_option("--given-lines", a.given_lines, "lines of a session that are given")->check(CLI::Range(1, 1000));
  command.add_flag("--orders-only", a.orders_only, "learn from orders and refunds only");
  command.add_flag("--ignore-refunds", a.ignore_refunds, "refunds subtract nothing");
  command.add_option("--customers", a.customers_max, "judge that many, drawn by seed; 0: all")
      ->check(CLI::Range(0, 1'000'000'000));
}

}  // namespace

namespace {

// Nothing that is said may be ignored: an option of another task, or of a policy where none is judged, is wrong use.
Status CheckOptionsFit(const CLI::App& command, const std::string& policy, const std::string& task) {
  const bool cold = task.starts_with("cold") || task == "sessions";
  const bool ranks = policy.empty() && task != "timing";
  for (const char* option :
       {"--factors", "--epochs", "--solver", "--start", "--unobserved-weight", "--regularization"}) {
    if (ranks || command.count(option) == 0) continue;
    return Status::InvalidArgument(std::string(option) + " is of iALS, which is not judged here: leave it out");
  }
  const struct {
    const char* option;
    bool fits;
    const char* of;
  } kFits[] = {{"--task", policy.empty(), "about recommendations, and --policy judges contacts"},
               {"--protocol", policy.empty(), "about recommendations, and --policy judges contacts"},
               {"--temperature", policy == "softmax", "for --policy softmax"},
               {"--exploration", policy == "softmax", "for --policy softmax"},
               {"--lifetime-value", !policy.empty(), "for --policy"},
               {"--mask-share", cold, "for the tasks cold-items, cold-customers and cold"},
               {"--given-lines", cold, "for the tasks sessions and cold"},
               {"--zone", task == "timing", "for --task timing"}};
  for (const auto& one : kFits) {
    if (one.fits || command.count(one.option) == 0) continue;
    return Status::InvalidArgument(std::string(one.option) + " is " + one.of + ": leave it out");
  }
  return Status::Ok();
}

}  // namespace

void AddEvaluateCommand(Commands& commands) {
  struct Options {
    const CLI::App* command = nullptr;
    std::string folder, config_file;
    EvaluateArguments arguments;
    EvaluatePolicyArguments policy;
  };
  auto options = std::make_shared<Options>();
  const auto run = [options](Terminal&) -> CommandResult {
    const Status fit = CheckOptionsFit(*options->command, options->policy.policy, options->arguments.task);
    if (!fit.ok()) return fit;
    const Result<Config> config = ReadConfig(options->config_file);
    if (!config.ok()) return config.status();
    options->arguments.weights = config->engine.weights;
    Result<std::unique_ptr<StoreSession>> session =
        StoreSession::Open(options->folder, StorePurpose::kRead, ReadingStoreOptions());
    if (!session.ok()) return session.status();
    if (!options->policy.policy.empty()) {
      EvaluatePolicyArguments& policy = options->policy;
      policy.from = options->arguments.split;
      policy.until = options->arguments.until;
      policy.seed = options->arguments.seed;
      policy.json = options->arguments.json;
      return RunEvaluatePolicy(policy, (*session)->store(), std::cout);
    }
    return RunEvaluate(options->arguments, (*session)->store(), std::cout, std::cerr);
  };
  CLI::App* command =
      commands.Add("evaluate", "Judges recommendations on the store's own last days, beside simple rivals",
                   "rapport evaluate --data shop --protocol time-split", run);
  options->command = command;
  AddPolicyOptions(*command, options->policy);
  EvaluateArguments& a = options->arguments;
  command->add_option("--data", options->folder, "the store's folder")->required();
  command->add_option("--config", options->config_file, "JSON configuration: the weights of events")
      ->check(CLI::ExistingFile);
  command->add_option("--protocol", a.protocol, "time-split or online-retail-ii")
      ->check(CLI::IsMember({"time-split", "online-retail-ii"}))
      ->capture_default_str();
  command
      ->add_option(
          "--task", a.task,
          "ranking; explanations: are the stated reasons true (--customers: cases); cold-items, cold-customers, "
          "sessions: whom training never saw; cold: all three of them; strong-generalisation: customers held out; "
          "timing: when customers are here")
      ->check(CLI::IsMember({"ranking", "explanations", "strong-generalisation", "cold-items", "cold-customers",
                             "sessions", "cold", "timing"}))
      ->capture_default_str();
  AddWindowOptions(*command, a);
  AddRivalOptions(*command, a);
  AddSubjectOptions(*command, a);
  command->add_option("--zone", a.zone, "the shop's time zone, for timing, like Europe/London");
  command->add_option("--seed", a.seed, "of the draw and of the intervals")->check(Seed())->capture_default_str();
  command->add_option("--threads", a.threads, "0: all cores")->check(CLI::Range(0, 1024));
  command->add_flag("--json", a.json, "for machines");
  command->add_option("--out", a.out_file, "the JSON also to this file");
}

}  // namespace rapport
