// See gorse_lists.h.
#include "server/endpoints/gorse_lists.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/crypto.h"
#include "base/limits.h"
#include "base/text.h"
#include "server/endpoints/gorse_records.h"
#include "server/endpoints/support.h"

namespace rapport {
namespace {

constexpr size_t kPageDefault = 10;
constexpr int64_t kDelayMsMax = 366 * kDayMs;

struct Page {
  size_t n = kPageDefault, offset = 0;
  // How many to ask for; what lies beyond is the end of the list.
  size_t count() const { return std::min(offset + n, limits::kRecommendationCountMax); }
};

Result<Page> PageOf(const Request& request) {
  Page page;
  if (request.query.contains("n")) {
    const Result<size_t> n = ParseCount(request.Query("n"), "n", 1, limits::kRecommendationCountMax);
    if (!n.ok()) return n.status();
    page.n = *n;
  }
  if (request.query.contains("offset")) {
    const Result<size_t> offset = ParseCount(request.Query("offset"), "offset", 0, limits::kRecommendationCountMax);
    if (!offset.ok()) return offset.status();
    page.offset = *offset;
  }
  return page;
}

// "KIND:a:b" behind the cursor's opaque text; {0, 0} without one.
struct Cursor {
  uint64_t first = 0, second = 0;
};
std::string CursorText(const std::string& kind, Cursor cursor) {
  return ToBase64Url(kind + ":" + std::to_string(cursor.first) + ":" + std::to_string(cursor.second));
}
Result<Cursor> CursorOf(const Request& request, const std::string& kind) {
  const std::string& text = request.query.contains("cursor") ? request.Query("cursor") : request.Query("Cursor");
  if (text.empty()) return Cursor{};
  const Result<std::string> plain = FromBase64Url(text);
  if (plain.ok() && plain->starts_with(kind + ":")) {
    const size_t colon = plain->find(':', kind.size() + 1);
    const auto number = [](std::string_view digits) { return ParseInt64(digits).value_or(-1); };
    const int64_t first = number(std::string_view(*plain).substr(kind.size() + 1, colon - kind.size() - 1));
    const int64_t second = colon == std::string::npos ? -1 : number(std::string_view(*plain).substr(colon + 1));
    if (first >= 0 && second >= 0) return Cursor{static_cast<uint64_t>(first), static_cast<uint64_t>(second)};
  }
  return Status::InvalidArgument("cursor is not one that this server gave out: start again without it");
}

// `category` of the path, else of the query, as a filter.
Result<std::string> CategoryFilter(const Request& request) {
  const std::string& in_path = request.Parameter("category");
  const std::string& category = in_path.empty() ? request.Query("category") : in_path;
  if (!in_path.empty() && !request.Query("category").empty()) {
    RAPPORT_RETURN_IF_ERROR(CheckId(request.Query("category"), "category"));
  }
  if (category.empty()) return std::string();
  RAPPORT_RETURN_IF_ERROR(CheckId(category, "category"));
  std::string filter = "category = '";
  for (const char c : category) filter += c == '\'' ? std::string("''") : std::string(1, c);
  return filter + "'";
}

struct Score {
  std::string id;
  double score = 0;
};
Response Scores(const std::vector<Score>& scores, const Page& page) {
  JsonWriter out;
  out.BeginArray();
  for (size_t i = page.offset; i < std::min(scores.size(), page.offset + page.n); ++i) {
    out.BeginObject().Key("Id").String(scores[i].id).Key("Score").Number(scores[i].score).EndObject();
  }
  return JsonResponse(200, out.EndArray().Take());
}
std::vector<Score> ScoresOf(const RecommendResponse& answer) {
  std::vector<Score> scores;
  for (const RecommendedItem& item : answer.items) scores.push_back({item.external_id, item.score});
  return scores;
}

// Items that a user has feedback on: shown no more, as Gorse does without "replacement".
Result<std::vector<std::string>> ItemsRead(const Store& store, const std::string& user) {
  const Result<GorseFeedbackBook> book = GorseFeedbackBook::Read(store, user);
  if (!book.ok()) return book.status();
  std::set<std::string> items;
  for (const auto& [key, entry] : book->entries()) {
    if (entry.present && items.size() < limits::kExcludeMax) items.insert(key.second);
  }
  return std::vector<std::string>(items.begin(), items.end());
}

// "1h30m", "90s", "250ms": Go's way to write a duration, as milliseconds.
Result<int64_t> ParseDelay(std::string_view text) {
  const Status bad = Status::InvalidArgument("write-back-delay must be a duration like 10m or 1h30m0s, at most a year");
  double total = 0;
  while (!text.empty()) {
    const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    const Result<Decimal> number = ParseDecimal(text.substr(0, digits));
    if (!number.ok()) return bad;
    text.remove_prefix(digits);
    const bool ms = text.starts_with("ms");
    const char unit = text.empty() ? '\0' : text[0];
    const double unit_ms = ms ? 1 : unit == 'h' ? kHourMs : unit == 'm' ? kMinuteMs : unit == 's' ? kSecondMs : 0;
    if (unit_ms == 0) return bad;
    total += number->ToDouble() * unit_ms;
    text.remove_prefix(ms ? 2 : 1);
  }
  return total <= static_cast<double>(kDelayMsMax) ? Result<int64_t>(std::llround(total)) : Result<int64_t>(bad);
}

Response FeedbackList(const std::vector<GorseFeedback>& list) {
  JsonWriter out;
  out.BeginArray();
  for (const GorseFeedback& feedback : list) WriteGorseFeedback(out, feedback);
  return JsonResponse(200, out.EndArray().Take());
}

// What of a book holds, of one type or all, of one item or all.
void Collect(const GorseFeedbackBook& book, const std::string& type, const std::string& item,
             std::vector<GorseFeedback>* list) {
  for (const auto& [key, entry] : book.entries()) {
    if (!entry.present || (!type.empty() && key.first != type) || (!item.empty() && key.second != item)) continue;
    list->push_back(entry.feedback);
  }
}

}  // namespace

Result<Response> GorseUsers(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {"n", "cursor", "Cursor"}));
  const Result<Page> page = PageOf(request);
  if (!page.ok()) return page.status();
  const Result<Cursor> cursor = CursorOf(request, "users");
  if (!cursor.ok()) return cursor.status();
  JsonWriter out;
  out.BeginObject().Key("Users").BeginArray();
  size_t found = 0;
  uint64_t last = 0;
  bool more = false;
  RAPPORT_RETURN_IF_ERROR(store.ForEachProfile([&](const Profile& profile) {
    const bool user = profile.ref.name_space == CustomerNamespace::kUser && !IsGorseDeleted(profile);
    if (!user || profile.id.value <= cursor->first) return true;
    more = found++ == page->n;
    if (more) return false;
    WriteGorseUser(out, profile);
    last = profile.id.value;
    return true;
  }));
  out.EndArray().Key("Cursor").String(more ? CursorText("users", {last, 0}) : "");
  return JsonResponse(200, out.EndObject().Take());
}

Result<Response> GorseItems(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {"n", "cursor", "Cursor"}));
  const Result<Page> page = PageOf(request);
  if (!page.ok()) return page.status();
  const Result<Cursor> cursor = CursorOf(request, "items");
  if (!cursor.ok()) return cursor.status();
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  JsonWriter out;
  out.BeginObject().Key("Items").BeginArray();
  size_t found = 0;
  uint64_t last = 0;
  bool more = false;
  for (uint64_t id = cursor->first + 1; id <= catalog->size() && !more; ++id) {
    const Item* item = catalog->Get(ItemId{id});
    if (item == nullptr || !item->catalogued) continue;
    more = found++ == page->n;
    if (more) break;
    WriteGorseItem(out, *item);
    last = id;
  }
  out.EndArray().Key("Cursor").String(more ? CursorText("items", {last, 0}) : "");
  return JsonResponse(200, out.EndObject().Take());
}

Result<Response> GorseFeedbackOfTwo(const Store& store, const Request& request) {
  // gorsejs sends what it was given for lists here too; there is one page.
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {"n", "cursor", "Cursor"}));
  RAPPORT_RETURN_IF_ERROR(PageOf(request).status());
  const std::string& type = request.Parameter("type");
  std::vector<GorseFeedback> list;
  if (FindGorseUser(store, request.Parameter("user"), false)) {
    const Result<GorseFeedbackBook> book = GorseFeedbackBook::Read(store, request.Parameter("user"));
    if (!book.ok()) return book.status();
    Collect(*book, type, request.Parameter("item"), &list);
  }
  if (type.empty()) return FeedbackList(list);
  if (list.empty()) {
    return Status::NotFound("there is no feedback of type " + QuoteForMessage(type) + " between this user and item");
  }
  JsonWriter out;
  WriteGorseFeedback(out, list.front());
  return JsonResponse(200, out.Take());
}

Result<Response> GorseFeedbackOfUser(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  std::vector<GorseFeedback> list;
  if (FindGorseUser(store, request.Parameter("user"), false)) {
    const Result<GorseFeedbackBook> book = GorseFeedbackBook::Read(store, request.Parameter("user"));
    if (!book.ok()) return book.status();
    Collect(*book, request.Parameter("type"), "", &list);
  }
  return FeedbackList(list);
}

Result<Response> GorseFeedbackOfItem(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {}));
  std::vector<GorseFeedback> list;
  RAPPORT_RETURN_IF_ERROR(ForEachGorseBook(store, [&](const Profile&, const GorseFeedbackBook& book) {
    Collect(book, request.Parameter("type"), request.Parameter("item"), &list);
    return true;
  }));
  return FeedbackList(list);
}

Result<Response> GorseFeedbackPage(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {"n", "cursor", "Cursor"}));
  const Result<Page> page = PageOf(request);
  if (!page.ok()) return page.status();
  const Result<Cursor> cursor = CursorOf(request, "feedback");
  if (!cursor.ok()) return cursor.status();
  JsonWriter out;
  out.BeginObject().Key("Feedback").BeginArray();
  size_t found = 0;
  Cursor next;
  bool more = false;
  // The cursor is (user, entries of this user that were told).
  RAPPORT_RETURN_IF_ERROR(ForEachGorseBook(store, [&](const Profile& profile, const GorseFeedbackBook& book) {
    if (profile.id.value < cursor->first) return true;
    std::vector<GorseFeedback> list;
    Collect(book, request.Parameter("type"), "", &list);
    for (size_t i = profile.id.value == cursor->first ? cursor->second : 0; i < list.size(); ++i) {
      more = found++ == page->n;
      if (more) return false;
      WriteGorseFeedback(out, list[i]);
      next = {profile.id.value, i + 1};
    }
    return true;
  }));
  out.EndArray().Key("Cursor").String(more ? CursorText("feedback", next) : "");
  return JsonResponse(200, out.EndObject().Take());
}

// ---- recommendations ----

Result<GorsePage> GorseRecommendPage(const Engine& engine, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(
      RefuseUnknownQuery(request, {"n", "offset", "category", "write-back-type", "write-back-delay"}));
  const std::string& user = request.Parameter("user");
  RAPPORT_RETURN_IF_ERROR(CheckId(user, "the user's id"));
  const Result<Page> page = PageOf(request);
  if (!page.ok()) return page.status();
  GorsePage answer;
  answer.write_back_type = request.Query("write-back-type");
  if (answer.write_back_type.size() > limits::kShortTextBytesMax) {
    return Status::InvalidArgument("write-back-type must be at most " + std::to_string(limits::kShortTextBytesMax) +
                                   " bytes");
  }
  if (!answer.write_back_type.empty() && !request.identity.Has(Scope::kEvents)) {
    return Status{StatusCode::kPermissionDenied, "write-back-type needs a key with the scope 'events' too"};
  }
  const Result<int64_t> delay_ms = ParseDelay(request.Query("write-back-delay"));
  if (!delay_ms.ok()) return delay_ms.status();
  answer.write_back_at = {request.received_at.ms + *delay_ms};
  RecommendRequest question;
  question.customer = CustomerRef{CustomerNamespace::kUser, user};
  question.kind = "";  // Gorse knows no kinds
  question.count = page->count();
  Result<std::string> filter = CategoryFilter(request);
  if (!filter.ok()) return filter.status();
  question.filter = filter.Take();
  question.now = request.received_at;
  Result<std::vector<std::string>> read = ItemsRead(engine.store(), user);
  if (!read.ok()) return read.status();
  question.exclude = read.Take();
  const Result<RecommendResponse> list = engine.Recommend(question);
  if (!list.ok()) return list.status();
  for (size_t i = page->offset; i < list->items.size(); ++i) answer.ids.push_back(list->items[i].external_id);
  return answer;
}

// The items of a session are seeds, the latest first.
Result<Response> GorseSession(const Engine& engine, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {"n", "offset", "category"}));
  const Result<Page> page = PageOf(request);
  if (!page.ok()) return page.status();
  const Result<Json> body = ParseJsonBody(request.body);
  if (!body.ok()) return body.status();
  if (!body->is_array() || body->size() > limits::kItemsPerPutMax) {
    return Status::InvalidArgument("the body must be an array of at most " + std::to_string(limits::kItemsPerPutMax) +
                                   " feedback");
  }
  std::vector<GorseFeedback> session;
  for (size_t i = 0; i < body->size(); ++i) {
    Json entry = (*body)[i];
    if (entry.is_object() && !entry.contains("UserId")) entry["UserId"] = "session";  // nobody's: no one is looked up
    Result<GorseFeedback> feedback = GorseFeedbackFromJson(entry, "[" + std::to_string(i) + "].");
    if (!feedback.ok()) return feedback.status();
    session.push_back(feedback.Take());
  }
  std::stable_sort(session.begin(), session.end(), [](const GorseFeedback& a, const GorseFeedback& b) {
    return a.timestamp.value_or(Timestamp{0}) > b.timestamp.value_or(Timestamp{0});
  });
  RecommendRequest question;
  question.kind = "";
  question.count = page->count();
  Result<std::string> filter = CategoryFilter(request);
  if (!filter.ok()) return filter.status();
  question.filter = filter.Take();
  question.now = request.received_at;
  for (const GorseFeedback& feedback : session) {
    const bool there =
        std::find(question.seed_items.begin(), question.seed_items.end(), feedback.item) != question.seed_items.end();
    if (!there && question.seed_items.size() < limits::kSeedItemsMax) question.seed_items.push_back(feedback.item);
  }
  const Result<RecommendResponse> list = engine.Recommend(question);
  if (!list.ok()) return list.status();
  return Scores(ScoresOf(*list), *page);
}

Result<Response> GorseBoard(const Engine& engine, BoardKind board, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {"n", "offset", "category", "user-id"}));
  const Result<Page> page = PageOf(request);
  if (!page.ok()) return page.status();
  ListRequest question;
  question.count = page->count();
  Result<std::string> filter = CategoryFilter(request);
  if (!filter.ok()) return filter.status();
  question.filter = filter.Take();
  question.now = request.received_at;
  std::vector<std::string> read;
  if (const std::string& user = request.Query("user-id"); !user.empty()) {
    RAPPORT_RETURN_IF_ERROR(CheckId(user, "user-id"));
    question.customer = CustomerRef{CustomerNamespace::kUser, user};
    Result<std::vector<std::string>> items = ItemsRead(engine.store(), user);
    if (!items.ok()) return items.status();
    read = items.Take();
    question.count = std::min(question.count + read.size(), limits::kRecommendationCountMax);
  }
  const Result<RecommendResponse> list = engine.Board(board, question);
  if (!list.ok()) return list.status();
  std::vector<Score> scores = ScoresOf(*list);
  std::erase_if(scores, [&](const Score& one) { return std::binary_search(read.begin(), read.end(), one.id); });
  return Scores(scores, *page);
}

Result<Response> GorseItemNeighbours(const Engine& engine, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {"n", "offset", "category"}));
  const Result<Page> page = PageOf(request);
  if (!page.ok()) return page.status();
  ListRequest question;
  question.count = page->count();
  Result<std::string> filter = CategoryFilter(request);
  if (!filter.ok()) return filter.status();
  question.filter = filter.Take();
  question.now = request.received_at;
  const Result<RecommendResponse> list = engine.Similar(request.Parameter("item"), question);
  if (!list.ok() && list.status().code() == StatusCode::kNotFound) return Scores({}, *page);
  if (!list.ok()) return list.status();
  return Scores(ScoresOf(*list), *page);
}

Result<Response> GorseUserNeighbours(const Store& store, const Request& request) {
  RAPPORT_RETURN_IF_ERROR(RefuseUnknownQuery(request, {"n", "offset"}));
  const Result<Page> page = PageOf(request);
  if (!page.ok()) return page.status();
  const std::optional<Profile> self = FindGorseUser(store, request.Parameter("user"), false);
  if (!self) return Scores({}, *page);
  std::set<ItemId> own, others;
  const auto add = [](const Event& event, std::set<ItemId>* items) {
    if (event.type == EventType::kShown) return;
    for (const ItemLine& line : event.lines) items->insert(line.item);
  };
  const Result<std::vector<Event>> events = store.ReadEvents(store.Root(self->id), limits::kHistoryEventsMax);
  if (!events.ok()) return events.status();
  for (const Event& event : *events) add(event, &own);
  std::vector<Score> scores;
  CustomerId at;
  const auto close = [&] {
    size_t shared = 0;
    for (const ItemId item : others) shared += own.contains(item) ? 1 : 0;
    const double size = std::sqrt(static_cast<double>(own.size()) * static_cast<double>(others.size()));
    others.clear();
    if (shared == 0 || at == self->id) return;
    const Result<Profile> profile = store.GetProfile(at);
    if (!profile.ok() || profile->ref.name_space != CustomerNamespace::kUser || IsGorseDeleted(*profile)) return;
    scores.push_back({profile->ref.external_id, static_cast<double>(shared) / size});
  };
  RAPPORT_RETURN_IF_ERROR(store.ForEachEvent([&](const Event& event) {
    if (at && event.customer != at) close();
    at = event.customer;
    add(event, &others);
    return true;
  }));
  if (at) close();
  std::stable_sort(scores.begin(), scores.end(), [](const Score& a, const Score& b) { return a.score > b.score; });
  return Scores(scores, *page);
}

}  // namespace rapport
