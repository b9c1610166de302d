#include "server/batch_jobs.h"

#include "server/batch_record_json.h"

namespace rapport {

BatchJobs::~BatchJobs() {
  cancelled_ = true;
  std::thread ended;
  {
    std::lock_guard lock(mutex_);
    ended = std::move(thread_);
  }
  if (ended.joinable()) ended.join();
}

Status BatchJobs::Start(std::string name, BatchRequest request, std::shared_ptr<const ContactSettings> settings) {
  BatchKeeping keeping;
  UseJson(&keeping);
  keeping.name = std::move(name);
  keeping.settings = std::move(settings);
  // What can be seen to be wrong is said now and not by a job that fails.
  RAPPORT_RETURN_IF_ERROR(engine_.CheckBatch(request, keeping));
  std::lock_guard lock(mutex_);
  if (running_) {
    return Status::FailedPrecondition("batch " + last_.name + " runs: GET /v1/decisions/batch/" + last_.name +
                                      " shows how far it is");
  }
  if (thread_.joinable()) thread_.join();  // has ended: its last act was to say so
  running_ = true;
  last_ = BatchRecord{};
  last_.name = keeping.name;
  last_.started_at = last_.changed_at = request.now;
  thread_ = std::thread([this, keeping = std::move(keeping), request = std::move(request)] { Run(request, keeping); });
  return Status::Ok();
}

void BatchJobs::Run(const BatchRequest& request, BatchKeeping keeping) {
  log_.Info("batch.started", {{"batch", keeping.name}});
  keeping.cancelled = [this] { return cancelled_.load(); };
  keeping.progress = [this](const BatchRecord& record) {
    std::lock_guard lock(mutex_);
    last_ = record;
  };
  const Result<BatchRecord> done = engine_.DecideBatch(request, keeping);
  if (done.ok()) {
    log_.Info("batch.done", {{"batch", keeping.name}, {"decided", done->decided}, {"sends", done->sends}});
  } else {
    log_.Warning("batch.failed", {{"batch", keeping.name}, {"why", done.status().ToString()}});
  }
  std::lock_guard lock(mutex_);
  running_ = false;
  if (done.ok()) last_ = *done;
  if (!done.ok()) last_.state = BatchState::kFailed;
  if (!done.ok()) last_.problem = done.status().message();
}

Result<std::optional<BatchJobs::Seen>> BatchJobs::Find(const std::string& name) const {
  {
    std::lock_guard lock(mutex_);
    // A failed one may have left no record: what is in memory says more then.
    if (last_.name == name) return std::optional(Seen{last_, running_});
  }
  const std::optional<std::string> text = engine_.store().GetSetting(BatchSetting(name));
  if (!text) return std::optional<Seen>();
  Result<BatchRecord> record = ReadBatchRecordJson(*text);
  if (!record.ok()) return record.status();
  return std::optional(Seen{record.Take(), false});
}

}  // namespace rapport
