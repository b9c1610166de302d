// `rapport backup` and `rapport restore`. A backup is made beside a running server (through a checkpoint that it lends)
// as well as of a store that nobody holds.
#include "server/backup.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "server/checkpoints.h"
#include "server/commands/command.h"
#include "server/commands/store_access.h"

namespace rapport {

namespace {

struct BackupArguments {
  std::string data;
  BackupOptions options;
  bool json = false;
};

Result<BackupReport> MakeBackup(const BackupArguments& arguments, Timestamp now) {
  Result<std::unique_ptr<StoreSession>> session =
      StoreSession::Open(arguments.data, StorePurpose::kRead, ReadingStoreOptions());
  if (!session.ok()) return session.status();
  // Lent by the server, or made here.
  if ((*session)->local() == nullptr) return WriteBackup((*session)->store().folder(), arguments.options, now);
  Checkpoints checkpoints((*session)->store());
  const Result<std::string> checkpoint = checkpoints.Lend();
  if (!checkpoint.ok()) return checkpoint.status();
  return WriteBackup(*checkpoint, arguments.options, now);
}

Status RunBackup(const BackupArguments& arguments, Terminal& terminal) {
  const Result<BackupReport> report = MakeBackup(arguments, terminal.clock.Now());
  if (!report.ok()) return report.status();
  if (arguments.json) {
    const nlohmann::ordered_json json{{"folder", report->folder},
                                      {"files", report->files},
                                      {"bytes", report->bytes},
                                      {"bytesShared", report->bytes_shared},
                                      {"removed", report->removed}};
    std::fprintf(terminal.out, "%s\n", json.dump().c_str());
    return Status::Ok();
  }
  const auto number = [](uint64_t n) { return static_cast<unsigned long long>(n); };
  std::fprintf(terminal.out, "%s\n", report->folder.c_str());
  std::fprintf(terminal.error, "rapport backup: %llu files, %llu bytes, %llu of them shared with the backup before\n",
               number(report->files), number(report->bytes), number(report->bytes_shared));
  for (const std::string& name : report->removed) {
    std::fprintf(terminal.error, "rapport backup: removed %s\n", name.c_str());
  }
  return Status::Ok();
}

Status RunRestore(const std::string& backup, const std::string& data, Terminal& terminal) {
  const Result<VerifiedBackup> restored = RestoreBackup(backup, data);
  if (!restored.ok()) return restored.status();
  std::fprintf(terminal.error, "rapport restore: %zu files, %llu bytes, every checksum right; start 'rapport serve'\n",
               restored->files.size(), static_cast<unsigned long long>(restored->bytes));
  return Status::Ok();
}

}  // namespace

void AddBackupCommands(Commands& commands) {
  auto arguments = std::make_shared<BackupArguments>();
  CLI::App* backup = commands.Add("backup", "Writes a backup into a folder of backups, also while a server runs",
                                  "rapport backup /backup/shop --data shop --keep 7",
                                  [arguments](Terminal& terminal) { return RunBackup(*arguments, terminal); });
  backup->add_option("TARGET", arguments->options.folder, "folder of backups; made when it is not there")->required();
  backup->add_option("--data", arguments->data, "the store's folder")->required();
  backup->add_option("--keep", arguments->options.keep, "newest backups that stay, this one included; 0: all")
      ->check(CLI::Range(0, 100000));
  backup->add_flag("--full", arguments->options.full, "copy what the backup before has, too, instead of linking it");
  backup->add_flag("--json", arguments->json, "for machines");

  struct RestoreArguments {
    std::string backup, data;
  };
  auto names = std::make_shared<RestoreArguments>();
  CLI::App* restore =
      commands.Add("restore", "Checks a backup and copies it into a new folder",
                   "rapport restore /backup/shop/20260401T093000.123Z --data shop",
                   [names](Terminal& terminal) { return RunRestore(names->backup, names->data, terminal); });
  restore->add_option("BACKUP", names->backup, "one backup")->required()->check(CLI::ExistingDirectory);
  restore->add_option("--data", names->data, "the new store's folder; must be empty or not there")->required();
}

}  // namespace rapport
