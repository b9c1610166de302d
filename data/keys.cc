#include "data/keys.h"

namespace rapport::keys {

std::string Lookup(const SecretKey& secret, char space, std::string_view external_id) {
  std::string named(1, space);
  named.append(external_id);
  const Digest256 digest = HmacSha256(secret, named);
  std::string out(1, space);
  out.append(reinterpret_cast<const char*>(digest.data()), 16);
  return out;
}

std::string Message(CustomerId customer, const Hash128& identity) {
  std::string out;
  out.reserve(24);
  AppendBigEndian(out, customer.value);
  out.append(View(identity));
  return out;
}

Hash128 MessageIdentity(std::string_view source, std::string_view message_id) {
  std::string text = std::to_string(source.size()) + ":";
  text.append(source).append(message_id);
  return IdentityHash(text);
}

}  // namespace rapport::keys
