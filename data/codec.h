// Bytes of the records. Every record is one version byte, then its fields in the order of `Fields` in codec.cc:
//   unsigned, ids, enums   varint (LEB128)            signed, times     zigzag varint
//   double, float          8 or 4 bytes, little endian  text            varint length, bytes
//   optional               0 or 1, then the value     list, map         varint count, then the elements
// A reader stops at the fields it knows; a record of a newer version is refused. Corrupt bytes give kDataLoss, never
// a crash or an allocation larger than the input.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "data/records.h"

namespace rapport {

// R: Profile, Item, Event, ContactEntry, Consent, Link, Decision, ApiKey, ModelRecord.
template <typename R>
std::string EncodeRecord(const R& record);
template <typename R>
Result<R> DecodeRecord(std::string_view bytes);

// The head of an encoded Event only, as one entry per line appended to `out` (models never read the rest).
Status DecodeHistory(std::string_view event_bytes, EventId id, std::vector<HistoryEntry>& out);

// Item sets: ascending by item; varint item delta, flags (1 viewed, 2 ordered), zigzag owned.
std::string EncodeItemSet(const ItemSet& set);
Result<ItemSet> DecodeItemSet(std::string_view bytes);
// Union: flags or-ed, owned added; commutative and associative, so that merges may run in any order.
ItemSet MergeItemSets(const ItemSet& a, const ItemSet& b);
// Of many: pairs, then pairs of pairs, so that every entry is copied log2(sets) times.
ItemSet MergeItemSets(std::vector<ItemSet> sets);
// What one event adds to its customer's set.
ItemSet ItemSetOf(const Event& event);
// REQUIRES IsContactType(event.type).
ContactEntry ContactEntryOf(const Event& event);

// ---- Sealing: the header that every customer value carries ----
//   byte 0: high nibble 1 = header version, low nibble = cipher (0: none)   then varint key slot (0: none yet)
// The seam for encryption per customer: a cipher will add its nonce and tag behind the slot.
std::string Seal(std::string_view plain);
// The plain bytes inside `sealed`; kDataLoss for a header that is not ours, kFailedPrecondition for a newer cipher.
Result<std::string_view> Unseal(std::string_view sealed);

}  // namespace rapport
