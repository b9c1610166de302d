// DATA/signing.keys: the secrets that sign recommendation ids, impressions and visitor tokens. Newest first, a line
// each:
//   2026-11-23T01:02:03.000Z 64 hexadecimal digits
//   2026-11-23T01:02:03.000Z store          the store's own secret, which signed before the first rotation
// Without the file the store's own secret signs. The key of a purpose is HMAC-SHA256(secret, "derive:" purpose).
// The store's own secret is also what customers are found by, so it never changes; these can.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/signing_keys.h"
#include "base/status.h"
#include "base/time.h"

namespace rapport {

struct SigningSecret {
  Timestamp created_at;
  std::optional<SecretKey> secret;  // nullopt: the store's own
};

std::string SigningSecretsFile(const std::string& folder);

// Never empty. kDataLoss: the file is not what rotation writes.
Result<std::vector<SigningSecret>> ParseSigningSecrets(std::string_view text);
// The file's text; empty when there is none.
Result<std::string> ReadSigningSecretsText(const std::string& folder);

// `of_store` is Store::DeriveKey(purpose).
SigningKeys KeysFor(const std::vector<SigningSecret>& secrets, std::string_view purpose, const SecretKey& of_store);

// A new secret signs from now on; of those before, the newest `kept` are still taken. One process at a time.
Status RotateSigningSecret(const std::string& folder, size_t kept, Timestamp now);

}  // namespace rapport
