// `rapport models list | show | activate | import | export | drift`: the registry of models.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/crypto.h"
#include "base/file.h"
#include "engine/engine.h"
#include "server/commands/command.h"
#include "server/commands/store_access.h"
#include "server/commands/train_run.h"
#include "server/factors_file.h"
#include "server/models_json.h"
#include "server/train_report_json.h"

namespace rapport {

namespace {

constexpr uint64_t kModelFileBytesMax = uint64_t{4} << 30;

struct ModelsOptions {
  std::string folder, file, config_file;
  uint64_t generation = 0;
  bool json = false, activate = false, force = false, partial = false;
};

Result<std::unique_ptr<StoreSession>> OpenFor(const ModelsOptions& options, StorePurpose purpose) {
  return StoreSession::Open(options.folder, purpose, ReadingStoreOptions());
}

Status List(const ModelsOptions& options, Terminal& terminal) {
  const auto session = OpenFor(options, StorePurpose::kRead);
  if (!session.ok()) return session.status();
  const Store& store = (*session)->store();
  if (options.json) {
    std::fprintf(terminal.out, "%s\n", ModelsToJson(store.Models(), store.ActiveGeneration(), nullptr).c_str());
    return Status::Ok();
  }
  if (store.Models().empty()) std::fputs("no models yet: make one with 'rapport train'\n", terminal.error);
  for (const ModelRecord& model : store.Models()) {
    std::fprintf(terminal.out, "%6llu  %-10s %-10s %-22s %s\n", static_cast<unsigned long long>(model.generation),
                 model.kind.c_str(), ModelStateName(model.state), FormatRfc3339(model.created_at).c_str(),
                 model.file.c_str());
  }
  return Status::Ok();
}

Status Show(const ModelsOptions& options, Terminal& terminal) {
  const auto session = OpenFor(options, StorePurpose::kRead);
  if (!session.ok()) return session.status();
  const Result<ModelRecord> model = (*session)->store().GetModel(options.generation);
  if (!model.ok()) return model.status();
  const auto report = nlohmann::ordered_json::parse(model->report.empty() ? "{}" : model->report, nullptr, false);
  const nlohmann::ordered_json json{
      {"generation", model->generation},
      {"kind", model->kind},
      {"state", ModelStateName(model->state)},
      {"file", model->file},
      {"sha256", ToHex({reinterpret_cast<const char*>(model->sha256.data()), model->sha256.size()})},
      {"createdAt", FormatRfc3339(model->created_at)},
      {"report", report.is_discarded() ? nullptr : report}};
  std::fprintf(terminal.out, "%s\n",
               json.dump(options.json ? -1 : 2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return Status::Ok();
}

Status Activate(const ModelsOptions& options, Terminal& terminal) {
  const auto session = OpenFor(options, StorePurpose::kWrite);
  if (!session.ok()) return session.status();
  if (Store* store = (*session)->local()) {
    Result<std::unique_ptr<Engine>> engine = Engine::Open(*store, EngineOptions{});
    if (!engine.ok()) return engine.status();
    RAPPORT_RETURN_IF_ERROR((*engine)->Activate(options.generation));
  } else {
    const std::string target = "/v1/models/" + std::to_string(options.generation) + "/activate";
    RAPPORT_RETURN_IF_ERROR((*session)->server()->Call(Method::kPost, target).status());
  }
  if (options.json)
    std::fprintf(terminal.out, "{\"inService\":%llu}\n", static_cast<unsigned long long>(options.generation));
  if (options.generation == 0) {
    std::fputs("rapport models activate: no model is in service\n", terminal.error);
  } else {
    std::fprintf(terminal.error, "rapport models activate: generation %llu is in service\n",
                 static_cast<unsigned long long>(options.generation));
  }
  return Status::Ok();
}

Result<uint64_t> Register(StoreSession& session, const std::string& file_name, const std::string& report,
                          Timestamp now) {
  if (Store* store = session.local()) {
    EngineOptions keep_all;
    keep_all.models_kept = 0;
    Result<std::unique_ptr<Engine>> engine = Engine::Open(*store, keep_all);
    if (!engine.ok()) return engine.status();
    return (*engine)->RegisterModel(file_name, report, now);
  }
  const std::string body = nlohmann::json{{"file", file_name}, {"report", report}}.dump();
  const Result<Response> answer =
      session.server()->Call(Method::kPost, "/v1/models/register", "application/json", body);
  if (!answer.ok()) return answer.status();
  const auto json = nlohmann::json::parse(answer->body, nullptr, false);
  if (!json.is_object() || !json.contains("generation") || !json["generation"].is_number_unsigned()) {
    return Status::Internal("the server registered the model without saying its generation");
  }
  return json["generation"].get<uint64_t>();
}

Result<ContentModel> ReadModel(const StoreSession& session, uint64_t generation) {
  const Store& store = session.store();
  if (generation == 0) generation = store.ActiveGeneration();
  if (generation == 0) {
    return Status::FailedPrecondition(
        "no model is in service: see 'rapport models list', and put one in service with "
        "'rapport models activate' or, to export, name it with --generation");
  }
  const Result<ModelRecord> record = store.GetModel(generation);
  if (!record.ok()) return record.status();
  return ReadContentModel(session.models_folder() + "/" + record->file);
}

Status Export(const ModelsOptions& options, Terminal& terminal) {
  const auto session = OpenFor(options, StorePurpose::kRead);
  if (!session.ok()) return session.status();
  const Result<ContentModel> model = ReadModel(**session, options.generation);
  if (!model.ok()) return model.status();
  const FactorTable table = ExportFactors(*model, *(*session)->store().catalog());
  RAPPORT_RETURN_IF_ERROR(WriteFileAtomically(options.file, FormatFactors(table), FileMode::kPublic));
  if (options.json) std::fprintf(terminal.out, "{\"items\":%zu}\n", table.item_ids.size());
  std::fprintf(terminal.error, "rapport models export: %zu items, %d factors each, to %s\n", table.item_ids.size(),
               table.options.factors, options.file.c_str());
  return Status::Ok();
}

Status Drift(const ModelsOptions& options, Terminal& terminal) {
  const Result<Config> config = ReadConfig(options.config_file);
  if (!config.ok()) return config.status();
  const auto session = OpenFor(options, StorePurpose::kRead);
  if (!session.ok()) return session.status();
  const Result<ContentModel> model = ReadModel(**session, 0);
  if (!model.ok()) return model.status();
  const Store& store = (*session)->store();
  const std::unique_ptr<Snapshot> snapshot = store.GetSnapshot();
  const Result<TrainingSet> set = ReadTrainingSet(store, *snapshot, config->engine.weights);
  if (!set.ok()) return set.status();
  const DriftReport report = MeasureDrift(*set, *model, nullptr, {});
  if (options.json) {
    std::fprintf(terminal.out, "%s\n", DriftReportToJson(report).c_str());
  } else {
    std::fputs(FormatDrift(report).c_str(), terminal.out);
  }
  return Status::Ok();
}

// Factors pass the gate, as a training does.
Status ImportFactors(const ModelsOptions& options, std::string_view text, Terminal& terminal) {
  Result<FactorTable> table = ParseFactors(text);
  if (!table.ok()) return Status::InvalidArgument(options.file + ": " + table.status().message());
  const Result<Config> config = ReadConfig(options.config_file);
  if (!config.ok()) return config.status();
  const auto session = OpenFor(options, StorePurpose::kRead);
  if (!session.ok()) return session.status();
  TrainOptions train;
  train.table = std::make_shared<const FactorTable>(table.Take());
  if (options.partial) train.coverage = ForeignFactors::Coverage::kPartial;
  if (options.force) train.gate = GateMode::kReportOnly;
  train.activate = options.activate;
  const Result<TrainReport> report = TrainThrough(**session, *config, train, terminal);
  if (!report.ok()) return report.status();
  return TellTraining(*report, options.json, "models import", terminal);
}

Status Import(const ModelsOptions& options, Terminal& terminal) {
  const Result<std::string> bytes = ReadFile(options.file, kModelFileBytesMax);
  if (!bytes.ok()) return bytes.status();
  if (!bytes->starts_with("RAPPORTM")) return ImportFactors(options, *bytes, terminal);
  const auto session = OpenFor(options, StorePurpose::kWrite);
  if (!session.ok()) return session.status();
  // Named by its contents, so that the same file twice is the same file.
  const Digest256 digest = Sha256(*bytes);
  const std::string name =
      "imported-" + ToHex({reinterpret_cast<const char*>(digest.data()), digest.size()}).substr(0, 16) + ".model";
  const std::string path = (*session)->models_folder() + "/" + name;
  std::error_code error;
  const bool known = std::filesystem::exists(path, error);
  RAPPORT_RETURN_IF_ERROR(WriteFileAtomically(path, *bytes, FileMode::kPublic));
  const Result<uint64_t> generation =
      Register(**session, name, R"({"verdict":"imported, not judged here"})", terminal.clock.Now());
  if (!generation.ok()) {
    if (!known) std::filesystem::remove(path, error);  // refused: it must not lie around as if it were a model
    return generation.status();
  }
  if (options.json) std::fprintf(terminal.out, "{\"generation\":%llu}\n", static_cast<unsigned long long>(*generation));
  std::fprintf(
      terminal.error,
      "rapport models import: registered as generation %llu; put it in service with 'rapport models activate %llu'\n",
      static_cast<unsigned long long>(*generation), static_cast<unsigned long long>(*generation));
  return Status::Ok();
}

}  // namespace

void AddModelsCommands(Commands& commands) {
  Commands group = commands.AddGroup("models", "Lists, shows, activates, imports and exports models");
  using Options = std::shared_ptr<ModelsOptions>;
  const auto add = [&group](const char* name, const char* what, const char* example,
                            Status (*run)(const ModelsOptions&, Terminal&), const char* positional) {
    auto options = std::make_shared<ModelsOptions>();
    CLI::App* command =
        group.Add(name, what, example, [options, run](Terminal& terminal) { return run(*options, terminal); });
    command->add_option("--data", options->folder, "the store's folder")->required();
    command->add_flag("--json", options->json, "for machines");
    if (std::string_view(positional) == "GENERATION") {
      command->add_option(positional, options->generation, "the model's number, see 'rapport models list'")->required();
    } else if (*positional) {
      command->add_option(positional, options->file, "a file")->required();
    }
    return std::pair<CLI::App*, Options>(command, options);
  };
  const auto add_config = [](const std::pair<CLI::App*, Options>& added) {
    added.first->add_option("--config", added.second->config_file, "JSON configuration: the weights of events")
        ->check(CLI::ExistingFile);
  };
  add("list", "Shows every model with its state", "rapport models list --data shop", List, "");
  add("show", "Shows what a model was trained on and how it was judged", "rapport models show 3 --data shop", Show,
      "GENERATION");
  add("activate", "Puts a model in service, also an older one; 0 takes all out",
      "rapport models activate 3 --data shop", Activate, "GENERATION");
  const auto imported = add("import", "Takes factors trained elsewhere through the gate, or registers a model file",
                            "rapport models import factors.jsonl --data shop --activate", Import, "FILE");
  add_config(imported);
  imported.first->add_flag("--activate", imported.second->activate, "put accepted factors in service");
  imported.first->add_flag("--force", imported.second->force, "keep factors also when they are judged worse");
  imported.first->add_flag("--partial", imported.second->partial, "items may be unknown here, or lack a factor");
  const auto exported = add("export", "Writes the item factors as JSON lines",
                            "rapport models export factors.jsonl --data shop", Export, "FILE");
  exported.first->add_option("--generation", exported.second->generation, "instead of the one in service");
  add_config(add("drift", "Shows how the days since training differ from those before",
                 "rapport models drift --data shop", Drift, ""));
}

}  // namespace rapport
