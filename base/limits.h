// Everything that can grow has a limit, and all of them stand here, with the reason where it is not plain.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rapport::limits {

inline constexpr size_t kExternalIdBytesMax = 256;
inline constexpr size_t kShortTextBytesMax = 1024;  // kinds, tags, channels, names of events
inline constexpr size_t kTitleBytesMax = 4096;
inline constexpr size_t kPropertiesBytesMax = 32 * 1024;  // one event's own properties (Segment's own limit)
inline constexpr size_t kEventLinesMax = 1000;            // products in one order
inline constexpr size_t kItemListMax = 64;                // categories, tags, audiences of one item
inline constexpr size_t kAttributesMax = 128;             // attributes of one item, traits of one customer
inline constexpr size_t kAttributeBytesMax = 8 * 1024;
inline constexpr size_t kEmbeddingMax = 4096;
inline constexpr size_t kNewcomersMax = 20000;  // items without a row in the model that take part by attributes
inline constexpr size_t kOperationsPerApplyMax = 16384;

inline constexpr size_t kHistoryEventsMax = 1000;   // newest events of one customer that models and filters read
inline constexpr size_t kContactEntriesMax = 4096;  // of one customer that rules read; beyond it nothing is sent
inline constexpr size_t kLinkMembersMax = 64;       // identities merged into one customer

inline constexpr size_t kRecommendationCountMax = 1000;
inline constexpr size_t kItemsPerPutMax = 1000;
inline constexpr size_t kEventsPerBatchMax = 1000;
inline constexpr size_t kSeedItemsMax = 100;
inline constexpr size_t kExcludeMax = 10000;
inline constexpr size_t kBoostsMax = 16;
inline constexpr size_t kPinsMax = 100;
inline constexpr size_t kRankItemsMax = 1000;
inline constexpr size_t kDecisionContentsMax = 200;  // contents of one decision; times 168 hours times the channels
inline constexpr size_t kBatchContentsMax = 1000;    // of one batch of decisions
inline constexpr size_t kBatchCustomersMax = 2'000'000;
inline constexpr size_t kAssignPlacesMax = 1000;  // of one assignment: a second's work at most
inline constexpr size_t kAssignGuestsMax = 1000;
inline constexpr size_t kAssignWishesMax = 16;  // of one guest
inline constexpr size_t kPlacementsMax = 16;    // lists of one page, together at most kRecommendationCountMax
inline constexpr size_t kCarriedQuestionBytesMax = 16 * 1024;  // inside a recommendation id, for the pages after it
inline constexpr size_t kRecommendationIdBytesMax = 48 * 1024;
inline constexpr int64_t kListLifeMs = 24 * 3600 * 1000;  // after that a list is not continued: it is another day

inline constexpr size_t kFilterBytesMax = 8 * 1024;
inline constexpr size_t kFilterDepthMax = 32;
inline constexpr size_t kFilterNodesMax = 512;

inline constexpr size_t kHttpHeaderBytesMax = 16 * 1024;
inline constexpr size_t kHttpRequestLineBytesMax = 8 * 1024;
inline constexpr size_t kHttpFieldsMax = 100;
inline constexpr size_t kHttpBodyBytesMax = 4 * 1024 * 1024;
inline constexpr size_t kJsonDepthMax = 64;

inline constexpr int64_t kFutureSkewMsMax = 5 * 60 * 1000;  // a later time is clamped to arrival and marked

}  // namespace rapport::limits
