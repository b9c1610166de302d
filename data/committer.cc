// The write path behind the queue (commit_queue.cc). One thread takes what waits there, checks and numbers it, writes
// one WriteBatch with one fsync, publishes the catalogue, tells the observer, then acknowledges.
//
// After a failed commit nobody knows how much of it a restart will find in the log, so nothing more is written
// until the process is started again: every later write is answered kUnavailable and says so; reads go on.
#include "data/group_commit_impl.h"

namespace rapport {

void Store::Impl::Break(const Status& why) {
  broken = Status(why.code(), why.message() + "; no more is written until a restart");
  std::lock_guard health(health_mutex);
  write_error = broken;
}

void Store::Impl::ApplyGroup(std::vector<Request>& requests) {
  std::vector<std::vector<OperationResult>> results(requests.size());
  Status status;
  StoreChanges changes;
  {
    std::lock_guard hold(commit_mutex);
    if (EndBulkGroup().ok()) {
      GroupCommit group(*this);
      for (size_t r = 0; r < requests.size(); ++r) {
        for (Operation& operation : requests[r].operations) results[r].push_back(group.Apply(operation));
        operations += requests[r].operations.size();
      }
      status = group.Commit();
      ++commits;
      changes = group.TakeChanges();
      if (!status.ok()) {
        Break(status);
        status = broken;  // whoever is refused hears what to do
      }
    } else {
      status = broken;
    }
  }
  // Before the acknowledgement: whoever is told "done" finds the caches without the old state.
  if (!status.ok()) {  // whether anything of it can be seen is for a new read to find out
    for (const AppendedEvent& event : changes.appended) changes.customers.push_back(event.root);
    changes.appended.clear();
  }
  if (observer) observer(changes);
  for (size_t r = 0; r < requests.size(); ++r) {
    if (status.ok()) {
      requests[r].done(std::move(results[r]));
    } else {
      requests[r].done(status);
    }
  }
}

}  // namespace rapport
