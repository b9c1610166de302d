// Hashes, message authentication and secret random bytes: thin functions over OpenSSL's libcrypto, and Nettle for
// HMAC, of which a page of 20 asks 21 times. Wall: OpenSSL is included only in crypto.cc and server/tls.cc, Nettle only
// in crypto.cc.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace rapport {

using Digest256 = std::array<uint8_t, 32>;
using Hash128 = std::array<uint8_t, 16>;
using SecretKey = std::array<uint8_t, 32>;

Digest256 Sha256(std::string_view bytes);
Digest256 HmacSha256(const SecretKey& key, std::string_view bytes);
// First 16 bytes of SHA-256: an identity, not a signature.
Hash128 IdentityHash(std::string_view bytes);
// From the operating system; kUnavailable when it has none.
Status FillSecretRandom(std::span<uint8_t> out);
// Time does not depend on the contents. Different lengths are unequal.
bool ConstantTimeEqual(std::string_view a, std::string_view b);

// Deterministic authenticated encryption, AES-128-SIV (RFC 5297): equal inputs give equal bytes, 16 more than `plain`;
// without the key nothing of it can be read or changed. `purpose` must be the same at both ends. REQUIRES plain not
// empty. kInternal when OpenSSL does not do it.
Result<std::string> SealSiv(const SecretKey& key, std::string_view purpose, std::string_view plain);
// kInvalidArgument when it was not sealed with this key for this purpose.
Result<std::string> OpenSiv(const SecretKey& key, std::string_view purpose, std::string_view sealed);

std::string ToHex(std::string_view bytes);
// RFC 4648 section 5 without padding.
std::string ToBase64Url(std::string_view bytes);
Result<std::string> FromBase64Url(std::string_view text);
// RFC 4648 section 4 with padding, as in HTTP Basic.
Result<std::string> FromBase64(std::string_view text);

// Incremental SHA-256, for files. One owner, one thread.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;
  void Update(std::string_view bytes);
  Digest256 Finish();

 private:
  void* context_;
};

}  // namespace rapport
