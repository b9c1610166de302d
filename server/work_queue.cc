#include "server/work_queue.h"

#include <algorithm>
#include <utility>

namespace rapport {

bool WorkQueue::TryRun(int64_t deadline_us, int64_t now_us) {
  const std::lock_guard lock(mutex_);
  if (deadline_us <= now_us || running_ >= options_.at_once) return false;
  ++running_;
  return true;
}

WorkQueue::Verdict WorkQueue::Offer(Job& job, int64_t now_us) {
  const std::lock_guard lock(mutex_);
  if (job.deadline_us <= now_us) return Verdict::kRefused;
  if (running_ < options_.at_once) {
    ++running_;
    return Verdict::kRun;
  }
  // Those at work count half: on average that much of them is left.
  const int64_t before_us = expected_us_ + static_cast<int64_t>(running_) * job.expected_us / 2;
  const int64_t wait_us = before_us / static_cast<int64_t>(options_.at_once);
  if (waiting_.size() >= options_.waiting_max || wait_us > options_.wait_us_max ||
      now_us + wait_us + job.expected_us > job.deadline_us) {
    return Verdict::kRefused;
  }
  expected_us_ += job.expected_us;
  waiting_.push_back(std::move(job));
  LookWhetherFull();
  return Verdict::kWaits;
}

WorkQueue::Verdict WorkQueue::Resume(Job& job, int64_t now_us) {
  const std::lock_guard lock(mutex_);
  if (job.deadline_us <= now_us) return Verdict::kRefused;
  if (running_ < options_.at_once) {
    ++running_;
    return Verdict::kRun;
  }
  expected_us_ += job.expected_us;
  resumed_.push_back(std::move(job));
  LookWhetherFull();
  return Verdict::kWaits;
}

std::optional<WorkQueue::Job> WorkQueue::TakeFirst() {
  std::deque<Job>& from = resumed_.empty() ? waiting_ : resumed_;
  if (from.empty()) return std::nullopt;
  Job job = std::move(from.front());
  from.pop_front();
  expected_us_ -= job.expected_us;
  LookWhetherFull();
  return job;
}

std::optional<WorkQueue::Job> WorkQueue::Finish(int64_t now_us, std::vector<Job>* expired) {
  const std::lock_guard lock(mutex_);
  while (std::optional<Job> job = TakeFirst()) {
    if (job->deadline_us > now_us) return job;
    expired->push_back(std::move(*job));
  }
  --running_;
  return std::nullopt;
}

// As Offer reckons: without those at work, every second full queue would pass for one with room.
void WorkQueue::LookWhetherFull() {
  const auto waiting = static_cast<int64_t>(waiting_.size() + resumed_.size());
  const int64_t mean_us = waiting > 0 ? expected_us_ / waiting : 0;
  is_full_.store(
      waiting_.size() >= options_.waiting_max || expected_us_ + static_cast<int64_t>(running_) * mean_us / 2 >
                                                     options_.wait_us_max * static_cast<int64_t>(options_.at_once),
      std::memory_order_relaxed);
}

std::deque<WorkQueue::Job> WorkQueue::TakeAll() {
  const std::lock_guard lock(mutex_);
  expected_us_ = 0;
  std::deque<Job> all = std::exchange(resumed_, {});
  for (Job& job : waiting_) all.push_back(std::move(job));
  waiting_.clear();
  return all;
}

size_t WorkQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size() + resumed_.size();
}

}  // namespace rapport
