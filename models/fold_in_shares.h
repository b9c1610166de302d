// What each item of a history does for the factors' scores, in closed form. With A = sum w y y^T + a G + l I and
// x = A^-1 sum w y (models/als.h), g_ij = y_i^T A^-1 y_j:
//   additive share    c_ij = w_i g_ij                              sum_i c_ij = x . y_j   (Hu, Koren, Volinsky 2008, 5)
//   what goes with i  d_ij = c_ij (1 - x . y_i) / (1 - w_i g_ii)   the score less that of the history without i
// The second is exact where A loses w_i y_i y_i^T (Sherman, Morrison 1950); that l I follows the length of the history
// (l n, beside l a |I|) is left out. The additive share holds A still, as if the item were still observed at 0.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/als.h"

namespace rapport {

// (targets, history), row major.
struct FoldInShares {
  std::vector<double> additive;
  std::vector<double> removal;
};

// `history`: unique rows, `weights` > 0, as for FoldIn; `targets` any rows. Zeros where the numbers overflow. In
// double; d^3 / 3 + d^2 |history| + d |history| |targets| operations. REQUIRES a model that FoldIn takes.
FoldInShares ShareFoldIn(const AlsModel& model, std::span<const uint32_t> history, std::span<const float> weights,
                         std::span<const uint32_t> targets);

}  // namespace rapport
