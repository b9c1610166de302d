// `rapport train`: learns a model from the store, judges it, and puts it in service when it may. While a server holds
// the store, learning happens here on a checkpoint and the file is handed to the server.
#include <nlohmann/json.hpp>

#include "engine/engine.h"
#include "server/commands/train_run.h"
#include "server/contact_settings_json.h"
#include "server/train_report_json.h"

namespace rapport {

namespace {

struct TrainArguments {
  std::string folder, config_file, model = "content", solver = "auto", start = "random";
  TrainOptions options;
  bool activate = false, force = false, json = false, no_blend = false;
};

Status TellOutcome(bool accepted, bool activated, uint64_t generation, const std::string& verdict, const char* command,
                   Terminal& terminal) {
  if (!accepted) {
    return Status::FailedPrecondition("the model was refused and the one in service stays: " + verdict +
                                      "; --force insists");
  }
  std::fprintf(terminal.error, "rapport %s: generation %llu is %s\n", command,
               static_cast<unsigned long long>(generation),
               activated ? "in service" : "registered; put it in service with 'rapport models activate'");
  return Status::Ok();
}

// A line that rewrites itself, on terminals only.
TrainProgress ProgressOn(Terminal& terminal) {
  if (!terminal.error_is_terminal) return {};
  return [&terminal](const char* stage, double share_done) {
    std::fprintf(terminal.error, "\r%-10s %3.0f %%", stage, 100 * share_done);
    if (share_done >= 1) std::fputs("\r                \r", terminal.error);
    std::fflush(terminal.error);
    return true;
  };
}

Result<TrainReport> TrainHere(Store& store, const Config& config, const TrainOptions& options, Terminal& terminal) {
  Result<std::unique_ptr<Engine>> engine = Engine::Open(store, config.engine);
  if (!engine.ok()) return engine.status();
  return (*engine)->Train(options, terminal.clock, ProgressOn(terminal), TrainReportToJson);
}

Result<uint64_t> RegisterWithServer(const HttpClient& server, const std::string& file, const std::string& report) {
  const nlohmann::json body{{"file", file}, {"report", report}};
  const Result<Response> registered = server.Call(Method::kPost, "/v1/models/register", "application/json",
                                                  body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  if (!registered.ok()) return registered.status();
  const auto answer = nlohmann::json::parse(registered->body, nullptr, false);
  if (!answer.is_object() || !answer.contains("generation") || !answer["generation"].is_number_unsigned()) {
    return Status::Internal("the server registered the model without saying its generation");
  }
  return answer["generation"].get<uint64_t>();
}

Result<TrainReport> TrainBesideServer(StoreSession& session, const Config& config, const TrainOptions& options,
                                      Terminal& terminal) {
  const Store& store = session.store();
  std::optional<ContentModel> in_service;
  if (const uint64_t generation = store.ActiveGeneration(); generation != 0) {
    const Result<ModelRecord> record = store.GetModel(generation);
    if (!record.ok()) return record.status();
    Result<ContentModel> model = ReadContentModel(session.models_folder() + "/" + record->file);
    // A broken one is no rival, here as in the server, which has left it out too.
    if (model.ok()) in_service = model.Take();
  }
  const std::unique_ptr<Snapshot> snapshot = store.GetSnapshot();
  Result<TrainedModel> trained = RunTraining(store, *snapshot, config.engine.weights, options,
                                             in_service ? &*in_service : nullptr, terminal.clock, ProgressOn(terminal));
  if (!trained.ok()) return trained.status();
  TrainReport report = std::move(trained->report);
  if (!report.accepted) return report;
  report.file = "content-" + std::to_string(terminal.clock.Now().ms) + ".model";
  RAPPORT_RETURN_IF_ERROR(WriteContentModel(trained->model, session.models_folder() + "/" + report.file));
  const Result<uint64_t> generation = RegisterWithServer(*session.server(), report.file, TrainReportToJson(report));
  if (!generation.ok()) return generation.status();
  report.generation = *generation;
  if (options.activate) {
    const Result<Response> activated =
        session.server()->Call(Method::kPost, "/v1/models/" + std::to_string(report.generation) + "/activate");
    if (!activated.ok()) return activated.status();
    report.activated = true;
  }
  return report;
}

Result<ResponseTrainReport> TrainResponsesBesideServer(StoreSession& session, const ContactLimits& limits,
                                                       const ResponseTrainOptions& options, Terminal& terminal) {
  const std::unique_ptr<Snapshot> snapshot = session.store().GetSnapshot();
  Result<TrainedResponse> trained = TrainResponse(session.store(), *snapshot, limits, options, terminal.clock);
  if (!trained.ok()) return trained.status();
  ResponseTrainReport report = std::move(trained->report);
  if (!report.accepted) return report;
  report.file = "response-" + std::to_string(terminal.clock.Now().ms) + ".model";
  RAPPORT_RETURN_IF_ERROR(WriteResponseSet(trained->set, session.models_folder() + "/" + report.file));
  const Result<uint64_t> generation = RegisterWithServer(*session.server(), report.file, ResponseReportToJson(report));
  if (!generation.ok()) return generation.status();
  report.generation = *generation;
  if (!options.activate) return report;
  const Result<Response> activated =
      session.server()->Call(Method::kPost, "/v1/models/" + std::to_string(report.generation) + "/activate");
  if (!activated.ok()) return activated.status();
  report.activated = true;
  return report;
}

Result<ResponseTrainReport> TrainResponsesThrough(StoreSession& session, const Config& config,
                                                  const ResponseTrainOptions& options, Terminal& terminal) {
  const Result<ContactSettings> settings = LoadContactSettings(session.store());
  if (!settings.ok()) return settings.status();
  Store* local = session.local();
  if (local == nullptr) return TrainResponsesBesideServer(session, settings->limits, options, terminal);
  Result<std::unique_ptr<Engine>> engine = Engine::Open(*local, config.engine);
  if (!engine.ok()) return engine.status();
  RAPPORT_RETURN_IF_ERROR((*engine)->UseContactSettings(*settings));
  return (*engine)->TrainResponses(options, terminal.clock, ResponseReportToJson);
}

Status RunTrainResponses(const TrainArguments& arguments, const Config& config, Terminal& terminal) {
  const Result<std::unique_ptr<StoreSession>> session =
      StoreSession::Open(arguments.folder, StorePurpose::kRead, ReadingStoreOptions());
  if (!session.ok()) return session.status();
  ResponseTrainOptions options;
  options.activate = arguments.activate;
  options.response.seed = arguments.options.als.seed;
  options.response.threads = options.response.activity.threads = arguments.options.als.threads;
  if (arguments.force) options.gate = GateMode::kReportOnly;
  const Result<ResponseTrainReport> report = TrainResponsesThrough(**session, config, options, terminal);
  if (!report.ok()) return report.status();
  std::fputs((arguments.json ? ResponseReportToJson(*report) + "\n" : ResponseReportToText(*report)).c_str(),
             terminal.out);
  return TellOutcome(report->accepted, report->activated, report->generation, report->verdict, "train", terminal);
}

Status RunTrain(TrainArguments arguments, Terminal& terminal) {
  const Result<Config> config = ReadConfig(arguments.config_file);
  if (!config.ok()) return config.status();
  if (arguments.model == "response") return RunTrainResponses(arguments, *config, terminal);
  arguments.options.activate = arguments.activate;
  const Result<AlsSolver> solver = ParseAlsSolver(arguments.solver);
  if (!solver.ok()) return solver.status();
  arguments.options.als.solver = *solver;
  const Result<AlsStart> start = ParseAlsStart(arguments.start);
  if (!start.ok()) return start.status();
  arguments.options.als.start = *start;
  if (arguments.no_blend) arguments.options.blend_customers_max = 0;
  if (arguments.force) arguments.options.gate = GateMode::kReportOnly;
  const Result<std::unique_ptr<StoreSession>> session =
      StoreSession::Open(arguments.folder, StorePurpose::kRead, ReadingStoreOptions());
  if (!session.ok()) return session.status();
  const Result<TrainReport> report = TrainThrough(**session, *config, arguments.options, terminal);
  if (!report.ok()) return report.status();
  return TellTraining(*report, arguments.json, "train", terminal);
}

}  // namespace

Result<TrainReport> TrainThrough(StoreSession& session, const Config& config, const TrainOptions& options,
                                 Terminal& terminal) {
  if (Store* local = session.local()) return TrainHere(*local, config, options, terminal);
  return TrainBesideServer(session, config, options, terminal);
}

Status TellTraining(const TrainReport& report, bool json, const char* command, Terminal& terminal) {
  if (json) {
    std::fprintf(terminal.out, "%s\n", TrainReportToJson(report).c_str());
  } else {
    std::fputs(TrainReportToText(report).c_str(), terminal.out);
  }
  return TellOutcome(report.accepted, report.activated, report.generation, report.verdict, command, terminal);
}

void AddTrainCommand(Commands& commands) {
  auto arguments = std::make_shared<TrainArguments>();
  CLI::App* command =
      commands.Add("train", "Learns a model from the store, judges it, and keeps it when it is good enough",
                   "rapport train --data shop --activate",
                   [arguments](Terminal& terminal) { return RunTrain(*arguments, terminal); });
  TrainOptions& options = arguments->options;
  command->add_option("--data", arguments->folder, "the store's folder")->required();
  command->add_option("--config", arguments->config_file, "JSON configuration: the weights of events")
      ->check(CLI::ExistingFile);
  command->add_option("--model", arguments->model, "what to learn")
      ->check(CLI::IsMember({"content", "response"}))
      ->capture_default_str();
  command->add_option("--rank", options.als.factors, "factors of a customer and of an item")
      ->check(CLI::Range(1, 512))
      ->capture_default_str();
  command->add_option("--epochs", options.als.epochs, "times over all customers and items")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--solver", arguments->solver, "how rows are solved for: docs/MODELS.md section 2")
      ->check(CLI::IsMember({"auto", "exact", "conjugate-gradient", "blocks"}))
      ->capture_default_str();
  command->add_option("--start", arguments->start, "what the items' factors start from: docs/MODELS.md section 2")
      ->check(CLI::IsMember({"random", "spectral"}))
      ->capture_default_str();
  command->add_option("--seed", options.als.seed, "same seed, same model")->check(Seed())->capture_default_str();
  command->add_option("--threads", options.als.threads, "0: all cores; the result does not depend on it")
      ->check(CLI::Range(0, 1024));
  command->add_option("--holdout-days", options.holdout_days, "judged on the last days of the log")
      ->check(NumberWithin(0.01, 3650))
      ->capture_default_str();
  command->add_flag("--no-blend", arguments->no_blend,
                    "rank by the factors alone: pages cost a fraction, and find less (docs/MODELS.md section 6)");
  command->add_flag("--activate", arguments->activate, "put it in service when it is accepted");
  command->add_flag("--force", arguments->force, "keep it also when it is judged worse");
  command->add_flag("--json", arguments->json, "the report for machines");
}

}  // namespace rapport
