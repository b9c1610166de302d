// Conjugate gradients (als_steps.h) for all rows of one side together, where the other side's factors F are far larger
// than the caches: a row that names tens of thousands of them reads each from memory in every visit. Here F is taken in
// tiles that stay in a cache, and each tile is visited by all rows before the next:
//   for each visit (one for the residual, one a step):  for each tile:  for each row:  its columns in the tile
// What a row carries between tiles (d doubles and d floats) is read and written in order, which memory does quickly.
// The steps are those of als_steps.h; only the order of their sums is another. It depends on the size of a tile and on
// nothing else: the same bits on every thread count and instruction set.
#pragma once

#include <cstddef>
#include <span>

#include "models/als_row.h"
#include "models/interactions.h"

namespace rapport {

// Rows of F in a tile; 0: F is small enough to be read row by row, or `factors_count` is not a multiple of 16.
size_t TileRows(size_t fixed_rows, size_t factors_count);

// Takes options.conjugate_gradient_steps for every row of `rows` from its last solution in `solved` (rows, d), which
// takes the next. An empty row becomes zeros. A row that is not finite in the end is left so, for the caller to solve.
// REQUIRES tile_rows > 0, side.factors_count % 16 == 0.
void TiledConjugateGradients(const Interactions& rows, const AlsOptions& options, const AlsSide& side, size_t tile_rows,
                             std::span<float> solved);

}  // namespace rapport
