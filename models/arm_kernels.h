// The inner loops of arm_search.h, compiled for three instruction sets and chosen at run time like models/kernels.h:
// every set gives the same bits (no sum across lanes, no fused products).
//
//   sigmoid(z) = 1 / (1 + 2^(-z log2 e)), the power by a polynomial of degree 6 on [-1/2, 1/2]: error below 3e-7
#pragma once

#include <cstddef>

#include "models/kernels.h"

namespace rapport::arm_kernels {

// Sizes are multiples of 16. A logit of -infinity, or a price of +infinity, gives -infinity. Immutable, any thread.
struct Kernels {
  // best[k] = max over j of channel_row[j] + kind_rows[k][j], for `kinds` rows of `size`.
  void (*best_logits)(const float* channel_row, const float* kind_rows, size_t kinds, size_t size, float* best);
  // out[j] = base[j] + weights[0] rows[0][j] + weights[1] rows[1][j] + ..., rows `step` apart.
  void (*mixed_row)(const float* base, const float* rows, size_t step, const float* weights, size_t count, size_t size,
                    float* out);
  // out[j] = margins[j] sigmoid(best[j] + content[j]) - fixed - prices[j].
  void (*content_values)(const float* best, const float* content, const float* margins, const float* prices,
                         float fixed, size_t size, float* out);
  // out[j] = margin sigmoid((channel_row[j] + kind_row[j]) + content) - fixed - prices[j]; returns the largest.
  float (*slot_values)(const float* channel_row, const float* kind_row, const float* prices, float content,
                       float margin, float fixed, size_t size, float* out);
};

bool IsSupported(kernels::InstructionSet set);
// REQUIRES IsSupported(set).
const Kernels& KernelsOf(kernels::InstructionSet set);
const Kernels& BestKernels();

}  // namespace rapport::arm_kernels
