// /v1/admin/*, scope operate: what the command line uses while a server holds the store.
//   POST   /v1/admin/checkpoint             -> {"folder": "..."}: opened read-only, then
//   DELETE /v1/admin/checkpoint?folder=...  -> 204
//   POST   /v1/admin/backup                 {"keep": 7, "full": false} -> {"folder": ..., "files": ..., "bytes": ...}
//   POST   /v1/admin/apply                  application/octet-stream: EncodeOperations -> EncodeOperationResults
//   GET POST /v1/admin/keys, DELETE /v1/admin/keys/{id}
#include "server/backup_jobs.h"
#include "server/checkpoints.h"
#include "server/endpoints/endpoints.h"
#include "server/endpoints/support.h"

namespace rapport {

namespace {

constexpr size_t kApplyBytesMax = 64u << 20;
constexpr size_t kKeyNameMax = 256;

// A key that was replaced or revoked must not live on in the cache, and before the sender hears "done".
void ForgetKeys(Authenticator& authenticator, const std::vector<std::string>& ids) {
  for (const std::string& id : ids) authenticator.Forget(id);
}

// ---- apply ----

void Apply(const EndpointContext& context, const Request& request, const Responder& respond) {
  const Status query = RefuseUnknownQuery(request, {});
  if (!query.ok()) return respond(ProblemResponse(query));
  Result<std::vector<Operation>> operations = DecodeOperations(request.body);
  if (!operations.ok()) return respond(ProblemResponse(operations.status()));
  std::vector<std::string> keys;
  for (const Operation& operation : *operations) {
    if (const auto* put = std::get_if<PutApiKey>(&operation)) keys.push_back(put->key.id);
    // The engine swaps models, not the store alone: see POST /v1/models/{generation}/activate.
    if (std::holds_alternative<ActivateModel>(operation)) {
      return respond(ProblemResponse(
          Status::InvalidArgument("models are put in service by POST /v1/models/{generation}/activate")));
    }
  }
  context.engine.store().Apply(operations.Take(), [&authenticator = context.authenticator, keys,
                                                   respond](const Result<std::vector<OperationResult>>& results) {
    ForgetKeys(authenticator, keys);
    if (!results.ok()) return respond(ProblemResponse(results.status()));
    Response response = JsonResponse(200, EncodeOperationResults(*results));
    response.content_type = "application/octet-stream";
    respond(std::move(response));
  });
}

// ---- checkpoints ----

Result<Response> LendCheckpoint(Checkpoints& checkpoints, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  const Result<std::string> folder = checkpoints.Lend();
  if (!folder.ok()) return folder.status();
  JsonWriter out;
  out.BeginObject().Key("folder").String(*folder).EndObject();
  return JsonResponse(201, out.Take());
}

Result<Response> ReleaseCheckpoint(Checkpoints& checkpoints, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {"folder"}));
  RAPPORT_RETURN_IF_ERROR(checkpoints.GiveBack(request.Query("folder")));
  return Response{204, "", "", {}};
}

// ---- backups ----

constexpr size_t kBackupsKeptMax = 100000;

Response BackupAnswer(const Result<BackupReport>& report) {
  if (!report.ok()) return ProblemResponse(report.status());
  JsonWriter out;
  out.BeginObject().Key("folder").String(report->folder).Key("files").Unsigned(report->files);
  out.Key("bytes").Unsigned(report->bytes).Key("bytesShared").Unsigned(report->bytes_shared);
  out.Key("removed").BeginArray();
  for (const std::string& name : report->removed) out.String(name);
  out.EndArray().EndObject();
  return JsonResponse(201, out.Take());
}

Result<BackupJobs::Wishes> ReadWishes(const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  BackupJobs::Wishes wishes;
  const Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  JsonFields fields(*body, "");
  if (const auto keep = fields.Count("keep", 0, kBackupsKeptMax)) wishes.keep = *keep;
  wishes.full = fields.Flag("full").value_or(false);
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  return wishes;
}

void StartBackup(BackupJobs* backups, const Request& request, const Responder& respond) {
  const Result<BackupJobs::Wishes> wishes = ReadWishes(request);
  if (!wishes.ok()) return respond(ProblemResponse(wishes.status()));
  if (backups == nullptr) return respond(ProblemResponse(Status::FailedPrecondition("no backups here")));
  backups->Start(*wishes, [respond](const Result<BackupReport>& report) { respond(BackupAnswer(report)); });
}

// ---- keys ----

void WriteKey(JsonWriter& out, const ApiKey& key) {
  out.Key("id").String(key.id).Key("name").String(key.name);
  out.Key("kind").String(key.kind == KeyKind::kBrowser ? "browser" : "server").Key("scopes").BeginArray();
  for (size_t scope = 0; scope < kScopeCount; ++scope) {
    if ((key.scopes >> scope) & 1) out.String(ScopeName(static_cast<Scope>(scope)));
  }
  out.EndArray().Key("createdAt").Time(key.created_at);
  if (key.expires_at) out.Key("expiresAt").Time(*key.expires_at);
  out.Key("revoked").Bool(key.revoked);
}

Result<Response> ListKeys(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  JsonWriter out;
  out.BeginObject().Key("keys").BeginArray();
  for (const ApiKey& key : store.ApiKeys()) {
    out.BeginObject();
    WriteKey(out, key);
    out.EndObject();
  }
  out.EndArray().EndObject();
  return JsonResponse(200, out.Take());
}

Result<NewKey> ReadNewKey(const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  const Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  JsonFields fields(*body, "");
  const std::vector<std::string> names = fields.Texts("scopes", kScopeCount, limits::kShortTextBytesMax);
  const std::string name = fields.Text("name", kKeyNameMax).value_or("");
  const std::optional<std::string> role_name = fields.Text("role", limits::kShortTextBytesMax);
  const std::optional<KeyRole> role = RoleFromName(role_name.value_or(""));
  if (role_name && !role) fields.FailField("role", "must be one of " + RoleNames());
  const bool browser = fields.Flag("browser").value_or(false) || (role && role->kind == KeyKind::kBrowser);
  const std::optional<Timestamp> expires_at = fields.Time("expiresAt");
  RAPPORT_RETURN_IF_ERROR(fields.Finish());
  uint8_t scopes = role ? role->scopes : uint8_t{0};
  for (const std::string& scope_name : names) {
    const std::optional<Scope> scope = ScopeFromName(scope_name);
    if (!scope) return Status::InvalidArgument(QuoteForMessage(scope_name) + " is no scope");
    scopes |= static_cast<uint8_t>(1u << static_cast<unsigned>(*scope));
  }
  return MakeKey(name, browser ? KeyKind::kBrowser : KeyKind::kServer, scopes, request.received_at, expires_at);
}

void CreateKey(Store& store, const Request& request, const Responder& respond) {
  const Result<NewKey> key = ReadNewKey(request);
  if (!key.ok()) return respond(ProblemResponse(key.status()));
  JsonWriter out;
  out.BeginObject().Key("key").String(key->text);
  WriteKey(out, key->record);
  out.EndObject();
  ApplyThenAnswer(store, {PutApiKey{key->record}}, respond,
                  [answer = JsonResponse(201, out.Take())](const std::vector<OperationResult>& results) {
                    return AnswerOfOne(results, answer);
                  });
}

void RevokeKey(Store& store, Authenticator& authenticator, const Request& request, const Responder& respond) {
  const Status query = RefuseUnknownQuery(request, {});
  if (!query.ok()) return respond(ProblemResponse(query));
  Result<ApiKey> key = store.GetApiKey(request.Parameter("id"));
  if (!key.ok()) return respond(ProblemResponse(key.status()));
  key->revoked = true;
  const std::string id = key->id;
  ApplyThenAnswer(store, {PutApiKey{key.Take()}}, respond,
                  [&authenticator, id](const std::vector<OperationResult>& results) {
                    authenticator.Forget(id);
                    return AnswerOfOne(results, Response{204, "", "", {}});
                  });
}

}  // namespace

void AddAdminRoutes(RouteTable& table, const EndpointContext& context) {
  Store& store = context.engine.store();
  const auto checkpoints = std::make_shared<Checkpoints>(store);  // lives as long as its handlers
  const auto add = [&table](Method method, const char* pattern, Handler handler, Work work = Work::kLong) -> Route& {
    Route route{method, pattern, Scope::kOperate, std::move(handler)};
    route.work = work;
    return table.Add(std::move(route));
  };
  add(Method::kPost, "/v1/admin/checkpoint",
      Synchronous([checkpoints](const Request& request) { return LendCheckpoint(*checkpoints, request); }));
  add(Method::kDelete, "/v1/admin/checkpoint",
      Synchronous([checkpoints](const Request& request) { return ReleaseCheckpoint(*checkpoints, request); }));
  add(
      Method::kPost, "/v1/admin/backup",
      [backups = context.backups](const Request& request, const Responder& respond) {
        StartBackup(backups, request, respond);
      },
      Work::kShort);
  add(Method::kPost, "/v1/admin/apply", [context](const Request& request, Responder respond) {
    Apply(context, request, respond);
  }).body_bytes_max = kApplyBytesMax;
  add(Method::kGet, "/v1/admin/keys",
      Synchronous([&store](const Request& request) { return ListKeys(store, request); }));
  add(Method::kPost, "/v1/admin/keys",
      [&store](const Request& request, Responder respond) { CreateKey(store, request, respond); });
  add(Method::kDelete, "/v1/admin/keys/{id}",
      [&store, &authenticator = context.authenticator](const Request& request, Responder respond) {
        RevokeKey(store, authenticator, request, respond);
      });
}

}  // namespace rapport
