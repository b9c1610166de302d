// `rapport models list | show | activate | import`: the registry of models.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/crypto.h"
#include "base/file.h"
#include "engine/engine.h"
#include "server/commands/command.h"
#include "server/commands/store_access.h"
#include "server/models_json.h"

namespace rapport {

namespace {

constexpr uint64_t kModelFileBytesMax = uint64_t{4} << 30;

struct ModelsOptions {
  std::string folder, file;
  uint64_t generation = 0;
  bool json = false;
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
    Result<std::unique_ptr<Engine>> engine = Engine::Open(*store, EngineOptions{});
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

Status Import(const ModelsOptions& options, Terminal& terminal) {
  const Result<std::string> bytes = ReadFile(options.file, kModelFileBytesMax);
  if (!bytes.ok()) return bytes.status();
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
  Commands group = commands.AddGroup("models", "Lists, shows, activates and imports models");
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
      command->add_option(positional, options->file, "a model file")->required();
    }
  };
  add("list", "Shows every model with its state", "rapport models list --data shop", List, "");
  add("show", "Shows what a model was trained on and how it was judged", "rapport models show 3 --data shop", Show,
      "GENERATION");
  add("activate", "Puts a model in service, also an older one; 0 takes all out",
      "rapport models activate 3 --data shop", Activate, "GENERATION");
  add("import", "Registers a model file that was trained elsewhere", "rapport models import content.model --data shop",
      Import, "FILE");
}

}  // namespace rapport
