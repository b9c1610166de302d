// Holdouts that live long: customers who get no marketing at all, so that what contacts bring can be read off for ever.
//   in the holdout <=> u64(SHA-256("rapport holdout" 0 name 0 customer id), first 8 bytes, big endian)
//                      < share x 2^64 / 1,000,000
// A pure function of name and customer: nothing is stored, every process says the same, and a share that grows only
// adds customers. Holdouts of different names are independent of each other.
#pragma once

#include <cstdint>
#include <string_view>

namespace rapport {

inline constexpr uint32_t kHoldoutWhole = 1000000;  // parts per million

// `customer`: the external id. Above kHoldoutWhole counts as everybody. Any thread.
bool InHoldout(std::string_view name, std::string_view customer, uint32_t share_ppm);
// Where the customer stands, 0..999,999: in for every share above it.
uint32_t HoldoutPlacePpm(std::string_view name, std::string_view customer);

}  // namespace rapport
