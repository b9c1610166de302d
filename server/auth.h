// Keys and who may do what. A key is "rk_ID_SECRET": ID (12 characters) is public and names the record in the store, of
// SECRET (32 random bytes, base64url) only the SHA-256 is kept. Sent as `Authorization: Bearer KEY`, as HTTP Basic with
// the key as the user name (Segment's clients), or as `X-API-Key` (Gorse's).
//
// A visitor token is what a browser key acts with (header X-Rapport-Visitor): minted for a customer by a server key,
//   base64url( u8 version = 1 | u8 name space | i64 expires_at_ms | external id ) "." base64url( HMAC-SHA256 of the
//   part before )
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/crypto.h"
#include "base/recently_used.h"
#include "base/signing_keys.h"
#include "base/status.h"
#include "base/time.h"
#include "data/records.h"
#include "server/http_message.h"

namespace rapport {

class Store;

// A key as it is shown once, and the record to keep of it.
struct NewKey {
  std::string text;
  ApiKey record;
};
// kUnavailable when the system has no random bytes; kInvalidArgument: a browser key with more than events and
// recommend.
Result<NewKey> MakeKey(std::string name, KeyKind kind, uint8_t scopes, Timestamp now,
                       std::optional<Timestamp> expires_at = std::nullopt);

// The scopes of one kind of caller under one name: 'rapport keys create --role marketer'. A key keeps its scopes, not
// its role.
struct KeyRole {
  const char* name;
  KeyKind kind;
  uint8_t scopes;
  const char* who;
};
// browser, server, marketer, desk, scientist, operator.
std::span<const KeyRole> KeyRoles();
std::optional<KeyRole> RoleFromName(std::string_view name);
// "browser, server, ...": for messages.
std::string RoleNames();

// "rk_ID_SECRET" taken apart; nullopt when it does not look like one.
struct KeyParts {
  std::string_view id, secret;
};
std::optional<KeyParts> ParseKey(std::string_view text);

// The part of a request's headers that says who asks.
struct Credentials {
  std::string_view authorization, api_key, visitor;
};

// Where key records come from: the store, or a table in tests. kNotFound when there is none. Thread-safe.
class KeySource {
 public:
  virtual ~KeySource() = default;
  virtual Result<ApiKey> Find(const std::string& id) const = 0;
};

class StoreKeySource final : public KeySource {
 public:
  explicit StoreKeySource(const Store& store) : store_(store) {}
  Result<ApiKey> Find(const std::string& id) const override;

 private:
  const Store& store_;
};

// Thread-safe. Keeps at most `cache_keys` records it found valid; Forget() drops one (revoked, replaced).
class Authenticator {
 public:
  Authenticator(const KeySource& keys, const SigningKeys& visitor_keys, size_t cache_keys = 256);

  // The identity behind the credentials. kUnauthenticated: none, unknown, wrong secret, expired or revoked (all say the
  // same). A browser key without a valid visitor token is let in with no visitor: it may then act for nobody.
  Result<Identity> Authenticate(const Credentials& credentials, Timestamp now);
  void Forget(const std::string& key_id);
  // Mints with the newest from now on, takes the tokens of all of them.
  void UseVisitorKeys(SigningKeys keys) { visitor_keys_.Set(std::move(keys)); }

  // For POST /v1/visitors. REQUIRES a valid external id (data ValidateOperation's bounds).
  std::string MintVisitor(const CustomerRef& customer, Timestamp expires_at) const;
  // kUnauthenticated: forged, expired or not a token.
  Result<CustomerRef> ReadVisitor(std::string_view token, Timestamp now) const;

 private:
  Result<ApiKey> Find(const std::string& id);
  static bool IsSignedBy(const SecretKey& key, std::string_view body, std::string_view signature);

  const KeySource& keys_;
  SharedSigningKeys visitor_keys_;
  std::mutex mutex_;                          // guards what follows
  uint64_t forgotten_ = 0;                    // a record read before a Forget must not enter the cache after it
  RecentlyUsed<std::string, ApiKey> recent_;  // by id
};

}  // namespace rapport
