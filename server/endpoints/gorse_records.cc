// See gorse_records.h.
#include "server/endpoints/gorse_records.h"

#include <algorithm>
#include <array>

#include "base/crypto.h"
#include "base/limits.h"
#include "data/io/json_reader.h"
#include "data/io/json_text.h"

namespace rapport {
namespace {

constexpr const char* kLabels = "gorse.labels";
constexpr const char* kComment = "gorse.comment";
constexpr const char* kDeleted = "gorse.deleted";
constexpr const char* kFeedbackAfter = "gorse.feedbackAfter";
constexpr size_t kUserEventsMax = 1000000;
constexpr const char* kZeroTime = "0001-01-01T00:00:00Z";  // as Gorse writes "no time"
constexpr double kLikedValue = 5, kDislikedValue = 1;

bool IsTexts(const Json& value) {
  return value.is_array() && std::all_of(value.begin(), value.end(), [](const Json& one) { return one.is_string(); });
}

// A list of texts as it is; anything else as its JSON text.
Value LabelsValue(const Json& labels) {
  if (IsTexts(labels)) return labels.get<std::vector<std::string>>();
  return DumpJson(labels);
}

const Json* LabelsOf(JsonFields& fields) {
  const Json* labels = fields.Find("Labels");
  if (labels == nullptr || IsTexts(*labels) || labels->is_object()) return labels;
  fields.FailField("Labels", "must be texts or an object");
  return nullptr;
}

void WriteLabels(JsonWriter& out, const Attributes& attributes) {
  const auto found = attributes.find(kLabels);
  if (found == attributes.end()) {
    out.Null();
  } else if (const auto* text = std::get_if<std::string>(&found->second)) {
    const Result<Json> parsed = ParseJson(*text);
    out.Raw(parsed.ok() ? DumpJson(*parsed) : "null");
  } else {
    out.Raw(DumpJson(ValueToJson(found->second)));
  }
}

void WriteTexts(JsonWriter& out, const std::vector<std::string>& texts) {
  out.BeginArray();
  for (const std::string& text : texts) out.String(text);
  out.EndArray();
}

void WriteTime(JsonWriter& out, const std::optional<Timestamp>& time) {
  if (time) {
    out.Time(*time);
  } else {
    out.String(kZeroTime);
  }
}

bool IsOneOf(const std::string& word, std::initializer_list<std::string_view> words) {
  std::string lower = word;
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c == '-' || c == '_' ? ' ' : c);
  return std::find(words.begin(), words.end(), lower) != words.end();
}

// What a type of feedback says in Rapport's words; the shop's own words are custom events, weighted by configuration.
EventType TypeOf(const GorseFeedback& feedback, std::optional<double>* value) {
  const std::string& type = feedback.type;
  if (IsOneOf(type, {"read", "seen", "show", "shown", "impression", "exposure"})) return EventType::kShown;
  if (IsOneOf(type, {"view", "watch", "visit", "play", "detail"})) return EventType::kViewed;
  if (IsOneOf(type, {"click", "open"})) return EventType::kClicked;
  if (IsOneOf(type, {"cart", "add to cart", "basket", "wishlist"})) return EventType::kAdded;
  if (IsOneOf(type, {"buy", "purchase", "order", "pay"})) return EventType::kOrdered;
  if (IsOneOf(type, {"like", "star", "favorite", "favourite", "love", "bookmark", "upvote"})) {
    *value = kLikedValue;
    return EventType::kRated;
  }
  if (IsOneOf(type, {"dislike", "downvote", "hide"})) {
    *value = kDislikedValue;
    return EventType::kRated;
  }
  return feedback.value && IsOneOf(type, {"rate", "rating"}) ? EventType::kRated : EventType::kCustom;
}

// What takes it back in the history that models read.
EventType OppositeOf(EventType type) {
  if (type == EventType::kAdded) return EventType::kRemoved;
  return type == EventType::kOrdered ? EventType::kRefunded : EventType::kCustom;
}

Operation EventOf(const GorseFeedback& feedback, size_t number, bool deleted, Timestamp now) {
  AppendEvent append{{CustomerNamespace::kUser, feedback.user}, {}, {{feedback.item, 1, std::nullopt}}};
  Event& event = append.event;
  event.value = feedback.value;
  event.type = TypeOf(feedback, &event.value);
  if (deleted) event.type = OppositeOf(event.type);
  event.time = deleted ? now : feedback.timestamp.value_or(now);
  event.received_at = now;
  event.name = deleted ? "Feedback Deleted" : feedback.type;
  event.source = kGorseSource;
  const std::string three = feedback.type + std::string(1, '\0') + feedback.item;
  event.message_id =
      ToHex(std::string_view(reinterpret_cast<const char*>(Sha256(three).data()), 16)) + ":" + std::to_string(number);
  Json said{{"type", feedback.type}};
  if (feedback.timestamp) said["timestamp"] = FormatRfc3339(*feedback.timestamp);
  if (!feedback.comment.empty()) said["comment"] = feedback.comment;
  if (feedback.value) said["value"] = *feedback.value;
  if (deleted) said["deleted"] = true;
  event.properties = DumpJson(Json{{"gorse", std::move(said)}});
  return append;
}

bool Same(const GorseFeedback& a, const GorseFeedback& b) {
  return a.timestamp == b.timestamp && a.comment == b.comment && a.value == b.value;
}

}  // namespace

Result<std::optional<Timestamp>> GorseTime(const Json& object, const char* name, const std::string& where) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null() || *found == "" || *found == kZeroTime) {
    return std::optional<Timestamp>();
  }
  Json value = *found;
  constexpr size_t kDateLength = 10;
  if (value.is_string() && value.get_ref<const std::string&>().size() == kDateLength) {
    value = value.get<std::string>() + "T00:00:00Z";
  }
  const Result<Timestamp> time = TimeFromJson(value);
  if (!time.ok()) return Status::InvalidArgument(where + name + " " + time.status().message());
  return std::optional<Timestamp>(*time);
}

// ---- users ----

Result<std::vector<Operation>> GorseUserFromJson(const Json& object, const std::string& where, Extent extent,
                                                 const std::optional<Profile>& known, Timestamp now) {
  JsonFields fields(object, where);
  UpdateProfile update;
  update.time = now;
  update.customer = {CustomerNamespace::kUser, known ? known->ref.external_id : ""};
  if (update.customer.external_id.empty()) update.customer.external_id = fields.RequiredId("UserId");
  const Json* labels = LabelsOf(fields);
  const std::optional<std::string> comment = fields.Text("Comment", limits::kAttributeBytesMax);
  RAPPORT_RETURN_IF_ERROR(fields.status());
  const Value cleared = std::vector<std::string>();  // a trait sent as an empty list is removed
  if (labels != nullptr) update.traits[kLabels] = LabelsValue(*labels);
  if (comment) update.traits[kComment] = *comment;
  if (extent == Extent::kWhole) {
    update.traits.try_emplace(kLabels, cleared);
    update.traits.try_emplace(kComment, cleared);
  }
  std::vector<Operation> operations;
  if (known && IsGorseDeleted(*known)) {
    const auto* before = std::get_if<std::string>(&known->traits.at(kDeleted));
    if (before != nullptr && *before == "on") {
      operations.push_back(SetPersonalization{update.customer, Personalization::kOn, now});
    }
    update.traits[kDeleted] = cleared;
  }
  operations.insert(operations.begin(), std::move(update));
  for (const Operation& operation : operations) RAPPORT_RETURN_IF_ERROR(ValidateOperation(operation));
  return operations;
}

void WriteGorseUser(JsonWriter& out, const Profile& profile) {
  out.BeginObject().Key("UserId").String(profile.ref.external_id);
  WriteLabels(out.Key("Labels"), profile.traits);
  out.Key("Subscribe").Null();
  const auto comment = profile.traits.find(kComment);
  const auto* text = comment == profile.traits.end() ? nullptr : std::get_if<std::string>(&comment->second);
  out.Key("Comment").String(text == nullptr ? "" : *text).EndObject();
}

bool IsGorseDeleted(const Profile& profile) { return profile.traits.contains(kDeleted); }

uint64_t GorseFeedbackAfter(const Profile& profile) {
  const auto found = profile.traits.find(kFeedbackAfter);
  const auto* number = found == profile.traits.end() ? nullptr : std::get_if<double>(&found->second);
  return number == nullptr || *number < 0 ? 0 : static_cast<uint64_t>(*number);
}

Operation DeleteGorseUser(const Profile& profile, EventId last_event, Timestamp now) {
  UpdateProfile update;
  update.customer = profile.ref;
  update.time = now;
  update.traits[kDeleted] = std::string(profile.personalization == Personalization::kOn ? "on" : "off");
  update.traits[kFeedbackAfter] = static_cast<double>(last_event.value);
  update.traits[kLabels] = update.traits[kComment] = std::vector<std::string>();
  return update;
}

std::optional<Profile> FindGorseUser(const Store& store, const std::string& user, bool with_deleted) {
  const std::optional<CustomerId> id = store.FindCustomer({CustomerNamespace::kUser, user});
  if (!id) return std::nullopt;
  Result<Profile> profile = store.GetProfile(*id);
  if (!profile.ok() || (!with_deleted && IsGorseDeleted(*profile))) return std::nullopt;
  return profile.Take();
}

// ---- items ----

Result<Item> GorseItemFromJson(const Json& object, const std::string& where, Extent extent, const Item* known,
                               Timestamp now) {
  JsonFields fields(object, where);
  Item item = known != nullptr && known->catalogued ? *known : Item{};
  item.external_id = known != nullptr ? known->external_id : fields.RequiredId("ItemId");
  item.updated_at = now;
  if (extent == Extent::kWhole) {
    item.title.clear();
    item.hidden = false;
    item.categories.clear();
    item.tags.clear();
    item.published_at.reset();
    item.attributes.erase(kLabels);
  }
  if (const auto comment = fields.Text("Comment", limits::kTitleBytesMax)) item.title = *comment;
  if (const auto hidden = fields.Flag("IsHidden")) item.hidden = *hidden;
  if (fields.Find("Categories") != nullptr) {
    item.categories = fields.Texts("Categories", limits::kItemListMax, limits::kShortTextBytesMax);
  }
  if (const Json* labels = LabelsOf(fields)) {
    item.tags.clear();
    item.attributes.erase(kLabels);
    if (IsTexts(*labels)) {
      item.tags = labels->get<std::vector<std::string>>();
    } else {
      item.attributes[kLabels] = DumpJson(*labels);
    }
  }
  RAPPORT_RETURN_IF_ERROR(fields.status());
  const Result<std::optional<Timestamp>> time = GorseTime(object, "Timestamp", where);
  if (!time.ok()) return time.status();
  if (*time) item.published_at = **time;
  RAPPORT_RETURN_IF_ERROR(ValidateOperation(PutItem{item}));
  return item;
}

void WriteGorseItem(JsonWriter& out, const Item& item) {
  out.BeginObject().Key("ItemId").String(item.external_id).Key("IsHidden").Bool(item.hidden);
  WriteTexts(out.Key("Categories"), item.categories);
  WriteTime(out.Key("Timestamp"), item.published_at);
  out.Key("Labels");
  if (item.attributes.contains(kLabels)) {
    WriteLabels(out, item.attributes);
  } else {
    WriteTexts(out, item.tags);
  }
  out.Key("Comment").String(item.title).EndObject();
}

// ---- feedback ----

Result<GorseFeedback> GorseFeedbackFromJson(const Json& object, const std::string& where) {
  JsonFields fields(object, where);
  GorseFeedback feedback;
  feedback.type = fields.RequiredText("FeedbackType", limits::kShortTextBytesMax);
  feedback.user = fields.RequiredId("UserId");
  feedback.item = fields.RequiredId("ItemId");
  feedback.comment = fields.Text("Comment", limits::kAttributeBytesMax).value_or("");
  feedback.value = fields.Number("Value", -1e12, 1e12);
  RAPPORT_RETURN_IF_ERROR(fields.status());
  Result<std::optional<Timestamp>> time = GorseTime(object, "Timestamp", where);
  if (!time.ok()) return time.status();
  feedback.timestamp = time.Take();
  return feedback;
}

void WriteGorseFeedback(JsonWriter& out, const GorseFeedback& feedback) {
  out.BeginObject().Key("FeedbackType").String(feedback.type).Key("UserId").String(feedback.user);
  out.Key("ItemId").String(feedback.item);
  WriteTime(out.Key("Timestamp"), feedback.timestamp);
  if (feedback.value) out.Key("Value").Number(*feedback.value);
  out.Key("Comment").String(feedback.comment).EndObject();
}

Result<GorseFeedbackBook> GorseFeedbackBook::Read(const Store& store, const std::string& user) {
  GorseFeedbackBook book;
  const std::optional<Profile> profile = FindGorseUser(store, user, true);
  if (!profile) return book;
  const Result<std::vector<Event>> events = store.ReadEvents(store.Root(profile->id), kUserEventsMax);
  if (!events.ok()) return events.status();
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  for (const Event& event : *events) {
    if (event.customer == profile->id) book.Add(event, *catalog, user, GorseFeedbackAfter(*profile));
  }
  return book;
}

void GorseFeedbackBook::Add(const Event& event, const Catalog& catalog, const std::string& user, uint64_t after) {
  if (event.source != kGorseSource || event.lines.size() != 1) return;
  const Item* item = catalog.Get(event.lines[0].item);
  const Json properties = Json::parse(event.properties, nullptr, false);
  if (item == nullptr || !properties.is_object() || !properties.contains("gorse")) return;
  const Json& said = properties["gorse"];
  if (!said.is_object()) return;
  const auto text = [&](const char* name) {
    const auto found = said.find(name);
    return found != said.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  Entry& entry = entries_[{text("type"), item->external_id}];
  ++entry.events;
  entry.present = (!said.contains("deleted") || said["deleted"] != true) && event.id.value > after;
  entry.feedback = {text("type"), user, item->external_id, text("comment"), std::nullopt, std::nullopt};
  if (said.contains("value") && said["value"].is_number()) entry.feedback.value = said["value"].get<double>();
  const Result<Timestamp> time = ParseRfc3339(text("timestamp"));
  entry.feedback.timestamp = time.ok() ? *time : event.time;
}

std::optional<Operation> GorseFeedbackBook::Say(const GorseFeedback& feedback, IfThere if_there, Timestamp now) {
  Entry& entry = entries_[{feedback.type, feedback.item}];
  GorseFeedback said = feedback;
  if (!said.timestamp) said.timestamp = now;
  const bool stays = if_there == IfThere::kStays || Same(said, entry.feedback);
  if (entry.present && stays) return std::nullopt;
  Operation operation = EventOf(said, entry.events++, false, now);
  entry.feedback = std::move(said);
  entry.present = true;
  return operation;
}

std::optional<Operation> GorseFeedbackBook::TakeBack(const Key& key, Timestamp now) {
  const auto found = entries_.find(key);
  if (found == entries_.end() || !found->second.present) return std::nullopt;
  found->second.present = false;
  return EventOf(found->second.feedback, found->second.events++, true, now);
}

Status ForEachGorseBook(const Store& store,
                        const std::function<bool(const Profile&, const GorseFeedbackBook&)>& visit) {
  const std::shared_ptr<const Catalog> catalog = store.catalog();
  std::optional<Profile> profile;
  GorseFeedbackBook book;
  bool go_on = true;
  const auto tell = [&] {
    if (profile && !IsGorseDeleted(*profile) && profile->ref.name_space == CustomerNamespace::kUser) {
      go_on = visit(*profile, book);
    }
    return go_on;
  };
  Status failed;
  RAPPORT_RETURN_IF_ERROR(store.ForEachEvent([&](const Event& event) {
    if (!profile || profile->id != event.customer) {
      if (!tell()) return false;
      Result<Profile> next = store.GetProfile(event.customer);
      if (!next.ok()) failed = next.status();
      if (!next.ok()) return false;
      profile = next.Take();
      book = GorseFeedbackBook();
    }
    book.Add(event, *catalog, profile->ref.external_id, GorseFeedbackAfter(*profile));
    return true;
  }));
  RAPPORT_RETURN_IF_ERROR(failed);
  if (go_on) tell();
  return Status::Ok();
}

}  // namespace rapport
