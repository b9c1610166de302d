#include "engine/content/impression.h"

#include <bit>

#include "engine/content/token_bytes.h"

namespace rapport {

namespace {

constexpr size_t kSignatureBytes = 16;
constexpr char kImpressionFormat = 1, kCursorFormat = 2;  // 2: carries the question

std::string_view Bytes(const Digest256& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

uint64_t FirstU64(std::string_view bytes) { return TokenReader(bytes).Fixed(8); }

std::string Seal(std::string payload, const Digest256& signature) {
  payload.append(Bytes(signature).substr(0, kSignatureBytes));
  return ToBase64Url(payload);
}

// The payload behind kind and format, and the signature behind it, when both are right.
Result<std::string> Open(const SecretKey& key, std::string_view token, char kind, char format,
                         const std::string& what) {
  const Status refused = Status::InvalidArgument(what + ": not one of this server's; send it back exactly as it came");
  if (token.size() > limits::kRecommendationIdBytesMax) return refused;
  Result<std::string> bytes = FromBase64Url(token);
  if (!bytes.ok() || bytes->size() < 2 + kSignatureBytes) return refused;
  const std::string_view all = *bytes;
  const std::string_view payload = all.substr(0, all.size() - kSignatureBytes);
  const Digest256 expected = HmacSha256(key, payload);
  if (!ConstantTimeEqual(all.substr(payload.size()), Bytes(expected).substr(0, kSignatureBytes))) return refused;
  if (payload[0] != kind) return Status::InvalidArgument(what + ": this token is for something else");
  if (payload[1] != format) {
    return Status::InvalidArgument(what + ": made by another version of Rapport; ask for recommendations again");
  }
  return std::string(all.substr(2));
}

}  // namespace

std::string SignImpression(const SecretKey& key, const Impression& impression) {
  constexpr size_t kBytesMax = 64;  // of all fields and the signature: it never grows
  std::string payload;
  payload.reserve(kBytesMax);
  payload += 'i';
  payload += kImpressionFormat;
  PutFixed(payload, impression.recommendation, 8);
  PutVarint(payload, impression.item.value);
  PutVarint(payload, impression.slot);
  PutFixed(payload, std::bit_cast<uint32_t>(impression.propensity), 4);
  PutVarint(payload, static_cast<uint64_t>(impression.time.ms));
  const Digest256 signature = HmacSha256(key, payload);
  return Seal(std::move(payload), signature);
}

Result<Impression> VerifyImpression(const SecretKey& key, std::string_view token) {
  Result<std::string> fields = Open(key, token, 'i', kImpressionFormat, "impression");
  if (!fields.ok()) return fields.status();
  TokenReader reader(std::string_view(*fields).substr(0, fields->size() - kSignatureBytes));
  Impression impression;
  impression.recommendation = reader.Fixed(8);
  impression.item = ItemId{reader.Varint()};
  impression.slot = static_cast<uint32_t>(reader.Varint());
  impression.propensity = std::bit_cast<float>(static_cast<uint32_t>(reader.Fixed(4)));
  impression.time = Timestamp{static_cast<int64_t>(reader.Varint())};
  if (!reader.Finished()) return Status::InvalidArgument("impression: cut short");
  return impression;
}

SignedCursor SignCursor(const SecretKey& key, const Cursor& cursor) {
  std::string payload = {'c', kCursorFormat};
  PutFixed(payload, cursor.request, 8);
  PutVarint(payload, cursor.generation);
  PutVarint(payload, static_cast<uint64_t>(cursor.time.ms));
  PutVarint(payload, cursor.shown.size());
  uint64_t last = 0;
  for (const ItemId item : cursor.shown) {
    PutVarint(payload, item.value - last);
    last = item.value;
  }
  PutText(payload, cursor.question);
  const Digest256 signature = HmacSha256(key, payload);
  return {Seal(std::move(payload), signature), FirstU64(Bytes(signature))};
}

Result<Cursor> VerifyCursor(const SecretKey& key, std::string_view token) {
  Result<std::string> fields = Open(key, token, 'c', kCursorFormat, "recommendationId");
  if (!fields.ok()) return fields.status();
  TokenReader reader(std::string_view(*fields).substr(0, fields->size() - kSignatureBytes));
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
  cursor.question = reader.Text();
  if (!reader.Finished()) return Status::InvalidArgument("recommendationId: cut short");
  return cursor;
}

Result<uint64_t> ShortIdOf(const SecretKey& key, std::string_view token) {
  Result<std::string> fields = Open(key, token, 'c', kCursorFormat, "recommendationId");
  if (!fields.ok()) return fields.status();
  return FirstU64(std::string_view(*fields).substr(fields->size() - kSignatureBytes));
}

uint64_t HashRequest(const SecretKey& key, std::string_view description) {
  std::string message = "r";
  message.append(description);
  return FirstU64(Bytes(HmacSha256(key, message)));
}

uint64_t DrawSeed(const SecretKey& key, const Cursor& cursor, size_t slot) {
  std::string message = "d";
  for (const uint64_t part :
       {cursor.request, cursor.generation, static_cast<uint64_t>(cursor.time.ms), uint64_t{slot}}) {
    PutFixed(message, part, 8);
  }
  return FirstU64(Bytes(HmacSha256(key, message)));
}

}  // namespace rapport
