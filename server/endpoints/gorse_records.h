// Gorse's users, items and feedback as Rapport's records, for /api/* (docs/GORSE.md says what maps to what).
//
//   user      profile: Labels -> trait gorse.labels, Comment -> gorse.comment. A deleted one keeps its record: traits
//             gorse.deleted (what personalization was) and gorse.feedbackAfter (number of the last event that counts no
//             more), because events are facts and are never taken out.
//   item      catalogue: Comment -> title, Labels -> tags (attribute gorse.labels when they are no texts), Timestamp ->
//             publishedAt, IsHidden -> hidden. What Gorse does not know (price, stock) stays as it is.
//   feedback  event of source "gorse", known by (FeedbackType, UserId, ItemId); its properties
//             {"gorse": {"type", "timestamp", "comment", "value", "deleted"}}. The newest event of the three says what
//             holds: overwriting and deleting append.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "data/operations.h"
#include "data/store.h"
#include "server/endpoints/json_body.h"
#include "server/endpoints/json_writer.h"

namespace rapport {

inline constexpr const char* kGorseSource = "gorse";

// RFC 3339, a date alone, or absent (nullopt). Gorse's zero time is absent too.
Result<std::optional<Timestamp>> GorseTime(const Json& object, const char* name, const std::string& where);

// ---- users ----

// The operations that make `object` the user; `whole`: what is not named is cleared. `known`: of the store.
enum class Extent { kWhole, kNamedOnly };
Result<std::vector<Operation>> GorseUserFromJson(const Json& object, const std::string& where, Extent extent,
                                                 const std::optional<Profile>& known, Timestamp now);
void WriteGorseUser(JsonWriter& out, const Profile& profile);
bool IsGorseDeleted(const Profile& profile);
// The event up to which this user's feedback is gone; 0: none.
uint64_t GorseFeedbackAfter(const Profile& profile);
Operation DeleteGorseUser(const Profile& profile, EventId last_event, Timestamp now);
// nullopt: unknown, or deleted where `with_deleted` is false.
std::optional<Profile> FindGorseUser(const Store& store, const std::string& user, bool with_deleted);

// ---- items ----

Result<Item> GorseItemFromJson(const Json& object, const std::string& where, Extent extent, const Item* known,
                               Timestamp now);
void WriteGorseItem(JsonWriter& out, const Item& item);

// ---- feedback ----

struct GorseFeedback {
  std::string type, user, item, comment;
  std::optional<Timestamp> timestamp;  // as sent, also when it lies ahead
  std::optional<double> value;
};
Result<GorseFeedback> GorseFeedbackFromJson(const Json& object, const std::string& where);
void WriteGorseFeedback(JsonWriter& out, const GorseFeedback& feedback);

// What holds between one user and its items. One owner, one thread.
class GorseFeedbackBook {
 public:
  struct Entry {
    GorseFeedback feedback;
    size_t events = 0;  // that were said about the three so far: the number of the next one
    bool present = false;
  };
  using Key = std::pair<std::string, std::string>;  // type, item

  static Result<GorseFeedbackBook> Read(const Store& store, const std::string& user);
  // An event of this user, ascending by id; others than Gorse's are ignored. Those up to `after` count no more.
  void Add(const Event& event, const Catalog& catalog, const std::string& user, uint64_t after);
  const std::map<Key, Entry>& entries() const { return entries_; }

  // The event that says it, or none when nothing changes; keeps it in the book. `overwrite` false: what is there stays.
  enum class IfThere { kStays, kIsOverwritten };
  std::optional<Operation> Say(const GorseFeedback& feedback, IfThere if_there, Timestamp now);
  std::optional<Operation> TakeBack(const Key& key, Timestamp now);

 private:
  std::map<Key, Entry> entries_;
};

// Whose events of a run over all of them hold what; users ascending by when they were first known. Stops when `visit`
// says false. Reads every event: for lists and administration, not for page views.
Status ForEachGorseBook(const Store& store, const std::function<bool(const Profile&, const GorseFeedbackBook&)>& visit);

}  // namespace rapport
