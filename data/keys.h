// RocksDB keys. Numbers are big endian, so that byte order is number order.
//   family     key                                      value
//   default    "format" | "sequence" | "active/KIND"    varint | varints | varint
//              "setting/NAME"                           the operator's text
//              "planned/" 'C' or 'P' length (2)         contacts planned on a channel or at a place in that hour since
//                name hour (8)                          1970, varint; none: no key
//   lookup     space (1) HMAC-SHA256(external id) (16)  id (8)
//   profile    customer (8)                             sealed Profile
//   consent    customer (8) number (8)                  sealed Consent
//   link       'C' child (8)                            Link            (child -> parent)
//              'P' parent (8) child (8)                 ""              (the reverse)
//   event      customer (8) event (8)                   sealed Event
//   message    customer (8) hash(source, message) (16)  event (8)
//   contact    customer (8) event (8)                   sealed ContactEntry, of the events that are about contacts
//   item_set   customer (8)                             sealed item set (merge operator: union)
//   item       item (8)                                 Item
//   decision   IdentityHash(id) (16)                    sealed Decision
//   key        id                                       ApiKey
//   model      generation (8)                           ModelRecord
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/crypto.h"
#include "base/ids.h"

namespace rapport::keys {

inline void AppendBigEndian(std::string& out, uint64_t v) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(v >> shift));
}
inline std::string BigEndian(uint64_t v) {
  std::string out;
  AppendBigEndian(out, v);
  return out;
}
// REQUIRES at least 8 bytes.
inline uint64_t ReadBigEndian(std::string_view bytes) {
  uint64_t v = 0;
  for (int i = 0; i < 8; ++i) v = (v << 8) | static_cast<uint8_t>(bytes[static_cast<size_t>(i)]);
  return v;
}
inline std::string Pair(uint64_t a, uint64_t b) {
  std::string out;
  out.reserve(16);
  AppendBigEndian(out, a);
  AppendBigEndian(out, b);
  return out;
}
inline std::string Tagged(char tag, uint64_t a) {
  std::string out(1, tag);
  AppendBigEndian(out, a);
  return out;
}
// `of`: 'C' a channel, 'P' a place. `hour`: whole hours since 1970, not negative. The name's length comes first: all
// hours of one name stand together, whatever is in it.
inline std::string Planned(char of, std::string_view name, int64_t hour) {
  std::string out = "planned/";
  out.push_back(of);
  out.push_back(static_cast<char>(name.size() >> 8));
  out.push_back(static_cast<char>(name.size()));
  out += name;
  AppendBigEndian(out, static_cast<uint64_t>(hour));
  return out;
}
inline std::string_view View(const Hash128& hash) { return {reinterpret_cast<const char*>(hash.data()), hash.size()}; }

inline std::string Decision(std::string_view id) { return std::string(View(IdentityHash(id))); }

// The space keeps users, anonymous visitors and items apart: 'U', 'A', 'I'.
std::string Lookup(const SecretKey& secret, char space, std::string_view external_id);
std::string Message(CustomerId customer, const Hash128& identity);
// Hash of (source, message id), unambiguous.
Hash128 MessageIdentity(std::string_view source, std::string_view message_id);

}  // namespace rapport::keys
