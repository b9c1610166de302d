#include "server/retention_clockwork.h"

#include <chrono>

namespace rapport {
namespace {

constexpr int kLookSeconds = 20;
constexpr const char* kRemoved = "rapport_retention_removed_total";
constexpr const char* kRemovedHelp = "removed because they were older than the configuration's retention allows";

}  // namespace

RetentionClockwork::RetentionClockwork(const RetentionPlan& plan, Store& store, const Clock& clock, Log& log,
                                       Metrics& metrics)
    : plan_(plan),
      store_(store),
      clock_(clock),
      log_(log),
      events_(metrics.counter(kRemoved, {{"kind", "events"}}, kRemovedHelp)),
      decisions_(metrics.counter(kRemoved, {{"kind", "decisions"}}, kRemovedHelp)),
      next_(clock.Now()) {}

void RetentionClockwork::Tick() {
  const Timestamp now = clock_.Now();
  if (now < next_) return;
  next_ = {now.ms + kDayMs};
  const Result<PruneReport> report = Prune(store_, store_, plan_, now, &stopping_);
  if (!report.ok()) {
    if (!stopping_) log_.Error("retention.failed", {{"why", report.status().message()}});
    return;
  }
  events_.Add(report->events);
  decisions_.Add(report->decisions);
  log_.Info("retention.done", {{"events", report->events},
                               {"customers", report->customers},
                               {"decisions", report->decisions},
                               {"milliseconds", clock_.Now().ms - now.ms}});
}

void RetentionClockwork::Start() {
  thread_ = std::thread([this] { Run(); });
}

void RetentionClockwork::Run() {
  while (!stopping_) {
    Tick();
    std::unique_lock lock(mutex_);
    stop_.wait_for(lock, std::chrono::seconds(kLookSeconds), [this] { return stopping_.load(); });
  }
}

void RetentionClockwork::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace rapport
