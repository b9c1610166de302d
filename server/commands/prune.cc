// `rapport prune`: what the configuration's `retention` does by itself, once and by hand.
#include "data/prune.h"

#include "server/commands/command.h"
#include "server/commands/store_access.h"

namespace rapport {

namespace {

struct PruneArguments {
  std::string data;
  RetentionPlan plan;
};

Status RunPrune(const PruneArguments& arguments, Terminal& terminal) {
  if (!arguments.plan.any()) return Status::InvalidArgument("say how old is too old: --events-days, --decisions-days");
  const auto reading = StoreSession::Open(arguments.data, StorePurpose::kRead, ReadingStoreOptions());
  if (!reading.ok()) return reading.status();
  // Beside a server: read from its checkpoint, write through it.
  std::unique_ptr<StoreSession> writing;
  if ((*reading)->local() == nullptr) {
    auto opened = StoreSession::Open(arguments.data, StorePurpose::kWrite, ReadingStoreOptions());
    if (!opened.ok()) return opened.status();
    writing = opened.Take();
  }
  OperationSink& sink = writing ? writing->sink() : *(*reading)->local();
  const Result<PruneReport> report = Prune((*reading)->store(), sink, arguments.plan, terminal.clock.Now(), nullptr);
  if (!report.ok()) return report.status();
  std::fprintf(terminal.out, "%llu events of %llu customers and %llu decisions removed\n",
               static_cast<unsigned long long>(report->events), static_cast<unsigned long long>(report->customers),
               static_cast<unsigned long long>(report->decisions));
  return Status::Ok();
}

}  // namespace

void AddPruneCommand(Commands& commands) {
  auto arguments = std::make_shared<PruneArguments>();
  CLI::App* command = commands.Add("prune", "Removes events and decisions that are too old; the rest stays",
                                   "rapport prune --data shop --events-days 730",
                                   [arguments](Terminal& terminal) { return RunPrune(*arguments, terminal); });
  command->add_option("--data", arguments->data, "the store's folder")->required();
  command->add_option("--events-days", arguments->plan.events_days, "events that happened before that many days ago")
      ->check(NumberWithin(0.01, 36500));
  command->add_option("--decisions-days", arguments->plan.decisions_days, "decisions made before that many days ago")
      ->check(NumberWithin(0.01, 36500));
}

}  // namespace rapport
