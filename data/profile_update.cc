#include "data/profile_update.h"

#include "base/limits.h"
#include "data/codec.h"

namespace rapport {
namespace {

constexpr size_t kFieldTimesMax = 2 * limits::kAttributesMax;

bool IsEmptyList(const Value& value) {
  const auto* list = std::get_if<std::vector<std::string>>(&value);
  return list != nullptr && list->empty();
}

std::string EncodeWithoutTimes(Profile profile) {
  profile.told_at.clear();
  return EncodeRecord(profile);
}

// Whether nothing newer was said about the field; if so, remembers when this was.
bool IsNews(Profile& profile, const std::string& field, Timestamp time) {
  const auto at = profile.told_at.try_emplace(field, time).first;
  if (time < at->second) return false;
  at->second = time;
  return true;
}

void ForgetOldest(Profile& profile) {
  while (profile.told_at.size() > kFieldTimesMax) {
    auto oldest = profile.told_at.end();
    for (auto at = profile.told_at.begin(); at != profile.told_at.end(); ++at) {
      if (at->first.starts_with(kOwnField) || profile.traits.contains(at->first)) continue;
      if (oldest == profile.told_at.end() || at->second < oldest->second) oldest = at;
    }
    if (oldest == profile.told_at.end()) return;
    profile.told_at.erase(oldest);
  }
}

}  // namespace

Result<ProfileChange> UpdateFields(const UpdateProfile& update, Profile& profile) {
  const FieldTimes times_before = profile.told_at;
  const std::string before = EncodeWithoutTimes(profile);
  const auto set = [&](const char* name, auto& field, const auto& value) {
    if (value && IsNews(profile, kOwnField + std::string(name), update.time)) field = *value;
  };
  set("time_zone", profile.time_zone, update.time_zone);
  set("locale", profile.locale, update.locale);
  set("country", profile.country, update.country);
  set("audiences", profile.audiences, update.audiences);
  for (const auto& [name, value] : update.traits) {
    if (!IsNews(profile, name, update.time)) continue;
    if (IsEmptyList(value)) {
      profile.traits.erase(name);
    } else {
      profile.traits[name] = value;
    }
  }
  if (profile.traits.size() > limits::kAttributesMax) {
    return Status::ResourceExhausted("the customer would have more than " + std::to_string(limits::kAttributesMax) +
                                     " traits; remove some first");
  }
  ForgetOldest(profile);
  if (EncodeWithoutTimes(profile) != before) return ProfileChange::kFields;
  return profile.told_at != times_before ? ProfileChange::kTimes : ProfileChange::kNone;
}

}  // namespace rapport
