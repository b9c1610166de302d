#include "server/commands/contact_engine.h"

#include "server/contact_settings_json.h"

namespace rapport {

Result<ContactEngine> OpenContactEngine(Store& store, const std::string& command, Terminal& terminal) {
  Result<std::unique_ptr<Engine>> engine = Engine::Open(store, EngineOptions{});
  if (!engine.ok()) return engine.status();
  if (const std::string& note = (*engine)->startup_note(); !note.empty()) {
    std::fprintf(terminal.error, "rapport %s: %s\n", command.c_str(), note.c_str());
  }
  Result<ContactSettings> settings = LoadContactSettings(store);
  if (!settings.ok()) return settings.status();
  RAPPORT_RETURN_IF_ERROR((*engine)->UseContactSettings(*settings));
  return ContactEngine{engine.Take(), settings.Take()};
}

}  // namespace rapport
