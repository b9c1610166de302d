#include "engine/content/carried_question.h"

#include "base/limits.h"
#include "engine/content/token_bytes.h"

namespace rapport {

namespace {

constexpr uint64_t kFormat = 1;
enum Flag : uint64_t {
  kCustomer = 1,
  kAnonymous = 2,
  kKind = 4,
  kRepeat = 8,
  kDiversity = 16,
  kExplain = 32,
  kFlagEnd = 64
};

uint64_t FlagsOf(const RecommendRequest& request) {
  uint64_t flags = 0;
  if (request.customer) flags |= kCustomer;
  if (request.customer && request.customer->name_space == CustomerNamespace::kAnonymous) flags |= kAnonymous;
  if (request.kind) flags |= kKind;
  if (request.repeat) flags |= kRepeat;
  if (request.diversity) flags |= kDiversity;
  if (request.explain) flags |= kExplain;
  return flags;
}

void PutTexts(std::string& out, const std::vector<std::string>& texts) {
  PutVarint(out, texts.size());
  for (const std::string& text : texts) PutText(out, text);
}

std::vector<std::string> ReadTexts(TokenReader& reader) {
  std::vector<std::string> texts;
  for (size_t left = reader.Count(); left > 0 && reader.ok(); --left) texts.push_back(reader.Text());
  return texts;
}

constexpr const char* kPurpose = "question of a recommendation id";

// The signing key must not seal as well: one key, one use.
SecretKey SealingKey(const SecretKey& signing_key) { return HmacSha256(signing_key, kPurpose); }

}  // namespace

std::string EncodeQuestion(const RecommendRequest& request) {
  std::string out;
  PutVarint(out, kFormat);
  PutVarint(out, FlagsOf(request));
  if (request.customer) PutText(out, request.customer->external_id);
  PutText(out, request.scenario);
  if (request.kind) PutText(out, *request.kind);
  if (request.repeat) PutVarint(out, static_cast<uint64_t>(*request.repeat));
  if (request.diversity) PutDouble(out, *request.diversity);
  PutVarint(out, request.count);
  PutTexts(out, request.seed_items);
  PutText(out, request.filter);
  PutVarint(out, request.boosts.size());
  for (const Boost& boost : request.boosts) {
    PutText(out, boost.filter);
    PutDouble(out, boost.factor);
  }
  PutVarint(out, request.pins.size());
  for (const Pin& pin : request.pins) {
    PutText(out, pin.item);
    PutVarint(out, pin.position);
  }
  PutTexts(out, request.exclude);
  PutText(out, request.note);
  return out;
}

Result<RecommendRequest> DecodeQuestion(std::string_view bytes) {
  TokenReader reader(bytes);
  const bool known = reader.Varint() == kFormat;
  const uint64_t flags = reader.Varint();
  RecommendRequest request;
  if (flags & kCustomer) {
    const auto name_space = flags & kAnonymous ? CustomerNamespace::kAnonymous : CustomerNamespace::kUser;
    request.customer = CustomerRef{name_space, reader.Text()};
  }
  request.scenario = reader.Text();
  if (flags & kKind) request.kind = reader.Text();
  const uint64_t repeat = flags & kRepeat ? reader.Varint() : 0;
  if (flags & kRepeat) request.repeat = static_cast<RepeatPolicy>(repeat);
  if (flags & kDiversity) request.diversity = reader.Double();
  request.explain = (flags & kExplain) != 0;
  request.count = reader.Varint();
  request.seed_items = ReadTexts(reader);
  request.filter = reader.Text();
  for (size_t left = reader.Count(); left > 0 && reader.ok(); --left) {
    Boost& boost = request.boosts.emplace_back();
    boost.filter = reader.Text();
    boost.factor = reader.Double();
  }
  for (size_t left = reader.Count(); left > 0 && reader.ok(); --left) {
    Pin& pin = request.pins.emplace_back();
    pin.item = reader.Text();
    pin.position = reader.Varint();
  }
  request.exclude = ReadTexts(reader);
  request.note = reader.Text();
  const bool sound = known && flags < kFlagEnd && repeat <= static_cast<uint64_t>(RepeatPolicy::kOnlyOrdered);
  if (!sound || !reader.Finished()) return Status::InvalidArgument("recommendationId: its question is not readable");
  return request;
}

RecommendRequest QuestionOfNextPage(const RecommendRequest& request, size_t length) {
  RecommendRequest next = request;
  next.pins.clear();
  for (const Pin& pin : request.pins) {
    if (pin.position > length) next.pins.push_back({pin.item, pin.position - length});
  }
  return next;
}

std::string SealQuestion(const SecretKey& signing_key, const RecommendRequest& request) {
  const std::string question = EncodeQuestion(request);
  if (question.size() > limits::kCarriedQuestionBytesMax) return {};
  Result<std::string> sealed = SealSiv(SealingKey(signing_key), kPurpose, question);
  return sealed.ok() ? sealed.Take() : std::string();
}

Result<RecommendRequest> OpenQuestion(const SecretKey& signing_key, std::string_view sealed) {
  if (sealed.empty()) {
    return Status::InvalidArgument(
        "recommendationId: this list is not continued (item lists, boards, rankings and questions of more than " +
        std::to_string(limits::kCarriedQuestionBytesMax) +
        " bytes are not); ask /v1/recommendations with what was shown in exclude");
  }
  const Result<std::string> question = OpenSiv(SealingKey(signing_key), kPurpose, sealed);
  if (!question.ok()) return Status::InvalidArgument("recommendationId: its question is not readable");
  return DecodeQuestion(*question);
}

}  // namespace rapport
