#include "server/auth.h"

#include <algorithm>
#include <span>

#include "base/limits.h"
#include "data/store.h"

namespace rapport {

namespace {

constexpr size_t kKeyIdLength = 12;
constexpr size_t kSecretBytes = 32;
constexpr size_t kKeyTextMax = 128;
constexpr uint8_t kVisitorVersion = 1;
constexpr size_t kVisitorHeaderBytes = 1 + 1 + 8;
constexpr uint8_t kBrowserScopes =
    (1u << static_cast<unsigned>(Scope::kEvents)) | (1u << static_cast<unsigned>(Scope::kRecommend));

constexpr uint8_t BitsOf(std::initializer_list<Scope> scopes) {
  unsigned bits = 0;
  for (const Scope scope : scopes) bits |= 1u << static_cast<unsigned>(scope);
  return static_cast<uint8_t>(bits);
}

constexpr KeyRole kRoles[] = {
    {"browser", KeyKind::kBrowser, kBrowserScopes, "a web page, for the visitor of its token"},
    {"server", KeyKind::kServer, BitsOf({Scope::kEvents, Scope::kRecommend, Scope::kCatalog, Scope::kCustomers}),
     "the shop's own backend"},
    {"marketer", KeyKind::kServer, BitsOf({Scope::kRecommend, Scope::kCatalog, Scope::kCampaigns}),
     "who plans contacts: no customer's record"},
    {"desk", KeyKind::kServer, BitsOf({Scope::kEvents, Scope::kRecommend, Scope::kCustomers, Scope::kDesk}),
     "who answers customers"},
    {"scientist", KeyKind::kServer, BitsOf({Scope::kRecommend, Scope::kModels}),
     "who trains and judges models: no customer's record"},
    {"operator", KeyKind::kServer, 0xff, "everything"},
};

std::string_view AsView(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// 48 bits as twelve lower-case hex digits.
Result<std::string> RandomKeyId() {
  std::array<uint8_t, kKeyIdLength / 2> bytes;
  RAPPORT_RETURN_IF_ERROR(FillSecretRandom(bytes));
  return ToHex(AsView(bytes));
}

// The rest of `header` after "Scheme ", case-insensitive; nullopt when it is another scheme.
std::optional<std::string_view> AfterScheme(std::string_view header, std::string_view scheme) {
  if (header.size() <= scheme.size() || header[scheme.size()] != ' ') return std::nullopt;
  for (size_t i = 0; i < scheme.size(); ++i) {
    if ((header[i] | 0x20) != (scheme[i] | 0x20)) return std::nullopt;
  }
  header.remove_prefix(scheme.size());
  while (!header.empty() && header.front() == ' ') header.remove_prefix(1);
  while (!header.empty() && header.back() == ' ') header.remove_suffix(1);
  return header;
}

// The key's text wherever it stands; empty when there is none.
std::string KeyText(const Credentials& credentials) {
  if (const auto bearer = AfterScheme(credentials.authorization, "Bearer")) return std::string(*bearer);
  if (const auto basic = AfterScheme(credentials.authorization, "Basic"); basic && basic->size() <= 4 * kKeyTextMax) {
    Result<std::string> pair = FromBase64(*basic);
    if (pair.ok()) return pair->substr(0, pair->find(':'));
  }
  return std::string(credentials.api_key);
}

Status Refused() {
  return {
      StatusCode::kUnauthenticated,
      "this needs a valid key: send Authorization: Bearer KEY (or Basic with the key as user name, or X-API-Key); make "
      "one with 'rapport keys create'"};
}

}  // namespace

Result<NewKey> MakeKey(std::string name, KeyKind kind, uint8_t scopes, Timestamp now,
                       std::optional<Timestamp> expires_at) {
  if (scopes == 0) return Status::InvalidArgument("a key needs at least one scope");
  if (kind == KeyKind::kBrowser && (scopes & ~kBrowserScopes) != 0) {
    return Status::InvalidArgument("a browser key can have the scopes events and recommend only: anybody can read it");
  }
  if (name.size() > limits::kShortTextBytesMax || !IsValidUtf8(name)) {
    return Status::InvalidArgument("a key's name is UTF-8 of at most " + std::to_string(limits::kShortTextBytesMax) +
                                   " bytes");
  }
  Result<std::string> id = RandomKeyId();
  if (!id.ok()) return id.status();
  std::array<uint8_t, kSecretBytes> random;
  RAPPORT_RETURN_IF_ERROR(FillSecretRandom(random));
  const std::string secret = ToBase64Url(AsView(random));
  NewKey key;
  key.text = "rk_" + *id + "_" + secret;
  key.record.id = *id;
  key.record.secret_hash = Sha256(secret);
  key.record.kind = kind;
  key.record.scopes = scopes;
  key.record.name = std::move(name);
  key.record.created_at = now;
  key.record.expires_at = expires_at;
  return key;
}

std::span<const KeyRole> KeyRoles() { return kRoles; }

std::optional<KeyRole> RoleFromName(std::string_view name) {
  for (const KeyRole& role : kRoles) {
    if (role.name == name) return role;
  }
  return std::nullopt;
}

std::string RoleNames() {
  std::string names;
  for (const KeyRole& role : kRoles) names += (names.empty() ? "" : ", ") + std::string(role.name);
  return names;
}

std::optional<KeyParts> ParseKey(std::string_view text) {
  constexpr size_t kSecretAt = 3 + kKeyIdLength + 1;
  if (text.size() <= kSecretAt || text.size() > kKeyTextMax || !text.starts_with("rk_")) return std::nullopt;
  if (text[kSecretAt - 1] != '_') return std::nullopt;
  return KeyParts{text.substr(3, kKeyIdLength), text.substr(kSecretAt)};
}

Result<ApiKey> StoreKeySource::Find(const std::string& id) const { return store_.GetApiKey(id); }

Authenticator::Authenticator(const KeySource& keys, const SigningKeys& visitor_keys, size_t cache_keys)
    : keys_(keys), visitor_keys_(visitor_keys), recent_(std::max<size_t>(1, cache_keys)) {}

Result<ApiKey> Authenticator::Find(const std::string& id) {
  uint64_t forgotten_before = 0;
  {
    std::lock_guard lock(mutex_);
    if (const ApiKey* found = recent_.Find(id)) return *found;
    forgotten_before = forgotten_;
  }
  Result<ApiKey> key = keys_.Find(id);
  if (!key.ok()) return key;  // unknown ids are not kept: a stranger must not be able to fill the cache
  std::lock_guard lock(mutex_);
  if (forgotten_ == forgotten_before) recent_.Put(id, *key);
  return key;
}

void Authenticator::Forget(const std::string& key_id) {
  std::lock_guard lock(mutex_);
  ++forgotten_;
  recent_.Erase(key_id);
}

Result<Identity> Authenticator::Authenticate(const Credentials& credentials, Timestamp now) {
  const std::string text = KeyText(credentials);
  const std::optional<KeyParts> parts = ParseKey(text);
  if (!parts) return Refused();
  const Result<ApiKey> key = Find(std::string(parts->id));
  if (!key.ok()) return key.status().code() == StatusCode::kNotFound ? Refused() : key.status();
  const Digest256 hash = Sha256(parts->secret);
  if (!ConstantTimeEqual(AsView(hash), AsView(key->secret_hash))) return Refused();
  if (key->revoked || (key->expires_at && *key->expires_at <= now)) return Refused();
  Identity identity;
  identity.key_id = key->id;
  identity.kind = key->kind;
  identity.scopes = key->scopes;
  if (key->kind == KeyKind::kBrowser) {
    identity.scopes &= kBrowserScopes;  // whatever the record says
    if (!credentials.visitor.empty()) {
      Result<CustomerRef> visitor = ReadVisitor(credentials.visitor, now);
      if (!visitor.ok()) return visitor.status();
      identity.visitor = visitor.Take();
    }
  }
  return identity;
}

std::string Authenticator::MintVisitor(const CustomerRef& customer, Timestamp expires_at) const {
  std::string payload;
  payload += static_cast<char>(kVisitorVersion);
  payload += static_cast<char>(customer.name_space);
  for (int byte = 7; byte >= 0; --byte)
    payload += static_cast<char>(static_cast<uint64_t>(expires_at.ms) >> (8 * byte));
  payload += customer.external_id;
  const std::string body = ToBase64Url(payload);
  return body + "." + ToBase64Url(AsView(HmacSha256(visitor_keys_.Get()->newest(), body)));
}

bool Authenticator::IsSignedBy(const SecretKey& key, std::string_view body, std::string_view signature) {
  return ConstantTimeEqual(ToBase64Url(AsView(HmacSha256(key, body))), signature);
}

Result<CustomerRef> Authenticator::ReadVisitor(std::string_view token, Timestamp now) const {
  const Status refused{StatusCode::kUnauthenticated,
                       "the visitor token is not valid or has expired: get a new one from POST /v1/visitors"};
  const size_t dot = token.find('.');
  if (dot == std::string_view::npos || token.size() > 4 * limits::kExternalIdBytesMax) return refused;
  const std::string_view body = token.substr(0, dot);
  const auto check = [&](const SecretKey& key) {
    return IsSignedBy(key, body, token.substr(dot + 1)) ? Status::Ok() : refused;
  };
  if (!visitor_keys_.Get()->FirstThatTakes(check).ok()) return refused;
  const Result<std::string> payload = FromBase64Url(body);
  if (!payload.ok() || payload->size() <= kVisitorHeaderBytes) return refused;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>((*payload)[i]); };
  if (byte(0) != kVisitorVersion || byte(1) > static_cast<uint8_t>(CustomerNamespace::kAnonymous)) return refused;
  uint64_t expires_at = 0;
  for (size_t i = 2; i < kVisitorHeaderBytes; ++i) expires_at = (expires_at << 8) | byte(i);
  if (static_cast<int64_t>(expires_at) <= now.ms) return refused;
  return CustomerRef{static_cast<CustomerNamespace>(byte(1)), payload->substr(kVisitorHeaderBytes)};
}

}  // namespace rapport
