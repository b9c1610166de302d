// What an item and a customer are, in the words of models/attributes.h and models/trait_popularity.h: tokens, hashed to
// 64 bits (FNV-1a, mixed), price, category, embedding. Training and serving describe with these same functions; hashes
// are kept in model files, so they never change.
//
//   item      w:<word of the title>  c:<category>  g:<tag>  k:<kind>  a:<name>=<text>  a:<name> where true
//             p:<floor(2 log2 price)>, half octaves
//   customer  country=<..>  locale=<..>  <trait>=<text>  <trait> where true  <trait>~<floor(2 log2 |number|)>
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/words.h"
#include "data/records.h"
#include "models/attributes.h"

namespace rapport {

uint64_t HashToken(std::string_view token);

AttributeItem DescribeItem(const Item& item, WordBreaker& words);

// Tokens of one profile, ascending, unique.
std::vector<uint64_t> DescribeCustomer(const Profile& profile);

}  // namespace rapport
