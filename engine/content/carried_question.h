// The question that a list answers, as bytes that travel sealed inside its recommendation id, so that the next page
// asks the same without anything being kept here. Times and the place in the list are the cursor's business.
//
//   1, flags (1 customer, 2 of them anonymous, 4 kind, 8 repeat, 16 diversity, 32 explain), customer, scenario, kind,
//   repeat, diversity, count, seeds, filter, boosts, pins, excludes, note            as of engine/content/token_bytes.h
#pragma once

#include <string>
#include <string_view>

#include "base/crypto.h"
#include "base/status.h"
#include "engine/requests.h"

namespace rapport {

// `request` without `now` and `after`.
std::string EncodeQuestion(const RecommendRequest& request);
// kInvalidArgument when the bytes are not those of EncodeQuestion.
Result<RecommendRequest> DecodeQuestion(std::string_view bytes);

// The question of the page after one with `length` items: pins that stand further down come nearer, others have had
// their chance.
RecommendRequest QuestionOfNextPage(const RecommendRequest& request, size_t length);

// As it travels in Cursor::question: sealed with a key made from `signing_key`. Empty when it is longer than
// limits::kCarriedQuestionBytesMax: such a list is not continued.
std::string SealQuestion(const SecretKey& signing_key, const RecommendRequest& request);
// kInvalidArgument when there is none, or not one of ours.
Result<RecommendRequest> OpenQuestion(const SecretKey& signing_key, std::string_view sealed);

}  // namespace rapport
