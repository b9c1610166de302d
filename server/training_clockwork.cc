#include "server/training_clockwork.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

namespace rapport {
namespace {

constexpr int kLookSeconds = 20;

// The newest training that the registry knows of: when, and how many events it read.
std::optional<TrainingSchedule::Training> LastTraining(const Store& store) {
  const std::vector<ModelRecord> models = store.Models();
  const auto content = std::find_if(models.rbegin(), models.rend(), [](const ModelRecord& model) {
    return model.kind == "content";  // the schedule is its; the response model goes along
  });
  if (content == models.rend()) return std::nullopt;
  TrainingSchedule::Training last{content->created_at, 0};
  const auto report = nlohmann::json::parse(content->report, nullptr, false);
  if (report.is_object() && report.contains("events") && report["events"].is_number_unsigned()) {
    last.events = report["events"].get<uint64_t>();
  }
  return last;
}

constexpr const char* kScheduled = "rapport_training_scheduled_total";
constexpr const char* kScheduledHelp = "looks at the schedule when a training was due, by what came of it";

}  // namespace

Result<std::unique_ptr<TrainingClockwork>> TrainingClockwork::Make(const TrainingPlan& plan, Engine& engine,
                                                                   TrainingJobs& jobs, const Clock& clock, Log& log,
                                                                   Metrics& metrics) {
  Result<TrainingSchedule> schedule = TrainingSchedule::Make(plan, clock.Now(), LastTraining(engine.store()));
  if (!schedule.ok()) return schedule.status();
  return std::unique_ptr<TrainingClockwork>(
      new TrainingClockwork(plan, schedule.Take(), engine, jobs, clock, log, metrics));
}

TrainingClockwork::TrainingClockwork(const TrainingPlan& plan, TrainingSchedule schedule, Engine& engine,
                                     TrainingJobs& jobs, const Clock& clock, Log& log, Metrics& metrics)
    : plan_(plan),
      engine_(engine),
      jobs_(jobs),
      clock_(clock),
      log_(log),
      started_(metrics.counter(kScheduled, {{"result", "started"}}, kScheduledHelp)),
      too_few_(metrics.counter(kScheduled, {{"result", "too-few-events"}}, kScheduledHelp)),
      busy_(metrics.counter(kScheduled, {{"result", "busy"}}, kScheduledHelp)),
      next_seconds_(
          metrics.gauge("rapport_training_next_seconds", {}, "when the next training is due, seconds since 1970")),
      schedule_(std::move(schedule)),
      job_seen_(jobs.last().number) {
  next_seconds_.Set(schedule_.next().ms / kSecondMs);
}

TrainingClockwork::~TrainingClockwork() { Stop(); }

void TrainingClockwork::Tick() {
  std::lock_guard lock(mutex_);
  const Timestamp now = clock_.Now();
  const uint64_t events = engine_.store().statistics().events;
  const TrainingJob job = jobs_.last();
  if (job.number != job_seen_) schedule_.Started(job.started_at, events);  // by hand
  job_seen_ = job.number;
  const bool running = job.state == JobState::kRunning || engine_.statistics().training;
  if (responses_due_ && !running) return StartResponses();
  switch (schedule_.Ask(now, events, running)) {
    case TrainingAdvice::kNotDue: break;
    case TrainingAdvice::kBusy: busy_.Add(); break;
    case TrainingAdvice::kTooFewEvents:
      too_few_.Add();
      if (!schedule_.told()) {
        log_.Info("training.too_few_events", {{"eventsMin", plan_.events_min}, {"events", events}});
        schedule_.Tell();
      }
      break;
    case TrainingAdvice::kStart: {
      TrainOptions options;
      options.activate = plan_.activate;
      const Result<uint64_t> started = jobs_.Start(options);
      if (started.ok()) {
        started_.Add();
        job_seen_ = *started;
        responses_due_ = plan_.responses && HasContacts();
        log_.Info("training.scheduled", {{"job", *started}, {"events", events}});
      } else {
        busy_.Add();
        log_.Warning("training.not_started", {{"why", started.status().message()}});
      }
      break;
    }
  }
  next_seconds_.Set(schedule_.next().ms / kSecondMs);
}

bool TrainingClockwork::HasContacts() const {
  bool found = false;
  const Status read = engine_.store().ForEachContact([&](const ContactEntry&) {
    found = true;
    return false;
  });
  return read.ok() && found;
}

void TrainingClockwork::StartResponses() {
  ResponseTrainOptions options;
  options.activate = plan_.activate;
  const Result<uint64_t> started = jobs_.StartResponses(options);
  if (!started.ok()) return busy_.Add();  // asked again
  responses_due_ = false;
  job_seen_ = *started;
  log_.Info("training.scheduled", {{"job", *started}, {"model", "response"}});
}

void TrainingClockwork::Start() {
  std::lock_guard lock(mutex_);
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void TrainingClockwork::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    Tick();
    lock.lock();
    stop_.wait_for(lock, std::chrono::seconds(kLookSeconds), [this] { return stopping_; });
  }
}

void TrainingClockwork::Stop() {
  std::thread ended;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    ended = std::move(thread_);
  }
  stop_.notify_all();
  if (ended.joinable()) ended.join();
}

}  // namespace rapport
