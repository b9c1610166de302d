#include "data/prune.h"

namespace rapport {
namespace {

constexpr size_t kBatchOperations = 128;  // a customer may have many events: groups stay small

Timestamp Before(Timestamp now, double days) { return {now.ms - static_cast<int64_t>(days * double{kDayMs})}; }

// Collects operations and sends them in small groups; one failure ends it.
class Sender {
 public:
  Sender(OperationSink& sink, const std::atomic<bool>* cancelled) : sink_(sink), cancelled_(cancelled) {}

  // False: it is over, see status().
  bool Add(Operation operation) {
    waiting_.push_back(std::move(operation));
    return waiting_.size() < kBatchOperations || Send();
  }
  bool Send() {
    if (cancelled_ != nullptr && *cancelled_) status_ = Status::Unavailable("it was stopped before it was done");
    if (!status_.ok()) return false;
    if (waiting_.empty()) return true;
    const auto results = sink_.ApplyAndWait(std::exchange(waiting_, {}));
    if (!results.ok()) status_ = results.status();
    for (size_t i = 0; results.ok() && i < results->size(); ++i) Count((*results)[i]);
    return status_.ok();
  }
  const Status& status() const { return status_; }
  uint64_t removed = 0, touched = 0;  // as the store told

 private:
  void Count(const OperationResult& result) {
    if (!result.status.ok() && status_.ok()) status_ = result.status;
    if (!result.status.ok() || result.outcome != Outcome::kUpdated) return;
    ++touched;
    removed += result.id;
  }
  OperationSink& sink_;
  const std::atomic<bool>* cancelled_;
  std::vector<Operation> waiting_;
  Status status_;
};

}  // namespace

Result<PruneReport> Prune(const Store& store, OperationSink& sink, const RetentionPlan& plan, Timestamp now,
                          const std::atomic<bool>* cancelled) {
  PruneReport report;
  const std::unique_ptr<Snapshot> snapshot = store.GetSnapshot();
  if (plan.events_days > 0) {
    const Timestamp before = Before(now, plan.events_days);
    Sender sender(sink, cancelled);
    CustomerId last;  // events come by customer
    const auto visit = [&](const Event& event) {
      if (event.customer == last || event.time >= before) return true;
      last = event.customer;
      return sender.Add(PruneEvents{event.customer, before});
    };
    RAPPORT_RETURN_IF_ERROR(store.ForEachEvent(visit, snapshot.get()));
    if (!sender.Send()) return sender.status();
    report.events = sender.removed;
    report.customers = sender.touched;
  }
  if (plan.decisions_days > 0) {
    const Timestamp before = Before(now, plan.decisions_days);
    Sender sender(sink, cancelled);
    const auto visit = [&](const Decision& decision) {
      return decision.time >= before || sender.Add(RemoveDecision{decision.id});
    };
    RAPPORT_RETURN_IF_ERROR(store.ForEachDecision(visit, snapshot.get()));
    if (!sender.Send()) return sender.status();
    report.decisions = sender.touched;
  }
  return report;
}

}  // namespace rapport
