// What an UpdateProfile does to a profile: each field takes the newest word about it, whenever that arrives.
//   IsNews(field, t) = t >= the time of the field's newest word so far; a removal is a word, too
#pragma once

#include "data/operations.h"
#include "data/records.h"

namespace rapport {

enum class ProfileChange : uint8_t {
  kNone,
  kTimes,   // only when it was said
  kFields,  // something that can be read
};

// kResourceExhausted when it would have more than kAttributesMax traits; `profile` is undefined then. At most
// 2 kAttributesMax times are kept: of removed traits the oldest are forgotten first.
Result<ProfileChange> UpdateFields(const UpdateProfile& update, Profile& profile);

}  // namespace rapport
