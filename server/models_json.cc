#include "server/models_json.h"

#include "server/endpoints/json_writer.h"

namespace rapport {

namespace {

void WriteJob(JsonWriter& out, const TrainingJob& job) {
  out.BeginObject().Key("job").Unsigned(job.number);
  switch (job.state) {
    case JobState::kNone: break;
    case JobState::kRunning:
      out.Key("state").String("running").Key("stage").String(job.stage).Key("shareDone").Number(job.share_done);
      break;
    case JobState::kDone: out.Key("state").String("done").Key("report").Raw(job.report_json); break;
    case JobState::kFailed: out.Key("state").String("failed").Key("detail").String(job.status.message()); break;
  }
  out.Key("startedAt").Time(job.started_at);
  if (job.state != JobState::kRunning) out.Key("endedAt").Time(job.ended_at);
  out.EndObject();
}

}  // namespace

const char* ModelStateName(ModelState state) {
  switch (state) {
    case ModelState::kCandidate: return "candidate";
    case ModelState::kActive: return "active";
    case ModelState::kRetired: return "retired";
    case ModelState::kRefused: return "refused";
    case ModelState::kRemoved: return "removed";
  }
  return "";
}

std::string ModelsToJson(const std::vector<ModelRecord>& models, uint64_t in_service, const TrainingJob* job) {
  JsonWriter out;
  out.BeginObject().Key("inService").Unsigned(in_service).Key("models").BeginArray();
  for (const ModelRecord& model : models) {
    out.BeginObject().Key("generation").Unsigned(model.generation).Key("kind").String(model.kind);
    out.Key("state").String(ModelStateName(model.state)).Key("file").String(model.file);
    out.Key("createdAt").Time(model.created_at).EndObject();
  }
  out.EndArray();
  if (job != nullptr && job->state != JobState::kNone) {
    out.Key("training");
    WriteJob(out, *job);
  }
  out.EndObject();
  return out.Take();
}

}  // namespace rapport
