// The hot loops of models/, written once (kernels_*_body.h) and compiled for three
// instruction sets; the best one that the processor has is chosen at run time, so the binary stays portable.
//
// Promise: every set gives the same bits. Each output element is summed in one fixed order, and products are never
// fused into their sums (no FMA), so a model trained on one machine ranks the same on every other. Sizes: `stride` is a
// multiple of 16, `size` a multiple of 4; padding holds zeros. No alignment is asked for.
#pragma once

#include <cstddef>
#include <cstdint>

// Kernels for x86 are marked by pragmas that clang (only the fuzzers are built with it) does not know; the baseline is
// used there.
#if defined(__x86_64__) && !defined(__clang__)
#define RAPPORT_X86_KERNELS 1
#endif

namespace rapport::kernels {

// A length padded to the multiple that strides and sizes are of.
constexpr size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }

enum class InstructionSet { kBaseline, kAvx2, kAvx512 };

// Rows table[indices[r]] with weights > 0; how far ahead to ask for them in the first pass and in those after it.
struct StepRows {
  const float* table = nullptr;
  const uint32_t* indices = nullptr;
  const float* weights = nullptr;
  size_t count = 0, ahead = 0, ahead_again = 0;
};
// Vectors of `size` elements each, the caller's.
struct StepVectors {
  const double* diagonal = nullptr;  // > 0, also where the rows are padded
  double *solution = nullptr, *residual = nullptr, *product = nullptr, *inverse = nullptr, *turned = nullptr;
  float* direction = nullptr;
};

// A table of functions; immutable, any thread.
struct Kernels {
  // out[r] = rows[r] . vector for `count` rows of `size` (any size, no padding): 16 lanes, lane l sums the elements
  // l, l + 16, ... in order; lanes are then added pairwise (l, l + 8), (l, l + 4), (l, l + 2), (l, l + 1).
  void (*dot_rows)(const float* rows, size_t count, size_t size, const float* vector, float* out);
  // row <- factor source, padded with zeros to `stride`; sum += factor row. `source` has any size, no padding.
  void (*add_scaled)(const float* source, size_t size, size_t stride, float factor, float* row, float* sum);
  // matrix += sum_r rows[r] rows[r]^T, upper triangle, both with `stride` columns; the sum of this call is formed
  // first, from r = 0, and then added.
  void (*add_outer)(const float* rows, size_t count, size_t stride, float* matrix);
  void (*add_outer_double)(const double* rows, size_t count, size_t stride, double* matrix);
  // The same with the sums over 64 rows in float, these added in double; stride <= kSizeMax.
  void (*add_outer_wide)(const float* rows, size_t count, size_t stride, double* matrix);
  // sum += sum_r coefficients[r] rows[r], each product and sum in double, in the order of r.
  void (*add_combination)(const float* rows, size_t count, size_t stride, const float* coefficients, double* sum);
  // sum += sum_r c_r row_r, c_r = weights[r] (target - row_r . vector), row_r = table[indices[r]] of `size` (a multiple
  // of 16, at most kSizeMax): dots as dot_rows, sums over 64 rows in float from r = 0, these added in double. Asks for
  // the row that is `ahead` further on (0: does not).
  void (*add_projection)(const float* table, const uint32_t* indices, const float* weights, size_t count, size_t size,
                         const float* vector, float target, size_t ahead, double* sum);
  // `steps` (>= 1) of conjugate gradients for (sum w f f^T + diagonal) x = sum w f, preconditioned by the diagonal. Of
  // `vectors`, `direction` holds x at the start and at the end and `diagonal` is given; the rest is working space.
  // `size` as for add_projection, with which products are formed; the last step forms none, for its length needs only
  // sum w (f . direction)^2. Vectors are kept in double, their dots summed in 16 lanes.
  void (*conjugate_gradients)(const StepRows& rows, size_t size, int steps, const StepVectors& vectors);
  // In place: upper triangle of a symmetric positive definite matrix -> U with U^T U = matrix. False, matrix undefined,
  // when a pivot falls below `pivot_ratio_min` of its diagonal or is not finite.
  bool (*cholesky)(float* matrix, size_t size, size_t stride, float pivot_ratio_min);
  // vector <- (U^T U)^-1 vector; `vector` and `scratch` have stride elements.
  void (*cholesky_solve)(const float* upper, size_t size, size_t stride, float* vector, float* scratch);
  // rows[r] <- rows[r] basis, in double, rounded once; rows (count, size), basis (size, stride).
  void (*rotate_rows)(float* rows, size_t count, size_t size, const double* basis, size_t stride);
  // The same in float.
  void (*rotate_rows_float)(float* rows, size_t count, size_t size, const float* basis, size_t stride);
  // Bit i: scores[i] >= threshold; 64 scores. Not a number reaches nothing.
  uint64_t (*reaching)(const float* scores, float threshold);
  // The largest of 64 scores among those whose bit is set; 0 where none of them is above.
  float (*highest)(const float* scores, uint64_t bits);
  // out[i] = table[indices[i]] . vector for `count` rows of `size`, as dot_rows.
  void (*dot_named)(const float* table, const uint32_t* indices, size_t count, size_t size, const float* vector,
                    float* out);
  // sum_r weights[r] (row_r . vector)^2, rows as for add_projection: dots as dot_rows, the sum in four lanes of
  // doubles.
  double (*projection_energy)(const float* table, const uint32_t* indices, const float* weights, size_t count,
                              size_t size, const float* vector, size_t ahead);
  // out = sum_r weights[r] table[indices[r]], each element summed in float in the order of r; rows of any `size`.
  void (*sum_named)(const float* table, const uint32_t* indices, const float* weights, size_t count, size_t size,
                    float* out);
  // out[2 i], out[2 i + 1] = s and sqrt(s) for i < 16: s = scores[i] / highest[i] where the score is finite and above
  // 0, else 0. REQUIRES highest > 0.
  void (*scaled_roots)(const float* scores, const float* highest, float* out);
};

// Largest `size` that cholesky, add_projection and the rotations take.
inline constexpr size_t kSizeMax = 1024;

bool IsSupported(InstructionSet set);
// REQUIRES IsSupported(set).
const Kernels& KernelsOf(InstructionSet set);
const Kernels& BestKernels();

}  // namespace rapport::kernels
