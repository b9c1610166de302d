// What an answer leaves with the caller, so that a read writes nothing durable: the recommendation id, which is a
// signed cursor (what was shown so far, for "more without repeats"), and one signed impression per item, which comes
// back with an event and says what was shown where, at which propensity.
//
//   token      = base64url(payload, signature)        signature = first 16 bytes of HMAC-SHA256(key, payload)
//   payload    = kind byte, format byte, fields:
//     'i' 1 impression   8 bytes recommendation, varint item, varint slot, float32 propensity, varint time ms
//     'c' 2 cursor       8 bytes request, varint generation, varint time ms, varint count, items as varint deltas,
//                        varint length and the sealed question
//   as of engine/content/token_bytes.h; a cursor's short id is the first 8 bytes of its signature
//
// Tokens are signed, not sealed: they hold sequence numbers, which mean nothing outside, and nothing of a customer.
// Only the question that a cursor carries (engine/content/carried_question.h) names one and tells the shop's filters,
// so it is sealed. The same inputs give the same token. All functions are pure and may run on any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/ids.h"
#include "base/limits.h"
#include "base/status.h"
#include "base/time.h"

namespace rapport {

struct Impression {
  uint64_t recommendation = 0;  // short id of the cursor it was shown with
  ItemId item;
  uint32_t slot = 0;     // from 1
  float propensity = 1;  // P(this item at this slot), in (0, 1]
  Timestamp time;
  bool operator==(const Impression&) const = default;
};

struct Cursor {
  uint64_t request = 0;  // names the request: a keyed hash, see HashRequest
  uint64_t generation = 0;
  Timestamp time;
  std::vector<ItemId> shown;  // ascending, unique, at most kCursorItemsMax: of this page and all before
  std::string question;       // sealed, of the next page; empty: this list is not continued
  bool operator==(const Cursor&) const = default;
};
inline constexpr size_t kCursorItemsMax = limits::kRecommendationCountMax;

std::string SignImpression(const SecretKey& key, const Impression& impression);
// kInvalidArgument when the token is not one of ours, or for something else.
Result<Impression> VerifyImpression(const SecretKey& key, std::string_view token);

struct SignedCursor {
  std::string token;
  uint64_t short_id = 0;
};
// REQUIRES cursor.shown as described.
SignedCursor SignCursor(const SecretKey& key, const Cursor& cursor);
Result<Cursor> VerifyCursor(const SecretKey& key, std::string_view token);
// The short id that impressions carry, of a recommendation id that VerifyCursor accepts.
Result<uint64_t> ShortIdOf(const SecretKey& key, std::string_view token);

// First 8 bytes of HMAC-SHA256(key, 'r' description).
uint64_t HashRequest(const SecretKey& key, std::string_view description);
// The seed of the draw for a slot of an answer: first 8 bytes of HMAC-SHA256(key, 'd' request, generation, time, slot),
// so that whoever holds the key can repeat the draw from the recommendation id, and nobody else can foresee it.
uint64_t DrawSeed(const SecretKey& key, const Cursor& cursor, size_t slot);

}  // namespace rapport
