#include "server/training_jobs.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/machine.h"
#include "base/parallel.h"
#include "server/train_report_json.h"

namespace rapport {

namespace {

// Page views come first. A thread's own nice value is a Linux thing: setpriority with a thread id. Threads started
// by this one inherit it.
void LowerPriorityOfThisThread() {
  constexpr int kTrainingNice = 19;
  const sched_param unused{};
  (void)::sched_setscheduler(0, SCHED_BATCH, &unused);  // never takes the processor from a thread that wakes up
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kTrainingNice);
}

}  // namespace

TrainingJobs::~TrainingJobs() { Stop(); }

Result<uint64_t> TrainingJobs::Begin(std::function<void()> run) {
  std::lock_guard lock(mutex_);
  if (cancelled_) return Status::Unavailable("the server is stopping");
  if (job_.state == JobState::kRunning) {
    return Status::Unavailable("training " + std::to_string(job_.number) +
                               " runs already: GET /v1/models shows how far it is");
  }
  if (thread_.joinable()) thread_.join();  // has ended: its last act was to say so
  const uint64_t number = job_.number + 1;
  job_ = TrainingJob{};
  job_.number = number;
  job_.state = JobState::kRunning;
  job_.started_at = clock_.Now();
  thread_ = std::thread([run = std::move(run)] {
    LowerPriorityOfThisThread();
    run();
  });
  return number;
}

Result<uint64_t> TrainingJobs::Start(const TrainOptions& options) {
  return Begin([this, options] { RunJob(options); });
}
Result<uint64_t> TrainingJobs::StartResponses(const ResponseTrainOptions& options) {
  return Begin([this, options] { RunResponses(options); });
}

int TrainingJobs::Threads() const { return threads_ > 0 ? threads_ : std::max(1, HardwareThreads() - 1); }

void TrainingJobs::RunJob(TrainOptions options) {
  options.als.threads = options.neighbours.threads = options.shallow.ease.threads = Threads();
  log_.Info("training.started",
            {{"threads", Threads()}, {"factors", options.als.factors}, {"epochs", options.als.epochs}});
  const TrainProgress progress = [this](const char* stage, double share_done) {
    std::lock_guard lock(mutex_);
    job_.stage = stage;
    job_.share_done = share_done;
    return !cancelled_.load();
  };
  const Result<TrainReport> report = engine_.Train(options, clock_, progress, TrainReportToJson);
  if (report.ok()) {
    log_.Info("training.done", {{"generation", report->generation},
                                {"accepted", report->accepted ? "yes" : "no"},
                                {"activated", report->activated ? "yes" : "no"},
                                {"seconds", report->total_seconds},
                                {"verdict", report->verdict}});
  }
  End(report.status(), report.ok() ? TrainReportToJson(*report) : "");
}

void TrainingJobs::RunResponses(ResponseTrainOptions options) {
  options.response.threads = options.response.activity.threads = Threads();
  log_.Info("training.started", {{"model", "response"}, {"threads", Threads()}});
  const Result<ResponseTrainReport> report = engine_.TrainResponses(options, clock_, ResponseReportToJson);
  if (report.ok()) {
    log_.Info("training.done", {{"model", "response"},
                                {"generation", report->generation},
                                {"accepted", report->accepted ? "yes" : "no"},
                                {"activated", report->activated ? "yes" : "no"},
                                {"verdict", report->verdict}});
  }
  End(report.status(), report.ok() ? ResponseReportToJson(*report) : "");
}

void TrainingJobs::End(const Status& status, std::string report_json) {
  if (!status.ok()) log_.Warning("training.failed", {{"why", status.ToString()}});
  // A training's memory is many times what the server keeps, and would stay with the C library until the next one.
  ReturnFreedMemory();
  std::lock_guard lock(mutex_);
  job_.ended_at = clock_.Now();
  job_.state = status.ok() ? JobState::kDone : JobState::kFailed;
  job_.status = status;
  job_.report_json = std::move(report_json);
}

TrainingJob TrainingJobs::last() const {
  std::lock_guard lock(mutex_);
  return job_;
}

void TrainingJobs::Stop() {
  std::thread ended;
  {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    ended = std::move(thread_);
  }
  if (ended.joinable()) ended.join();
}

}  // namespace rapport
