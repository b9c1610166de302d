// The catalogue: PUT /v1/items (one object or an array), GET /v1/items?kind&cursor&limit, GET PATCH DELETE
// /v1/items/{id}. What is acknowledged is on the disk and in the catalogue that the next page view reads.
#include "base/limits.h"
#include "data/io/json_records.h"
#include "data/io/json_text.h"
#include "server/endpoints/json_writer.h"
#include "server/endpoints/routes.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

constexpr size_t kListLimitDefault = 100;

// What became of the entries of one PUT. Shared with the store's callback.
struct PutItems {
  std::vector<Operation> operations;
  std::vector<size_t> index_of;      // of each operation in the request
  std::vector<IndexedError> errors;  // entries that never reached the store
};

void AddEntry(const Json& entry, size_t index, Timestamp now, PutItems* put) {
  Result<Item> item = ItemFromJson(entry);
  Status status = item.status();
  if (item.ok()) {
    item->updated_at = now;
    Operation operation = PutItem{item.Take()};
    status = ValidateOperation(operation);
    if (status.ok()) {
      put->operations.push_back(std::move(operation));
      put->index_of.push_back(index);
      return;
    }
  }
  put->errors.push_back({index, std::move(status)});
}

Response PutAnswer(std::vector<IndexedError> errors, const std::vector<size_t>& index_of,
                   const std::vector<OperationResult>& results) {
  size_t created = 0, updated = 0, unchanged = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i].status.ok()) {
      errors.push_back({index_of[i], results[i].status});
    } else {
      ++(results[i].outcome == Outcome::kCreated   ? created
         : results[i].outcome == Outcome::kUpdated ? updated
                                                   : unchanged);
    }
  }
  const std::string members = "\"created\":" + std::to_string(created) + ",\"updated\":" + std::to_string(updated) +
                              ",\"unchanged\":" + std::to_string(unchanged);
  return BatchAnswer(created + updated + unchanged, members, errors);
}

Result<PutItems> ItemsOfBody(const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  PutItems put;
  if (body->is_object()) {
    AddEntry(*body, 0, request.received_at, &put);
    if (!put.errors.empty()) return put.errors[0].status;
    return put;
  }
  if (!body->is_array()) return Status::InvalidArgument("the body must be an item or an array of items");
  if (body->size() > limits::kItemsPerPutMax) {
    return Status::InvalidArgument("the body has " + std::to_string(body->size()) + " items: send at most " +
                                   std::to_string(limits::kItemsPerPutMax) + " at once");
  }
  for (size_t i = 0; i < body->size(); ++i) AddEntry((*body)[i], i, request.received_at, &put);
  return put;
}

void Put(Store& store, const Request& request, Responder respond) {
  Result<PutItems> put = ItemsOfBody(request);
  if (!put.ok()) return respond(ProblemResponse(put.status()));
  if (put->operations.empty()) return respond(PutAnswer(put->errors, {}, {}));
  ApplyThenAnswer(store, std::move(put->operations), std::move(respond),
                  [errors = std::move(put->errors), index_of = std::move(put->index_of)](
                      const std::vector<OperationResult>& results) { return PutAnswer(errors, index_of, results); });
}

Result<PatchItem> PatchOfBody(const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  RAPPORT_RETURN_IF_ERROR(CheckId(request.Parameter("id"), "the item's id"));
  Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  Result<PatchItem> patch = PatchItemFromJson(request.Parameter("id"), *body);
  if (!patch.ok()) return patch.status();
  for (const auto& [name, value] : body->items()) {
    if (value.is_null())
      return Status::InvalidArgument("item: " + name + " is null: PUT the whole item to clear a field");
  }
  if (body->empty()) return Status::InvalidArgument("item: nothing to change: send at least one field");
  return patch;
}

void Patch(Store& store, const Request& request, Responder respond) {
  Result<PatchItem> patch = PatchOfBody(request);
  Status status = patch.status();
  if (patch.ok()) status = ValidateOperation(*patch);
  if (!status.ok()) return respond(ProblemResponse(status));
  ApplyThenAnswer(store, {patch.Take()}, std::move(respond), [](const std::vector<OperationResult>& results) {
    return AnswerOfOne(results, JsonResponse(200, "{\"success\":true}"));
  });
}

void Delete(Store& store, const Request& request, Responder respond) {
  Status status = CheckId(request.Parameter("id"), "the item's id");
  if (status.ok()) status = RefuseUnknownQuery(request, {});
  if (!status.ok()) return respond(ProblemResponse(status));
  ApplyThenAnswer(store, {DeleteItem{request.Parameter("id")}}, std::move(respond),
                  [](const std::vector<OperationResult>& results) {
                    Response gone;
                    gone.status = 204;
                    gone.content_type.clear();
                    return AnswerOfOne(results, std::move(gone));
                  });
}

Result<Response> Get(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  const std::string& id = request.Parameter("id");
  RAPPORT_RETURN_IF_ERROR(CheckId(id, "the item's id"));
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  const Item* item = catalog->Find(id);
  if (item == nullptr || !item->catalogued) {
    return Status::NotFound("there is no item " + QuoteForMessage(id) + ": put it first");
  }
  return JsonResponse(200, DumpJson(ItemToJson(*item)));
}

// The id after which a list goes on, as the opaque text it is outside.
std::string CursorOf(uint64_t last) { return ToBase64Url("items:" + std::to_string(last)); }

Result<uint64_t> LastOfCursor(const std::string& cursor) {
  if (cursor.empty()) return uint64_t{0};
  const Result<std::string> plain = FromBase64Url(cursor);
  if (plain.ok() && plain->starts_with("items:")) {
    const std::optional<int64_t> last = ParseInt64(std::string_view(*plain).substr(6));
    if (last && *last >= 0) return static_cast<uint64_t>(*last);
  }
  return Status::InvalidArgument("cursor is not one that this server gave out: start again without it");
}

Result<Response> List(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {"kind", "cursor", "limit"}));
  size_t limit = kListLimitDefault;
  if (request.query.contains("limit")) {
    Result<size_t> asked = ParseCount(request.Query("limit"), "limit", 1, limits::kItemsPerPutMax);
    if (!asked.ok()) return asked.status();
    limit = *asked;
  }
  Result<uint64_t> last = LastOfCursor(request.Query("cursor"));
  if (!last.ok()) return last.status();
  const std::string& kind = request.Query("kind");
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  JsonWriter out;
  out.BeginObject().Key("items").BeginArray();
  size_t found = 0;
  uint64_t shown = 0, id = *last + 1;
  for (; id <= catalog->size(); ++id) {
    const Item* item = catalog->Get(ItemId{id});
    if (item == nullptr || !item->catalogued || (!kind.empty() && item->kind != kind)) continue;
    if (found++ == limit) break;  // there is one more: the next page's first
    out.Raw(DumpJson(ItemToJson(*item)));
    shown = id;
  }
  out.EndArray();
  if (id <= catalog->size()) out.Key("cursor").String(CursorOf(shown));
  return JsonResponse(200, out.EndObject().Take());
}

}  // namespace

void AddItemRoutes(RouteTable& table, const EndpointContext& context) {
  Store& store = context.engine.store();
  const auto add = [&](Method method, const char* pattern, Handler handler) {
    table.Add({method, pattern, Scope::kCatalog, std::move(handler)});
  };
  add(Method::kPut, "/v1/items",
      [&store](const Request& request, Responder respond) { Put(store, request, std::move(respond)); });
  add(Method::kGet, "/v1/items", Synchronous([&store](const Request& request) { return List(store, request); }));
  add(Method::kGet, "/v1/items/{id}", Synchronous([&store](const Request& request) { return Get(store, request); }));
  add(Method::kPatch, "/v1/items/{id}",
      [&store](const Request& request, Responder respond) { Patch(store, request, std::move(respond)); });
  add(Method::kDelete, "/v1/items/{id}",
      [&store](const Request& request, Responder respond) { Delete(store, request, std::move(respond)); });
}

}  // namespace rapport
