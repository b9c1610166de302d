#include "server/signing_secrets.h"

#include "base/file.h"
#include "base/text.h"

namespace rapport {

namespace {

constexpr uint64_t kFileBytesMax = 64 * 1024;
constexpr std::string_view kStore = "store";

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::optional<SecretKey> ParseHex(std::string_view hex) {
  SecretKey secret;
  if (hex.size() != 2 * secret.size()) return std::nullopt;
  for (size_t i = 0; i < secret.size(); ++i) {
    const int high = HexDigit(hex[2 * i]), low = HexDigit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    secret[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return secret;
}

std::string_view AsView(const SecretKey& secret) {
  return {reinterpret_cast<const char*>(secret.data()), secret.size()};
}

std::string Format(const std::vector<SigningSecret>& secrets) {
  std::string text;
  for (const SigningSecret& each : secrets) {
    text +=
        FormatRfc3339(each.created_at) + " " + (each.secret ? ToHex(AsView(*each.secret)) : std::string(kStore)) + "\n";
  }
  return text;
}

}  // namespace

std::string SigningSecretsFile(const std::string& folder) { return folder + "/signing.keys"; }

Result<std::string> ReadSigningSecretsText(const std::string& folder) {
  Result<std::string> text = ReadFile(SigningSecretsFile(folder), kFileBytesMax);
  if (!text.ok() && text.status().code() == StatusCode::kNotFound) return std::string();
  return text;
}

Result<std::vector<SigningSecret>> ParseSigningSecrets(std::string_view text) {
  std::vector<SigningSecret> secrets;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const size_t space = std::min(line.find(' '), line.size());
    const Result<Timestamp> created_at = ParseRfc3339(std::string(line.substr(0, space)));
    const std::string_view word = line.substr(std::min(space + 1, line.size()));
    SigningSecret secret;
    if (word != kStore) secret.secret = ParseHex(word);
    if (!created_at.ok() || (word != kStore && !secret.secret)) {
      return Status::DataLoss("signing.keys: line " + std::to_string(secrets.size() + 1) +
                              " is not a time and a secret; put the file of a backup back, or remove it: then what was "
                              "signed with its secrets is refused");
    }
    secret.created_at = *created_at;
    secrets.push_back(secret);
  }
  if (secrets.empty()) secrets.push_back({});
  return secrets;
}

SigningKeys KeysFor(const std::vector<SigningSecret>& secrets, std::string_view purpose, const SecretKey& of_store) {
  std::vector<SecretKey> keys;
  for (const SigningSecret& each : secrets) {
    keys.push_back(each.secret ? HmacSha256(*each.secret, "derive:" + std::string(purpose)) : of_store);
  }
  return SigningKeys(std::move(keys));
}

Status RotateSigningSecret(const std::string& folder, size_t kept, Timestamp now) {
  const Result<FileLock> lock = FileLock::Acquire(SigningSecretsFile(folder) + ".lock", "rapport keys rotate-secret");
  if (!lock.ok()) return Status(lock.status().code(), "another rotation: " + lock.status().message());
  const Result<std::string> text = ReadSigningSecretsText(folder);
  if (!text.ok()) return text.status();
  Result<std::vector<SigningSecret>> secrets = ParseSigningSecrets(*text);
  if (!secrets.ok()) return secrets.status();
  SecretKey fresh;
  RAPPORT_RETURN_IF_ERROR(FillSecretRandom(fresh));
  secrets->insert(secrets->begin(), SigningSecret{now, fresh});
  if (secrets->size() > kept + 1) secrets->resize(kept + 1);
  return WriteFileAtomically(SigningSecretsFile(folder), Format(*secrets), FileMode::kSecret);
}

}  // namespace rapport
