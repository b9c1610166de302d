// The queue before the committer (committer.cc): any thread puts requests in, each at once accepted or refused; one
// thread takes all that waits, up to group_operations_max, and hands it on as one group.
#include <future>

#include "base/limits.h"
#include "data/store_impl.h"

namespace rapport {

void Store::Apply(std::vector<Operation> operations, Done done) {
  Status refused;
  {
    std::lock_guard hold(impl_->queue_mutex);
    if (impl_->access == StoreAccess::kReadOnly) {
      refused = Status::FailedPrecondition("this is a read-only checkpoint of the store");
    } else if (impl_->stopping) {
      refused = Status::Unavailable("the store is stopping; send it again to the next process");
    } else if (operations.size() > limits::kOperationsPerApplyMax) {
      refused =
          Status::InvalidArgument("at most " + std::to_string(limits::kOperationsPerApplyMax) + " operations at once");
    } else if (impl_->queued + operations.size() > impl_->options.queued_operations_max) {
      refused = Status::ResourceExhausted("too many writes are waiting; try again in a second");
    } else {
      impl_->queued += operations.size();
      impl_->queue.push_back({std::move(operations), std::move(done)});
    }
  }
  if (!refused.ok()) return done(std::move(refused));
  impl_->queue_changed.notify_one();
}

Result<std::vector<OperationResult>> Store::ApplyAndWait(std::vector<Operation> operations) {
  std::promise<Result<std::vector<OperationResult>>> promise;
  std::future<Result<std::vector<OperationResult>>> result = promise.get_future();
  Apply(std::move(operations), [&promise](Result<std::vector<OperationResult>> r) { promise.set_value(std::move(r)); });
  return result.get();
}

void Store::Impl::CommitLoop() {
  for (;;) {
    std::vector<Request> requests;
    {
      std::unique_lock hold(queue_mutex);
      queue_changed.wait(hold, [this] { return stopping || !queue.empty(); });
      if (queue.empty()) return;  // stopping, and everything that was accepted is done
      size_t size = 0;
      while (!queue.empty() &&
             (requests.empty() || size + queue.front().operations.size() <= options.group_operations_max)) {
        size += queue.front().operations.size();
        requests.push_back(std::move(queue.front()));
        queue.pop_front();
      }
      queued -= size;
    }
    ApplyGroup(requests);
  }
}

}  // namespace rapport
