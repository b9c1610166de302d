// What every subcommand is: options parsed by CLI11 into a struct of its own, and a function that runs. One file per
// command, each with one `void AddNameCommand(Commands&)`; the list of them is in server/commands/commands.cc.
//
//   void AddCheckCommand(Commands& commands) {
//     auto options = std::make_shared<CheckOptions>();
//     CLI::App* command = commands.Add("check", "Reads everything and says what is wrong", "rapport check --data shop",
//                                      [options](Terminal& terminal) { return RunCheck(*options, terminal); });
//     command->add_option("--data", options->folder, "the store's folder")->required();
//   }
#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace rapport {

// Where a command reads and writes. Results go to `out`, everything that is said to `error`.
struct Terminal {
  std::FILE* out;
  std::FILE* error;
  const Clock& clock;
  bool error_is_terminal = false;  // progress lines only then
};

// How a command ended. A Status is reported by the caller as "rapport NAME: message" on `error` and becomes the exit
// code: ok 0, kInvalidArgument 2 (wrong use), anything else 1. An int is an exit code whose story was told already.
struct CommandResult {
  CommandResult(Status s) : status(std::move(s)) {}  // NOLINT: implicit by design
  CommandResult(int c) : code(c) {}                  // NOLINT: implicit by design
  Status status;
  std::optional<int> code;
};
using Run = std::function<CommandResult(Terminal&)>;

// Collects the subcommands. One owner, one thread.
class Commands {
 public:
  explicit Commands(CLI::App& app) : parent_(&app) {}
  // `example` is one line, shown by --help. The App belongs to CLI11.
  CLI::App* Add(const std::string& name, const std::string& what, const std::string& example, Run run);
  // A command with subcommands of its own ("models list"): has no run itself.
  Commands AddGroup(const std::string& name, const std::string& what);
  const Run* Chosen() const;       // of the subcommand that was parsed; null: none
  std::string ChosenName() const;  // "models list"

 private:
  struct Entry {
    CLI::App* app;
    Run run;
    std::string name;
  };
  Commands(CLI::App* parent, std::string prefix, std::shared_ptr<std::vector<Entry>> entries)
      : parent_(parent), prefix_(std::move(prefix)), entries_(std::move(entries)) {}
  CLI::App* parent_;
  std::string prefix_;
  std::shared_ptr<std::vector<Entry>> entries_ = std::make_shared<std::vector<Entry>>();
};

void AddServeCommand(Commands& commands);
void AddTrainCommand(Commands& commands);
void AddModelsCommands(Commands& commands);
void AddKeysCommands(Commands& commands);
void AddCheckCommand(Commands& commands);
void AddPruneCommand(Commands& commands);
void AddBackupCommands(Commands& commands);  // backup, restore
void AddImportCommand(Commands& commands);
void AddExportCommand(Commands& commands);
void AddSimulateCommand(Commands& commands);
void AddEvaluateCommand(Commands& commands);
void AddDecideCommand(Commands& commands);
void AddAssignCommand(Commands& commands);

// Holds a number to low..high, both included. CLI::Range lets "nan" pass, which is neither below nor above anything.
CLI::Validator NumberWithin(double low, double high);
// Digits only: CLI11 reads "-1" into an unsigned number as its largest.
CLI::Validator Seed();

// The whole command line; returns the exit code (0 done, 1 failed, 2 wrong use).
int RunCommandLine(int argc, const char* const* argv, Terminal& terminal);

}  // namespace rapport
