#include "engine/contact/holdout.h"

#include <string>

#include "base/crypto.h"

namespace rapport {

uint32_t HoldoutPlacePpm(std::string_view name, std::string_view customer) {
  std::string text = "rapport holdout";
  text += '\0';
  text += name;
  text += '\0';
  text += customer;
  const Digest256 digest = Sha256(text);
  uint64_t place = 0;
  for (size_t i = 0; i < 8; ++i) place = place << 8 | digest[i];
  __extension__ typedef unsigned __int128 Wide;
  return static_cast<uint32_t>(static_cast<Wide>(place) * kHoldoutWhole >> 64);
}

bool InHoldout(std::string_view name, std::string_view customer, uint32_t share_ppm) {
  return HoldoutPlacePpm(name, customer) < share_ppm;
}

}  // namespace rapport
