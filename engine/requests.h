// Questions to the engine and its answers, as plain values. Protocol-free: server/endpoints turns JSON into these.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "data/catalog.h"
#include "data/records.h"
#include "engine/options.h"

namespace rapport {

struct CustomerView;  // engine/customer_view.h
struct ModelSet;      // engine/model_set.h

// What a request is answered from, each immutable: one catalogue, one set of models, one view of the customer.
struct RecommendContext {
  std::shared_ptr<const Catalog> catalog;
  std::shared_ptr<const ModelSet> models;
  std::shared_ptr<const CustomerView> customer;
};

// The same, to be recognised later without keeping it alive; never to be read.
struct RecommendGround {
  std::weak_ptr<const Catalog> catalog;
  std::weak_ptr<const ModelSet> models;
  std::weak_ptr<const CustomerView> customer;
};

// How personal an answer is, best first.
enum class Level : uint8_t { kPersonal, kSession, kSimilar, kSegment, kPopular, kStatic };
const char* LevelName(Level level);  // "personal"

// Which stage of the answer brought an item (engine/content/stages.h).
enum class Origin : uint8_t {
  kPinned,
  kBlend,
  kCold,     // the blend without a history: traits, what is popular, what is in season
  kFactors,  // of a model without a blend
  kRepeats,
  kSeedsBought,   // ordered with a seed
  kSeedsSimilar,  // chosen by the customers who chose a seed
  kSeedsKin,      // like a new seed, by attributes
  kHistorySimilar,
  kCategory,
  kPopular,
  kTrending,
  kConfigured,  // the shop's static list
  kLatest,
};

// Why an item is shown: a closed list, on the wire as BecauseName says (docs/API.md "Reasons").
enum class Because : uint8_t {
  // The customer did this with the item that the reason speaks of.
  kOrdered,
  kAdded,
  kViewed,
  kClicked,
  kRated,
  kOther,
  // The item that the reason speaks of is a seed of the question.
  kBoughtWith,
  kSimilarTo,
  // No item.
  kPopular,
  kRecent,
  kTrending,
  kCategory,
  kNew,
  kConfigured,
  kPinned,
  kExplored,  // by chance, so that something is learned about it
  kModel,     // nothing stands out
};
const char* BecauseName(Because because);  // "bought-with"

struct Reason {
  Because because = Because::kModel;
  std::string item, title;  // external id; both empty when there is none, or it may not be named
  float share = 0;          // of all that speaks for the item shown, 0..1; the reasons left out hold the rest
};

struct Boost {
  std::string filter;  // items that match it ...
  double factor =
      1.0;  // ... have their score multiplied (as rank-preserving gain, see content/ranker); 0 < factor <= 100
};
struct Pin {
  std::string item;     // external id; left out, never an error, when it may not be shown
  size_t position = 1;  // from 1
};

struct RecommendRequest {
  std::optional<CustomerRef> customer;
  std::string scenario = "home";        // an unknown one is answered as "home"
  std::optional<std::string> kind;      // instead of the scenario's
  size_t count = 0;                     // 0: the scenario's
  std::vector<std::string> seed_items;  // external ids; unknown ones are ignored
  std::string filter;
  std::vector<Boost> boosts;
  std::vector<Pin> pins;
  std::vector<std::string> exclude;    // external ids
  std::optional<RepeatPolicy> repeat;  // instead of the scenario's (enum in engine/options.h)
  std::optional<double> diversity;     // 0 to 1, instead of the scenario's (engine/content/diversity.h)
  std::string after;                   // recommendation id of the page before: nothing it showed comes again
  bool explain = false;                // with reasons
  std::string note;                    // the caller's own: carried to the next page (Engine::Continue) unread
  Timestamp now;
};

struct RecommendedItem {
  ItemId item;
  std::string external_id;
  float score = 0;  // comparable within one answer only
  Level level = Level::kStatic;
  Origin origin = Origin::kLatest;
  bool pinned = false;
  bool explored = false;        // drawn for its slot (engine/content/exploration.h)
  float propensity = 1;         // P(this item at this slot), in (0, 1]
  std::string impression;       // signed token: recommendation id, item, slot, propensity
  std::vector<Reason> reasons;  // when asked for: 1 to 3, the largest share first
};

struct RecommendResponse {
  std::string recommendation_id;
  Level level = Level::kStatic;  // of the most personal item shown
  uint64_t generation = 0;       // 0: no model
  std::vector<RecommendedItem> items;
  std::shared_ptr<const Catalog> catalog;  // what was decided on; of an answer of the engine never null
};

// Puts given items in order for a customer.
struct RankRequest {
  RecommendRequest question;       // count, pins, diversity, after and note do not apply; kind: every kind when absent
  std::vector<std::string> items;  // external ids, 1 to limits::kRankItemsMax; one that stands there twice counts once
};

struct RankResponse {
  struct Refused {
    std::string external_id;
    std::string reason;  // "out of stock"
  };
  RecommendResponse ranked;          // every given item that may be shown, once, variants of one product too
  std::vector<Refused> refused;      // the others, in the order given
  std::vector<std::string> unknown;  // not in the catalogue, in the order given
};

// Several lists of one page, decided together.
enum class Duplicates : uint8_t {
  kRefused,  // a product that one list shows is in none of those after it
  kAllowed,
};
struct TogetherRequest {
  std::optional<CustomerRef> customer;       // of all of them
  std::vector<RecommendRequest> placements;  // at most limits::kPlacementsMax; customer and after do not apply
  Duplicates duplicates = Duplicates::kRefused;
  Timestamp now;  // of all of them
};

// What a page needs to know of its customer, linked identities read as one.
struct CustomerSummary {
  bool known = false;       // has a profile or a history
  bool identified = false;  // is a user, not only an anonymous visitor
  Personalization personalization = Personalization::kOn;
  std::string time_zone, locale, country;  // empty: unknown
  std::vector<std::string> audiences;
};

struct TogetherResponse {
  CustomerSummary customer;
  uint64_t generation = 0;
  std::vector<RecommendResponse> placements;  // as asked, one each
};

enum class BoardKind : uint8_t { kTrending, kPopular, kLatest };

// Boards and item-to-item lists share filters with recommendations.
struct ListRequest {
  std::string kind;  // empty: every kind
  size_t count = 20;
  std::string filter;
  std::optional<CustomerRef> customer;  // for audience, viewed and ordered
  bool explain = false;
  Timestamp now;
};

}  // namespace rapport
