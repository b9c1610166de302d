// `rapport serve`: opens the store and answers until SIGTERM or SIGINT.
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "server/commands/command.h"
#include "server/service.h"

namespace rapport {

namespace {

constexpr time_t kLookSeconds = 2;
constexpr size_t kFilesOfTheStore = 800;

struct ServeOptions {
  std::string folder, listen, config_file, durability = "fsync";
  int threads = -1;
};

// Blocked before any thread is started, so that all inherit it and only AwaitStop ever sees them.
sigset_t BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);  // a reader of our log that went away must not end us
  return signals;
}

// A connection is an open file, and so are the store's: shells give 1,024 where the system allows many more.
void FitConnectionsToFiles(ServerOptions& options, Log& log) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY) return;
  const size_t left = limit.rlim_max > 2 * kFilesOfTheStore ? limit.rlim_max - kFilesOfTheStore : kFilesOfTheStore / 4;
  if (left >= options.connections_max) return;
  log.Warning("connections.limited", {{"connectionsMax", static_cast<uint64_t>(left)},
                                      {"detail", "the system allows no more open files: raise LimitNOFILE"}});
  options.connections_max = left;
}

// SIGTERM or SIGINT ends it; SIGHUP, and every look at the clock, takes up a changed certificate.
int AwaitStop(const sigset_t& signals, Service& service) {
  const timespec look{kLookSeconds, 0};
  for (;;) {
    const int signal = sigtimedwait(&signals, nullptr, &look);
    if (signal == SIGTERM || signal == SIGINT) return signal;
    service.Reload(signal == SIGHUP ? Service::Why::kAsked : Service::Why::kLook);
  }
}

Status RunServe(const ServeOptions& options, Terminal& terminal) {
  Result<Config> config = ReadConfig(options.config_file);
  if (!config.ok()) return config.status();
  if (!options.listen.empty()) RAPPORT_RETURN_IF_ERROR(ParseListen(options.listen, &config->server));
  if (options.threads >= 0) config->server.threads = options.threads;
  if (options.durability == "no-sync-for-tests") config->store.durability = Durability::kNoSync;
  const sigset_t signals = BlockStopSignals();
  Log log(terminal.error, terminal.clock);
  FitConnectionsToFiles(config->server, log);
  Result<std::unique_ptr<Service>> service = Service::Start(options.folder, *config, log, terminal.clock);
  if (!service.ok()) return service.status();
  const int signal = AwaitStop(signals, **service);
  log.Info("server.stopping", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
  const bool clean = (*service)->Stop();
  service->reset();
  log.Info("server.stopped", {{"requests", clean ? "all finished" : "some cut off after the deadline"}});
  return Status::Ok();
}

}  // namespace

void AddServeCommand(Commands& commands) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = commands.Add("serve", "Opens the store and answers HTTP requests until it is told to stop",
                                   "rapport serve --data shop --listen 127.0.0.1:8080",
                                   [options](Terminal& terminal) { return RunServe(*options, terminal); });
  command->add_option("--data", options->folder, "the store's folder; made when it is not there")->required();
  command->add_option("--listen", options->listen,
                      "ADDRESS:PORT, 127.0.0.1:8080 when neither said here nor in the file; port 0: any free one");
  command->add_option("--config", options->config_file, "JSON configuration, see docs/OPERATIONS.md")
      ->check(CLI::ExistingFile);
  command->add_option("--threads", options->threads, "workers, 0: one for each core")->check(CLI::Range(0, 1024));
  command
      ->add_option("--durability", options->durability,
                   "fsync; no-sync-for-tests loses acknowledged events in a power cut")
      ->check(CLI::IsMember({"fsync", "no-sync-for-tests"}));
}

}  // namespace rapport
