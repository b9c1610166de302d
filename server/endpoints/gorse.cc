// /api/*: the REST interface of Gorse, so that its clients work with another host and key (docs/GORSE.md). Users, items
// and feedback are Rapport's own (gorse_records.h); answers have Gorse's shapes, errors Rapport's. Keys that Gorse's
// clients send and nobody here knows are ignored, as there.
//
//   GET lists walk everything that is kept, by Work::kLong: they are for administration, not for page views.
#include <algorithm>
#include <map>
#include <set>

#include "base/limits.h"
#include "server/endpoints/gorse_lists.h"
#include "server/endpoints/gorse_records.h"
#include "server/endpoints/routes.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

Response RowsAnswer(size_t rows) { return JsonResponse(200, "{\"RowAffected\":" + std::to_string(rows) + "}"); }

void ApplyThenRows(Store& store, std::vector<Operation> operations, size_t rows, Responder respond) {
  if (operations.empty()) return respond(RowsAnswer(rows));
  ApplyThenAnswer(
      store, std::move(operations), std::move(respond),
      [rows](const std::vector<OperationResult>& results) { return AnswerOfOne(results, RowsAnswer(rows)); });
}

// One object, or an array of at most limits::kItemsPerPutMax, as an array.
Result<Json> EntriesOfBody(const Request& request, bool one) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  if (one) return Json::array({body.Take()});
  if (!body->is_array() || body->size() > limits::kItemsPerPutMax) {
    return Status::InvalidArgument("the body must be an array of at most " + std::to_string(limits::kItemsPerPutMax) +
                                   " entries");
  }
  return body;
}

std::string Where(size_t index, bool one) { return one ? "" : "[" + std::to_string(index) + "]."; }

// What a writing request comes to: its operations and the rows that it tells.
struct Write {
  std::vector<Operation> operations;
  size_t rows = 0;
};

// Ids of the path: what the store would refuse is refused before it is looked up.
Status CheckPath(const Request& request) {
  for (const auto& [name, value] : request.parameters) RAPPORT_RETURN_IF_ERROR(CheckId(value, name));
  return Status::Ok();
}

Handler Writes(Store& store, std::function<Result<Write>(const Request&)> read) {
  return [&store, read = std::move(read)](const Request& request, Responder respond) {
    const Status path = CheckPath(request);
    Result<Write> write = path.ok() ? read(request) : Result<Write>(path);
    if (!write.ok()) return respond(ProblemResponse(write.status()));
    ApplyThenRows(store, std::move(write->operations), write->rows, std::move(respond));
  };
}

// ---- users ----

Result<Write> PutUsers(const Store& store, const Request& request, bool one) {
  const Result<Json> entries = EntriesOfBody(request, one);
  if (!entries.ok()) return entries.status();
  Write write;
  for (size_t i = 0; i < entries->size(); ++i) {
    const std::string where = Where(i, one);
    JsonFields fields((*entries)[i], where);
    const std::string id = fields.RequiredId("UserId");
    RAPPORT_RETURN_IF_ERROR(fields.status());
    const std::optional<Profile> known = FindGorseUser(store, id, true);
    Result<std::vector<Operation>> user =
        GorseUserFromJson((*entries)[i], where, Extent::kWhole, known, request.received_at);
    if (!user.ok()) return user.status();
    std::move(user->begin(), user->end(), std::back_inserter(write.operations));
    ++write.rows;
  }
  return write;
}

Status NoUser(const std::string& user) {
  return Status::NotFound("there is no user " + QuoteForMessage(user) + ": insert it with POST /api/user");
}

Result<Write> PatchUser(const Store& store, const Request& request) {
  const std::optional<Profile> known = FindGorseUser(store, request.Parameter("user"), false);
  if (!known) return NoUser(request.Parameter("user"));
  const Result<Json> entry = EntriesOfBody(request, true);
  if (!entry.ok()) return entry.status();
  Result<std::vector<Operation>> user =
      GorseUserFromJson((*entry)[0], "", Extent::kNamedOnly, known, request.received_at);
  if (!user.ok()) return user.status();
  return Write{user.Take(), 1};
}

Result<Write> DeleteUser(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  const std::optional<Profile> known = FindGorseUser(store, request.Parameter("user"), false);
  if (!known) return Write{};
  const Result<std::vector<Event>> last = store.ReadEvents(store.Root(known->id), 1);
  if (!last.ok()) return last.status();
  const EventId newest = last->empty() ? EventId{} : last->back().id;
  return Write{{DeleteGorseUser(*known, newest, request.received_at),
                SetPersonalization{known->ref, Personalization::kOff, request.received_at}},
               1};
}

Result<Response> GetUser(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  const std::optional<Profile> known = FindGorseUser(store, request.Parameter("user"), false);
  if (!known) return NoUser(request.Parameter("user"));
  JsonWriter out;
  WriteGorseUser(out, *known);
  return JsonResponse(200, out.Take());
}

// ---- items ----

Status NoItem(const std::string& item) {
  return Status::NotFound("there is no item " + QuoteForMessage(item) + ": insert it with POST /api/item");
}

const Item* FindItem(const Catalog& catalog, const std::string& id) {
  const Item* item = catalog.Find(id);
  return item == nullptr || !item->catalogued ? nullptr : item;
}

Result<Write> PutItems(const Store& store, const Request& request, bool one) {
  const Result<Json> entries = EntriesOfBody(request, one);
  if (!entries.ok()) return entries.status();
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  Write write;
  for (size_t i = 0; i < entries->size(); ++i) {
    const std::string where = Where(i, one);
    JsonFields fields((*entries)[i], where);
    const std::string id = fields.RequiredId("ItemId");
    RAPPORT_RETURN_IF_ERROR(fields.status());
    Result<Item> item =
        GorseItemFromJson((*entries)[i], where, Extent::kWhole, FindItem(*catalog, id), request.received_at);
    if (!item.ok()) return item.status();
    write.operations.push_back(PutItem{item.Take()});
    ++write.rows;
  }
  return write;
}

Result<Write> PatchOneItem(const Store& store, const Request& request) {
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  const Item* known = FindItem(*catalog, request.Parameter("item"));
  if (known == nullptr) return NoItem(request.Parameter("item"));
  const Result<Json> entry = EntriesOfBody(request, true);
  if (!entry.ok()) return entry.status();
  Result<Item> item = GorseItemFromJson((*entry)[0], "", Extent::kNamedOnly, known, request.received_at);
  if (!item.ok()) return item.status();
  return Write{{PutItem{item.Take()}}, 1};
}

Result<Write> DeleteOneItem(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  const std::string& id = request.Parameter("item");
  if (FindItem(*store.catalog(), id) == nullptr) return Write{};
  return Write{{DeleteItem{id}}, 1};
}

enum class Category { kAdd, kRemove };
Result<Write> ChangeCategory(const Store& store, const Request& request, Category change) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  const Item* known = FindItem(*catalog, request.Parameter("item"));
  if (known == nullptr) return NoItem(request.Parameter("item"));
  const std::string& category = request.Parameter("category");
  std::vector<std::string> categories = known->categories;
  std::erase(categories, category);
  if (change == Category::kAdd) categories.push_back(category);
  PatchItem patch;
  patch.external_id = known->external_id;
  patch.categories = std::move(categories);
  RAPPORT_RETURN_IF_ERROR(ValidateOperation(patch));
  return Write{{std::move(patch)}, 1};
}

Result<Response> GetItem(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  const Item* item = FindItem(*catalog, request.Parameter("item"));
  if (item == nullptr) return NoItem(request.Parameter("item"));
  JsonWriter out;
  WriteGorseItem(out, *item);
  return JsonResponse(200, out.Take());
}

// ---- feedback ----

// The books of the users of one request, read once each.
class Books {
 public:
  explicit Books(const Store& store) : store_(store) {}
  Result<GorseFeedbackBook*> Of(const std::string& user) {
    const auto found = books_.find(user);
    if (found != books_.end()) return &found->second;
    Result<GorseFeedbackBook> book = GorseFeedbackBook::Read(store_, user);
    if (!book.ok()) return book.status();
    return &books_.emplace(user, book.Take()).first->second;
  }

 private:
  const Store& store_;
  std::map<std::string, GorseFeedbackBook> books_;
};

// Items and users that feedback names and nobody knows are made, as Gorse does.
void AddUnknown(const Store& store, const Catalog& catalog, const GorseFeedback& feedback, Timestamp now,
                std::set<std::string>* made, std::vector<Operation>* operations) {
  if (FindItem(catalog, feedback.item) == nullptr && made->insert("i" + feedback.item).second) {
    Item item;
    item.external_id = feedback.item;
    item.updated_at = now;
    operations->push_back(PutItem{std::move(item)});
  }
  const std::optional<Profile> user = FindGorseUser(store, feedback.user, true);
  if (!user || !IsGorseDeleted(*user) || !made->insert("u" + feedback.user).second) return;
  const Json named{{"UserId", feedback.user}};
  Result<std::vector<Operation>> revived = GorseUserFromJson(named, "", Extent::kNamedOnly, user, now);
  if (revived.ok()) std::move(revived->begin(), revived->end(), std::back_inserter(*operations));
}

Result<Write> PutFeedback(const Store& store, const Request& request, GorseFeedbackBook::IfThere if_there) {
  const Result<Json> entries = EntriesOfBody(request, false);
  if (!entries.ok()) return entries.status();
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  Books books(store);
  std::set<std::string> made;
  Write write;
  for (size_t i = 0; i < entries->size(); ++i) {
    const std::string where = Where(i, false);
    const Result<GorseFeedback> feedback = GorseFeedbackFromJson((*entries)[i], where);
    if (!feedback.ok()) return feedback.status();
    const Result<GorseFeedbackBook*> book = books.Of(feedback->user);
    if (!book.ok()) return book.status();
    ++write.rows;
    std::optional<Operation> said = (*book)->Say(*feedback, if_there, request.received_at);
    if (!said) continue;
    const Status valid = ValidateOperation(*said);
    if (!valid.ok()) return Status(valid.code(), where + valid.message());
    AddUnknown(store, *catalog, *feedback, request.received_at, &made, &write.operations);
    write.operations.push_back(std::move(*said));
  }
  return write;
}

Result<Write> DeleteFeedback(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  Result<GorseFeedbackBook> book = GorseFeedbackBook::Read(store, request.Parameter("user"));
  if (!book.ok()) return book.status();
  const std::string &type = request.Parameter("type"), &item = request.Parameter("item");
  std::vector<GorseFeedbackBook::Key> keys;
  for (const auto& [key, entry] : book->entries()) {
    if (key.second == item && (type.empty() || key.first == type)) keys.push_back(key);
  }
  Write write;
  for (const GorseFeedbackBook::Key& key : keys) {
    std::optional<Operation> taken = book->TakeBack(key, request.received_at);
    if (!taken) continue;
    write.operations.push_back(std::move(*taken));
    ++write.rows;
  }
  return write;
}

// ---- recommendations with what was shown written back ----

// GET /api/recommend/{user}: ids from `offset` on. With write-back-type they are kept as feedback before they are told.
void Recommend(const Engine& engine, const Request& request, Responder respond) {
  const Result<GorsePage> page = GorseRecommendPage(engine, request);
  if (!page.ok()) return respond(ProblemResponse(page.status()));
  JsonWriter out;
  out.BeginArray();
  for (const std::string& id : page->ids) out.String(id);
  Response answer = JsonResponse(200, out.EndArray().Take());
  if (page->write_back_type.empty() || page->ids.empty()) return respond(std::move(answer));
  Result<GorseFeedbackBook> book = GorseFeedbackBook::Read(engine.store(), request.Parameter("user"));
  if (!book.ok()) return respond(ProblemResponse(book.status()));
  std::vector<Operation> operations;
  for (const std::string& id : page->ids) {
    const GorseFeedback shown{page->write_back_type, request.Parameter("user"), id, "", page->write_back_at, {}};
    std::optional<Operation> said = book->Say(shown, GorseFeedbackBook::IfThere::kIsOverwritten, request.received_at);
    if (!said) continue;
    const Status valid = ValidateOperation(*said);
    if (!valid.ok()) return respond(ProblemResponse(valid));
    operations.push_back(std::move(*said));
  }
  ApplyThenAnswer(engine.store(), std::move(operations), std::move(respond),
                  [answer](const std::vector<OperationResult>& results) { return AnswerOfOne(results, answer); });
}

}  // namespace

void AddGorseRoutes(RouteTable& table, const EndpointContext& context) {
  Store& store = context.engine.store();
  const Engine& engine = context.engine;
  const auto write = [&](Method method, const char* pattern, Scope scope,
                         std::function<Result<Write>(const Request&)> read) {
    table.Add({method, pattern, scope, Writes(store, std::move(read))});
  };
  const auto get = [&](const char* pattern, Scope scope, Work work,
                       std::function<Result<Response>(const Request&)> read) {
    const auto checked = [read = std::move(read)](const Request& request) -> Result<Response> {
      RAPPORT_RETURN_IF_ERROR(CheckPath(request));
      return read(request);
    };
    table.Add({Method::kGet, pattern, scope, Synchronous(checked), Browsers::kRefused, work});
  };
  using Q = const Request&;
  write(Method::kPost, "/api/user", Scope::kCustomers, [&](Q request) { return PutUsers(store, request, true); });
  write(Method::kPost, "/api/users", Scope::kCustomers, [&](Q request) { return PutUsers(store, request, false); });
  write(Method::kPatch, "/api/user/{user}", Scope::kCustomers, [&](Q request) { return PatchUser(store, request); });
  write(Method::kDelete, "/api/user/{user}", Scope::kCustomers, [&](Q request) { return DeleteUser(store, request); });
  get("/api/user/{user}", Scope::kCustomers, Work::kShort, [&](Q request) { return GetUser(store, request); });
  get("/api/users", Scope::kCustomers, Work::kLong, [&](Q request) { return GorseUsers(store, request); });

  write(Method::kPost, "/api/item", Scope::kCatalog, [&](Q request) { return PutItems(store, request, true); });
  write(Method::kPost, "/api/items", Scope::kCatalog, [&](Q request) { return PutItems(store, request, false); });
  write(Method::kPatch, "/api/item/{item}", Scope::kCatalog, [&](Q request) { return PatchOneItem(store, request); });
  write(Method::kDelete, "/api/item/{item}", Scope::kCatalog, [&](Q request) { return DeleteOneItem(store, request); });
  write(Method::kPut, "/api/item/{item}/category/{category}", Scope::kCatalog,
        [&](Q request) { return ChangeCategory(store, request, Category::kAdd); });
  write(Method::kDelete, "/api/item/{item}/category/{category}", Scope::kCatalog,
        [&](Q request) { return ChangeCategory(store, request, Category::kRemove); });
  get("/api/item/{item}", Scope::kCatalog, Work::kShort, [&](Q request) { return GetItem(store, request); });
  get("/api/items", Scope::kCatalog, Work::kShort, [&](Q request) { return GorseItems(store, request); });

  write(Method::kPost, "/api/feedback", Scope::kEvents,
        [&](Q request) { return PutFeedback(store, request, GorseFeedbackBook::IfThere::kStays); });
  write(Method::kPut, "/api/feedback", Scope::kEvents,
        [&](Q request) { return PutFeedback(store, request, GorseFeedbackBook::IfThere::kIsOverwritten); });
  for (const char* pattern : {"/api/feedback/{user}/{item}", "/api/feedback/{type}/{user}/{item}"}) {
    write(Method::kDelete, pattern, Scope::kCustomers, [&](Q request) { return DeleteFeedback(store, request); });
    get(pattern, Scope::kCustomers, Work::kShort, [&](Q request) { return GorseFeedbackOfTwo(store, request); });
  }
  for (const char* pattern : {"/api/feedback", "/api/feedback/{type}"}) {
    get(pattern, Scope::kCustomers, Work::kLong, [&](Q request) { return GorseFeedbackPage(store, request); });
  }
  for (const char* pattern : {"/api/user/{user}/feedback", "/api/user/{user}/feedback/{type}"}) {
    get(pattern, Scope::kCustomers, Work::kShort, [&](Q request) { return GorseFeedbackOfUser(store, request); });
  }
  for (const char* pattern : {"/api/item/{item}/feedback", "/api/item/{item}/feedback/{type}"}) {
    get(pattern, Scope::kCustomers, Work::kLong, [&](Q request) { return GorseFeedbackOfItem(store, request); });
  }

  for (const char* pattern : {"/api/recommend/{user}", "/api/recommend/{user}/{category}"}) {
    table.Add({Method::kGet, pattern, Scope::kRecommend,
               [&](Q request, Responder respond) { Recommend(engine, request, std::move(respond)); }});
  }
  for (const char* pattern : {"/api/session/recommend", "/api/session/recommend/{category}"}) {
    table.Add({Method::kPost, pattern, Scope::kRecommend,
               Synchronous([&](Q request) { return GorseSession(engine, request); })});
  }
  const auto board = [&](const std::string& name, BoardKind kind) {
    for (const std::string& pattern : {"/api/" + name, "/api/" + name + "/{category}"}) {
      get(pattern.c_str(), Scope::kRecommend, Work::kShort,
          [&engine, kind](Q request) { return GorseBoard(engine, kind, request); });
    }
  };
  board("popular", BoardKind::kPopular);
  board("latest", BoardKind::kLatest);
  for (const char* pattern : {"/api/item/{item}/neighbors", "/api/item/{item}/neighbors/{category}"}) {
    get(pattern, Scope::kRecommend, Work::kShort, [&](Q request) { return GorseItemNeighbours(engine, request); });
  }
  get("/api/user/{user}/neighbors", Scope::kCustomers, Work::kLong,
      [&](Q request) { return GorseUserNeighbours(store, request); });
}

}  // namespace rapport
