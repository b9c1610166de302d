#include "data/records.h"

namespace rapport {
namespace {

constexpr const char* kScopeNames[kScopeCount] = {"events",    "recommend", "catalog", "customers",
                                                  "campaigns", "desk",      "models",  "operate"};

template <typename E, size_t N>
std::optional<E> FromName(const char* const (&names)[N], const std::string& name) {
  for (size_t i = 0; i < N; ++i) {
    if (name == names[i]) return static_cast<E>(i);
  }
  return std::nullopt;
}

}  // namespace

const char* ScopeName(Scope scope) {
  const auto index = static_cast<size_t>(scope);
  return index < kScopeCount ? kScopeNames[index] : "unknown";
}
std::optional<Scope> ScopeFromName(const std::string& name) { return FromName<Scope>(kScopeNames, name); }

}  // namespace rapport
