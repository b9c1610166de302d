#include "base/crypto.h"

#include <nettle/hmac.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <memory>

namespace rapport {
namespace {

const uint8_t* Bytes(std::string_view text) { return reinterpret_cast<const uint8_t*>(text.data()); }

// Standard alphabet with padding, through OpenSSL.
std::string EncodeBase64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int n = EVP_EncodeBlock(reinterpret_cast<uint8_t*>(out.data()), Bytes(bytes), static_cast<int>(bytes.size()));
  out.resize(static_cast<size_t>(n));
  return out;
}

Status NotBase64() { return Status::InvalidArgument("not base64"); }

constexpr size_t kSivTagBytes = 16;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const EVP_CIPHER* SivCipher() {
  static EVP_CIPHER* const kCipher = EVP_CIPHER_fetch(nullptr, "AES-128-SIV", nullptr);  // a look-up by name is slow
  return kCipher;
}

const EVP_MD* Sha256Method() {
  static const EVP_MD* const kFetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);  // likewise
  return kFetched != nullptr ? kFetched : EVP_sha256();
}

}  // namespace

Digest256 Sha256(std::string_view bytes) {
  Digest256 digest;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, Sha256Method(), nullptr) != 1) {
    SHA256(Bytes(bytes), bytes.size(), digest.data());
  }
  return digest;
}

Digest256 HmacSha256(const SecretKey& key, std::string_view bytes) {
  Digest256 digest;
  hmac_sha256_ctx context;
  hmac_sha256_set_key(&context, key.size(), key.data());
  hmac_sha256_update(&context, bytes.size(), Bytes(bytes));
  hmac_sha256_digest(&context, digest.size(), digest.data());
  OPENSSL_cleanse(&context, sizeof(context));  // it holds what the key was made into
  return digest;
}

Hash128 IdentityHash(std::string_view bytes) {
  const Digest256 digest = Sha256(bytes);
  Hash128 hash;
  std::copy(digest.begin(), digest.begin() + hash.size(), hash.begin());
  return hash;
}

Status FillSecretRandom(std::span<uint8_t> out) {
  if (RAND_bytes(out.data(), static_cast<int>(out.size())) == 1) return Status::Ok();
  return Status::Unavailable("the operating system gave no random bytes");
}

bool ConstantTimeEqual(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// Sealed: the tag, then as many bytes as the plain text has.
Result<std::string> SealSiv(const SecretKey& key, std::string_view purpose, std::string_view plain) {
  const CipherContext context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  std::string sealed(kSivTagBytes + plain.size(), '\0');
  auto* const out = reinterpret_cast<uint8_t*>(sealed.data());
  int length = 0;
  const bool done =
      context != nullptr && SivCipher() != nullptr &&
      EVP_EncryptInit_ex(context.get(), SivCipher(), nullptr, key.data(), nullptr) == 1 &&
      EVP_EncryptUpdate(context.get(), nullptr, &length, Bytes(purpose), static_cast<int>(purpose.size())) == 1 &&
      EVP_EncryptUpdate(context.get(), out + kSivTagBytes, &length, Bytes(plain), static_cast<int>(plain.size())) ==
          1 &&
      EVP_EncryptFinal_ex(context.get(), out + kSivTagBytes + length, &length) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kSivTagBytes, out) == 1;
  if (!done) return Status::Internal("OpenSSL does not encrypt with AES-128-SIV");
  return sealed;
}

Result<std::string> OpenSiv(const SecretKey& key, std::string_view purpose, std::string_view sealed) {
  const Status refused = Status::InvalidArgument("not sealed with this key for this purpose");
  if (sealed.size() <= kSivTagBytes) return refused;
  const CipherContext context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  std::string tag(sealed.substr(0, kSivTagBytes));
  sealed.remove_prefix(kSivTagBytes);
  std::string plain(sealed.size(), '\0');
  int length = 0;
  const bool done =
      context != nullptr && SivCipher() != nullptr &&
      EVP_DecryptInit_ex(context.get(), SivCipher(), nullptr, key.data(), nullptr) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kSivTagBytes, tag.data()) == 1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &length, Bytes(purpose), static_cast<int>(purpose.size())) == 1 &&
      EVP_DecryptUpdate(context.get(), reinterpret_cast<uint8_t*>(plain.data()), &length, Bytes(sealed),
                        static_cast<int>(sealed.size())) == 1;
  if (!done) return refused;
  return plain;
}

std::string ToHex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char c : bytes) {
    out += kDigits[static_cast<uint8_t>(c) >> 4];
    out += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return out;
}

std::string ToBase64Url(std::string_view bytes) {
  std::string out = EncodeBase64(bytes);
  while (!out.empty() && out.back() == '=') out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

Result<std::string> FromBase64(std::string_view text) {
  if (text.size() % 4 != 0 || text.size() > (1u << 20)) return NotBase64();
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  // EVP_DecodeBlock trims white space and line ends: refuse what the alphabet does not hold before it can.
  for (const char c : text.substr(0, text.size() - padding)) {
    const bool in_alphabet =
        (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
    if (!in_alphabet) return NotBase64();
  }
  std::string out(text.size() / 4 * 3, '\0');
  if (text.empty()) return out;
  const int n = EVP_DecodeBlock(reinterpret_cast<uint8_t*>(out.data()), Bytes(text), static_cast<int>(text.size()));
  if (n < 0) return NotBase64();
  out.resize(static_cast<size_t>(n) - padding);
  return out;
}

Result<std::string> FromBase64Url(std::string_view text) {
  std::string standard(text);
  for (char& c : standard) {
    if (c == '+' || c == '/' || c == '=') return NotBase64();
    c = c == '-' ? '+' : c == '_' ? '/' : c;
  }
  if (standard.size() % 4 == 1) return NotBase64();
  standard.append((4 - standard.size() % 4) % 4, '=');
  Result<std::string> bytes = FromBase64(standard);
  // One text per value: unused low bits of the last character must be zero.
  if (bytes.ok() && ToBase64Url(*bytes) != text) return NotBase64();
  return bytes;
}

Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new()) {
  EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_), EVP_sha256(), nullptr);
}
Sha256Stream::~Sha256Stream() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }
void Sha256Stream::Update(std::string_view bytes) {
  EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size());
}
Digest256 Sha256Stream::Finish() {
  Digest256 digest;
  unsigned int length = digest.size();
  EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), digest.data(), &length);
  return digest;
}

}  // namespace rapport
