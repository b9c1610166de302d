// What is kept, as plain values: customers' profiles, items, events, consents, links, decisions, keys, models.
// Byte layouts are in data/codec.h and docs/DATA.md. Persisted enums are never renumbered.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/crypto.h"
#include "base/ids.h"
#include "base/text.h"
#include "base/time.h"
#include "data/event_types.h"

namespace rapport {

// A typed trait or attribute. Lists are of text.
using Value = std::variant<bool, double, std::string, std::vector<std::string>>;
using Attributes = std::map<std::string, Value>;

// ---- Customers -------------------------------------------------------------------------------------------------

// Two name spaces, as in Segment's spec: an anonymous "7" is not the user "7".
enum class CustomerNamespace : uint8_t { kUser = 0, kAnonymous = 1 };

// How the outside names a customer.
struct CustomerRef {
  CustomerNamespace name_space = CustomerNamespace::kUser;
  std::string external_id;
  bool operator==(const CustomerRef&) const = default;
};

enum class Personalization : uint8_t { kOn = 0, kOff = 1 };

// When the newest word about each field of a profile was said, so that an older one that arrives late changes nothing.
// Traits by name, the profile's own fields as kOwnField + name; a removed trait keeps its time.
using FieldTimes = std::map<std::string, Timestamp>;
inline constexpr char kOwnField = '\x01';

struct Profile {
  CustomerId id;
  CustomerRef ref;
  Personalization personalization = Personalization::kOn;
  std::string time_zone;               // IANA name, empty: unknown
  std::string locale;                  // BCP 47, empty: unknown
  std::string country;                 // as sent
  std::vector<std::string> audiences;  // groups this customer belongs to: what Item::audience asks for
  Attributes traits;
  Timestamp created_at;
  Timestamp updated_at;
  FieldTimes told_at;
};

struct Consent {
  std::string channel;  // "email", "sms", ...
  std::string purpose;  // "marketing", ...
  bool given = false;
  Timestamp time;
  std::string source;  // who says so: "checkout form"
  std::string proof;   // what was shown or signed
};

// `child` is read as a part of `parent` since `time`; events stay where they are, so a link can be undone.
struct Link {
  CustomerId child;
  CustomerId parent;
  Timestamp time;
};

// ---- Items -----------------------------------------------------------------------------------------------------

struct Item {
  ItemId id;
  std::string external_id;
  std::string kind = "product";
  std::string title;
  std::vector<std::string> categories;
  std::vector<std::string> tags;
  std::optional<Decimal> price;           // in the shop's one currency
  std::optional<Decimal> margin;          // per unit, same currency
  std::optional<int64_t> stock;           // nullopt: not counted; <= 0: not shown
  bool available = true;                  // false: not shown for now
  bool hidden = false;                    // true: never shown (postage, adjustments)
  bool catalogued = false;                // false: known from events only, never shown until it is put
  std::vector<std::string> audience;      // empty: everybody; otherwise customers with one of these audiences
  std::string variant_of;                 // external id of the product this is a variant of; empty: stands alone
  std::optional<Timestamp> published_at;  // not shown before
  std::optional<Timestamp> expires_at;    // not shown from then on
  std::string language;
  Attributes attributes;
  std::vector<float> embedding;
  Timestamp updated_at;
};

// ---- Events ----------------------------------------------------------------------------------------------------

// One product of an event.
struct ItemLine {
  ItemId item;
  int64_t quantity = 1;          // negative: came back
  std::optional<Decimal> price;  // of one unit
};

enum class TimeMark : uint8_t { kAsSent = 0, kClamped = 1 /* was in the future: set to arrival */ };

// What a contact's events say beside the rest; empty for all others.
struct ContactFacts {
  std::string purpose;             // of what was sent: "marketing", "service"; empty: not said
  std::string link;                // that was clicked
  std::optional<Timestamp> at;     // of a planned one: when it will be sent
  std::optional<double> affinity;  // of a planned one: what the content model thought of it, -1 to 1
  bool operator==(const ContactFacts&) const = default;
};

// One fact about a customer; appended, never changed.
struct Event {
  EventId id;
  CustomerId customer;  // as it was named then; links are followed at read
  EventType type = EventType::kCustom;
  TimeMark time_mark = TimeMark::kAsSent;
  Timestamp time;  // when it happened
  Timestamp received_at;
  std::string name;        // the sender's name of it ("Product Viewed")
  std::string source;      // name space of message_id: a write key's id, or an import's name
  std::string message_id;  // identity within (customer, source)
  std::string order_id;    // basket, invoice, contact, case: what several events are about; empty: none
  std::string store_id;
  std::string channel;
  std::optional<double> value;  // rating, revenue
  std::vector<ItemLine> lines;
  std::string properties;  // the sender's JSON object, as it is; empty: none
  ContactFacts contact;
};

// The part of a contact's or case's event that rules and response models read.
struct ContactEntry {
  EventId event;
  EventType type = EventType::kSent;
  Timestamp time;
  std::string contact_id;  // Event::order_id
  std::string channel;
  std::string place;  // Event::store_id
  ContactFacts facts;
  ItemId item;  // the content; 0: not said
};

// The part of an event line that models and filters read.
struct HistoryEntry {
  EventId event;
  ItemId item;
  EventType type = EventType::kCustom;
  Timestamp time;
  int64_t quantity = 1;
  std::optional<double> value;
  std::string name;      // only of kCustom events: their weight is looked up by it
  std::string order_id;  // only of kOrdered, kRefunded, kCancelled
};

// Everything a customer ever did with an item, for filters that never forget. Commutative: see data/codec.h.
struct ItemSetEntry {
  ItemId item;
  bool viewed = false;
  bool ordered = false;
  int64_t owned = 0;  // ordered less refunded; > 0: owned
};
using ItemSet = std::vector<ItemSetEntry>;  // ascending by item, unique

// ---- Decisions, keys, models -----------------------------------------------------------------------------------

struct Decision {
  std::string id;  // external, opaque
  CustomerId customer;
  Timestamp time;
  uint64_t generation = 0;
  std::string body;  // JSON: arm, propensity, shortlist, reasons, prices
};

enum class Scope : uint8_t {
  kEvents = 0,
  kRecommend = 1,
  kCatalog = 2,
  kCustomers = 3,
  kCampaigns = 4,
  kDesk = 5,
  kModels = 6,
  kOperate = 7,
};
inline constexpr size_t kScopeCount = 8;
const char* ScopeName(Scope scope);
std::optional<Scope> ScopeFromName(const std::string& name);

enum class KeyKind : uint8_t { kServer = 0, kBrowser = 1 };

// An API key: only the hash of its secret is kept.
struct ApiKey {
  std::string id;  // public half, 12 characters
  Digest256 secret_hash{};
  KeyKind kind = KeyKind::kServer;
  uint8_t scopes = 0;  // bit per Scope
  std::string name;
  Timestamp created_at;
  std::optional<Timestamp> expires_at;
  bool revoked = false;
};

enum class ModelState : uint8_t {
  kCandidate = 0,
  kActive = 1,
  kRetired = 2,
  kRefused = 3,
  kRemoved = 4,  // its file is gone, the record stays
};

// One row of the models' registry.
struct ModelRecord {
  uint64_t generation = 0;
  std::string kind = "content";
  std::string file;  // name inside DATA/models
  Digest256 sha256{};
  ModelState state = ModelState::kCandidate;
  Timestamp created_at;
  std::string report;  // JSON: options, data, metrics, the gate's words
};

}  // namespace rapport
