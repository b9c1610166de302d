#include "engine/content/impression.h"

#include <cmath>
#include <cstring>

namespace rapport {

namespace {

constexpr size_t kSignatureBytes = 16;
constexpr char kFormat = 1;
constexpr size_t kTokenBytesMax = 16 * 1024;  // kCursorItemsMax items of ten bytes, in base64

void PutVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void PutU64(std::string& out, uint64_t value) {
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

// Reads a payload; after the first field that does not fit, ok() stays false.
class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}
  bool ok() const { return ok_; }
  bool Finished() const { return ok_ && in_.empty(); }

  uint64_t Fixed(int bytes) {
    if (in_.size() < static_cast<size_t>(bytes)) return Fail();
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= uint64_t{static_cast<uint8_t>(in_[static_cast<size_t>(i)])} << (8 * i);
    in_.remove_prefix(static_cast<size_t>(bytes));
    return value;
  }
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (in_.empty()) return Fail();
      const uint8_t byte = static_cast<uint8_t>(in_.front());
      in_.remove_prefix(1);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    return Fail();
  }

 private:
  uint64_t Fail() {
    ok_ = false;
    in_ = {};
    return 0;
  }
  std::string_view in_;
  bool ok_ = true;
};

std::string_view Bytes(const Digest256& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

uint64_t FirstU64(std::string_view bytes) { return Reader(bytes).Fixed(8); }

std::string Seal(std::string payload, const Digest256& signature) {
  payload.append(Bytes(signature).substr(0, kSignatureBytes));
  return ToBase64Url(payload);
}

// The payload behind kind and format, and the signature behind it, when both are right.
Result<std::string> Open(const SecretKey& key, std::string_view token, char kind, const std::string& what) {
  const Status refused = Status::InvalidArgument(what + ": not one of this server's; send it back exactly as it came");
  if (token.size() > kTokenBytesMax) return refused;
  Result<std::string> bytes = FromBase64Url(token);
  if (!bytes.ok() || bytes->size() < 2 + kSignatureBytes) return refused;
  const std::string_view all = *bytes;
  const std::string_view payload = all.substr(0, all.size() - kSignatureBytes);
  const Digest256 expected = HmacSha256(key, payload);
  if (!ConstantTimeEqual(all.substr(payload.size()), Bytes(expected).substr(0, kSignatureBytes))) return refused;
  if (payload[0] != kind) return Status::InvalidArgument(what + ": this token is for something else");
  if (payload[1] != kFormat) return Status::InvalidArgument(what + ": made by a newer version of Rapport");
  return std::string(all.substr(2));
}

}  // namespace

std::string SignImpression(const SecretKey& key, const Impression& impression) {
  std::string payload = {'i', kFormat};
  PutU64(payload, impression.recommendation);
  PutVarint(payload, impression.item.value);
  PutVarint(payload, impression.slot);
  uint32_t propensity_bits;
  std::memcpy(&propensity_bits, &impression.propensity, sizeof propensity_bits);
  for (int i = 0; i < 4; ++i) payload.push_back(static_cast<char>(propensity_bits >> (8 * i)));
  PutVarint(payload, static_cast<uint64_t>(impression.time.ms));
  const Digest256 signature = HmacSha256(key, payload);
  return Seal(std::move(payload), signature);
}

Result<Impression> VerifyImpression(const SecretKey& key, std::string_view token) {
  Result<std::string> fields = Open(key, token, 'i', "impression");
  if (!fields.ok()) return fields.status();
  Reader reader(std::string_view(*fields).substr(0, fields->size() - kSignatureBytes));
  Impression impression;
  impression.recommendation = reader.Fixed(8);
  impression.item = ItemId{reader.Varint()};
  impression.slot = static_cast<uint32_t>(reader.Varint());
  const uint32_t propensity_bits = static_cast<uint32_t>(reader.Fixed(4));
  std::memcpy(&impression.propensity, &propensity_bits, sizeof propensity_bits);
  impression.time = Timestamp{static_cast<int64_t>(reader.Varint())};
  if (!reader.Finished()) return Status::InvalidArgument("impression: cut short");
  return impression;
}

SignedCursor SignCursor(const SecretKey& key, const Cursor& cursor) {
  std::string payload = {'c', kFormat};
  PutU64(payload, cursor.request);
  PutVarint(payload, cursor.generation);
  PutVarint(payload, static_cast<uint64_t>(cursor.time.ms));
  PutVarint(payload, cursor.shown.size());
  uint64_t last = 0;
  for (const ItemId item : cursor.shown) {
    PutVarint(payload, item.value - last);
    last = item.value;
  }
  const Digest256 signature = HmacSha256(key, payload);
  return {Seal(std::move(payload), signature), FirstU64(Bytes(signature))};
}

Result<Cursor> VerifyCursor(const SecretKey& key, std::string_view token) {
  Result<std::string> fields = Open(key, token, 'c', "recommendationId");
  if (!fields.ok()) return fields.status();
  Reader reader(std::string_view(*fields).substr(0, fields->size() - kSignatureBytes));
  Cursor cursor;
  cursor.request = reader.Fixed(8);
  cursor.generation = reader.Varint();
  cursor.time = Timestamp{static_cast<int64_t>(reader.Varint())};
  const uint64_t count = reader.Varint();
  if (count > kCursorItemsMax) return Status::InvalidArgument("recommendationId: too many items");
  uint64_t last = 0;
  for (uint64_t i = 0; i < count && reader.ok(); ++i) {
    last += reader.Varint();
    cursor.shown.push_back(ItemId{last});
  }
  if (!reader.Finished()) return Status::InvalidArgument("recommendationId: cut short");
  return cursor;
}

Result<uint64_t> ShortIdOf(const SecretKey& key, std::string_view token) {
  Result<std::string> fields = Open(key, token, 'c', "recommendationId");
  if (!fields.ok()) return fields.status();
  return FirstU64(std::string_view(*fields).substr(fields->size() - kSignatureBytes));
}

uint64_t HashRequest(const SecretKey& key, std::string_view description) {
  std::string message = "r";
  message.append(description);
  return FirstU64(Bytes(HmacSha256(key, message)));
}

}  // namespace rapport
