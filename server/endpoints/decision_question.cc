// See decision_question.h.
#include "server/endpoints/decision_question.h"

#include "base/limits.h"
#include "server/endpoints/question_json.h"

namespace rapport {
namespace {

constexpr size_t kContentsDefault = 20;
constexpr size_t kChannelNamesMax = 64;

std::optional<GeoPoint> ReadNear(JsonFields& fields) {
  const Json* near = fields.Find("near");
  if (near == nullptr) return std::nullopt;
  JsonFields at(*near, "near.");
  const auto latitude = at.Number("latitude", -90, 90), longitude = at.Number("longitude", -180, 180);
  if (!latitude || !longitude) at.FailField("latitude", "and longitude are needed, in degrees");
  fields.Fail(at.Finish());
  return GeoPoint{latitude.value_or(0), longitude.value_or(0)};
}

Status FirstRefusal(const std::vector<OperationResult>& results) {
  for (const OperationResult& result : results) RAPPORT_RETURN_IF_ERROR(result.status);
  return Status::Ok();
}

}  // namespace

DecisionQuestion ReadDecisionQuestion(JsonFields& fields) {
  DecisionQuestion asked;
  DecisionRequest& question = asked.question;
  question.purpose = fields.Text("purpose", limits::kExternalIdBytesMax).value_or("marketing");
  if (question.purpose.empty() || question.purpose == "*")
    fields.FailField("purpose", "must name one purpose, like marketing");
  question.items = fields.Ids("items", limits::kDecisionContentsMax);
  question.channels = fields.Texts("channels", kChannelNamesMax, limits::kExternalIdBytesMax);
  question.from = fields.Time("from");
  question.until = fields.Time("until");
  question.near = ReadNear(fields);
  question.dry_run = fields.Flag("dryRun").value_or(false);
  ReadWhatToShow(fields, &question.question);
  question.explain = question.question.explain;
  if (question.explain) asked.shortlist = Shortlist::kTold;
  question.question.explain = false;  // of what was chosen only
  question.question.count = fields.Count("count", 1, limits::kDecisionContentsMax).value_or(kContentsDefault);
  return asked;
}

void DecideAndKeep(const Engine& engine, const DecisionQuestion& asked, std::function<void(Result<std::string>)> done) {
  Result<PreparedDecision> prepared = engine.Decide(
      asked.question, [](const DecisionResponse& kept) { return DecisionToJson(kept, Shortlist::kTold); });
  if (!prepared.ok()) return done(prepared.status());
  std::string told = DecisionToJson(prepared->decision, asked.shortlist);
  if (prepared->operations.empty()) return done(std::move(told));
  engine.store().Apply(std::move(prepared->operations),
                       [settle = std::move(prepared->settle), told = std::move(told),
                        done = std::move(done)](Result<std::vector<OperationResult>> results) {
                         settle();
                         const Status kept = results.ok() ? FirstRefusal(*results) : results.status();
                         done(kept.ok() ? Result<std::string>(told) : Result<std::string>(kept));
                       });
}

}  // namespace rapport
