// The list of commands, and the way from argv to an exit code.
#include <cstdlib>

#include "base/text.h"
#include "server/commands/command.h"

namespace rapport {

CLI::App* Commands::Add(const std::string& name, const std::string& what, const std::string& example, Run run) {
  CLI::App* app = parent_->add_subcommand(name, what);
  app->footer("Example:\n  " + example);
  entries_->push_back({app, std::move(run), prefix_ + name});
  return app;
}

Commands Commands::AddGroup(const std::string& name, const std::string& what) {
  CLI::App* app = parent_->add_subcommand(name, what);
  app->require_subcommand(1);
  return Commands(app, prefix_ + name + " ", entries_);
}

const Run* Commands::Chosen() const {
  for (const Entry& entry : *entries_) {
    if (entry.app->parsed()) return &entry.run;
  }
  return nullptr;
}

std::string Commands::ChosenName() const {
  for (const Entry& entry : *entries_) {
    if (entry.app->parsed()) return entry.name;
  }
  return "";
}

namespace {

constexpr int kDone = 0, kFailed = 1, kWrongUse = 2;

void AddAll(Commands& commands) {
  AddServeCommand(commands);
  AddImportCommand(commands);
  AddExportCommand(commands);
  AddTrainCommand(commands);
  AddEvaluateCommand(commands);
  AddDecideCommand(commands);
  AddAssignCommand(commands);
  AddModelsCommands(commands);
  AddKeysCommands(commands);
  AddSimulateCommand(commands);
  AddCheckCommand(commands);
  AddBackupCommands(commands);
  AddPruneCommand(commands);
}

int ExitCode(const CommandResult& result, const std::string& name, Terminal& terminal) {
  if (result.code) return *result.code;
  if (result.status.ok()) return kDone;
  std::fprintf(terminal.error, "rapport %s: %s\n", name.c_str(), result.status.message().c_str());
  return result.status.code() == StatusCode::kInvalidArgument ? kWrongUse : kFailed;
}

// What CLI11 tells of `rapport dance` is that a subcommand is required: name the word that is none. Empty: no such
// word.
std::string NoCommand(const CLI::App& app, int argc, const char* const* argv) {
  const CLI::App* at = &app;
  std::string name = "rapport";
  for (int i = 1; i < argc && argv[i][0] != '-' && at->get_require_subcommand_min() > 0; ++i) {
    const auto found = at->get_subcommands([&](const CLI::App* one) { return one->get_name() == argv[i]; });
    if (found.empty()) return QuoteForMessage(argv[i]) + " is no command of " + name;
    at = found.front();
    name += std::string(" ") + argv[i];
  }
  return "";
}

std::string ShortNumber(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

}  // namespace

CLI::Validator NumberWithin(double low, double high) {
  const std::string bounds = ShortNumber(low) + " to " + ShortNumber(high);
  return CLI::Validator(
      [low, high, bounds](std::string& given) -> std::string {
        const std::optional<double> value = ParseDouble(given);
        if (value && *value >= low && *value <= high) return "";
        return QuoteForMessage(given) + " is no number from " + bounds;
      },
      "FLOAT in [" + ShortNumber(low) + " - " + ShortNumber(high) + "]", "number");
}

CLI::Validator Seed() {
  return CLI::Validator(
      [](std::string& given) -> std::string {
        if (!given.empty() && given.find_first_not_of("0123456789") == std::string::npos) return "";
        return QuoteForMessage(given) + " is no whole number from 0 on";
      },
      "", "seed");
}

int RunCommandLine(int argc, const char* const* argv, Terminal& terminal) {
  CLI::App app("Rapport: what to show to each customer, when and by which way", "rapport");
  app.set_version_flag("--version", RAPPORT_VERSION);
  app.require_subcommand(1);
  app.footer("'rapport COMMAND --help' shows a command's options with an example.");
  Commands commands(app);
  AddAll(commands);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    std::ostringstream text, unused;
    app.exit(asked, text, unused);
    std::fputs(text.str().c_str(), terminal.out);
    return kDone;
  } catch (const CLI::Error& wrong) {
    const std::string no_command = NoCommand(app, argc, argv);
    std::fprintf(terminal.error,
                 "rapport: %s\n'rapport --help' lists the commands, 'rapport COMMAND --help' its options.\n",
                 no_command.empty() ? wrong.what() : no_command.c_str());
    return kWrongUse;
  }
  const std::string name = commands.ChosenName();
  try {
    return ExitCode((*commands.Chosen())(terminal), name, terminal);
  } catch (const std::exception& exception) {  // the last seam: no memory, or an error of ours
    return ExitCode(Status::Internal(std::string("unexpected: ") + exception.what()), name, terminal);
  }
}

}  // namespace rapport
